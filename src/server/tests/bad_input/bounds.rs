//! Owns: rows past the bounds of what a session remembers.

use super::{
    World,
    expected::{KEYS_EXHAUSTED, TOO_MANY_WRITERS},
    stream::batch,
};
use tallystick_proto::v1::{AuthorizeRequest, Outcome, StreamDebit, WriterNumber, authorize_request::Intent};

const KEYS: usize = 65_536;
const WRITERS: usize = 64;

pub(crate) async fn refuse(world: &World) {
    keys(world).await;
    writers(world).await;
}

async fn keys(world: &World) {
    let session_id = world.open(world.opening()).await;
    let mut stream = world.stream().await;
    let names: Vec<usize> = (0..KEYS).collect();
    for names in names.chunks(10_000) {
        let debit = |name: &usize| StreamDebit {
            amount_nanos: 1,
            idempotency_key: format!("{name}"),
            ..StreamDebit::default()
        };
        let debits = names.iter().map(debit).collect();
        let result = stream.batch(batch(&session_id, &world.stage.payee_id, debits)).await;
        assert!(result.results.iter().all(|debit| debit.outcome() == Outcome::Approved));
    }
    let one_more = AuthorizeRequest { session_id, ..world.debit() };
    let mut client = world.authorizer();
    let call = client.authorize(one_more.clone());
    world.refuses("Authorize: a 65,537th key", KEYS_EXHAUSTED, call).await;
    // What it remembers, it still answers.
    let intent = Some(Intent::IdempotencyKey("65535".into()));
    let again = AuthorizeRequest { intent, amount_nanos: 1, ..one_more };
    assert!(world.approved(again).await.replayed);
}

async fn writers(world: &World) {
    let session_id = world.open(world.opening()).await;
    for nth in 0..=WRITERS {
        let writer = world.stream().await;
        let at = WriterNumber { writer_id: writer.writer_id, epoch: 1, number: 1, acked_through: 0 };
        let (session_id, intent) = (session_id.clone(), Some(Intent::WriterNumber(at)));
        let request = AuthorizeRequest { session_id, intent, ..world.debit() };
        if nth < WRITERS {
            world.approved(request).await;
        } else {
            let mut client = world.authorizer();
            let call = client.authorize(request);
            world.refuses("Authorize: a 65th writer", TOO_MANY_WRITERS, call).await;
        }
    }
}
