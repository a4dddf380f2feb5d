//! Owns: a look at a folder that does not live on: whether what was heard is there.
//! Never: changes the book; asks for anything that was not answered.

use super::{
    audit,
    book::{Asked, Shared, Verdict, open},
    load,
};
use rand::{RngExt as _, rngs::StdRng};
use tallystick_proto::v1::{
    GetSessionRequest, authorize_request::Intent, authorizer_client::AuthorizerClient,
};
use tonic::transport::Channel;

/// How many answers of each session are asked for again.
const SAMPLE: usize = 6;

/// Compares every session that nobody asked to settle, and asks for some answers again.
pub async fn everything(channel: &Channel, book: &Shared, dice: &mut StdRng) {
    let stay: Vec<usize> = {
        let book = open(book);
        let stays = |at: &usize| {
            let session = &book.sessions[*at];
            !session.is_brief && !book.settlings.contains(at) && !book.told.contains_key(&session.id)
        };
        book.live.iter().copied().filter(stays).collect()
    };
    for session in stay {
        let (session_id, spent, count) = {
            let book = open(book);
            let session = &book.sessions[session];
            (session.id.clone(), session.spent(), session.debit_count())
        };
        let request = GetSessionRequest { session_id };
        let shown = AuthorizerClient::new(channel.clone()).get_session(request).await.unwrap().into_inner();
        let shown = shown.session.expect("it is open");
        assert!(shown.spent_nanos >= spent && shown.debit_count >= count, "{spent} in {count}, {shown:?}");
        for (key, asked, verdict) in sample(book, session, dice) {
            let request = load::request(&open(book), asked, Intent::IdempotencyKey(key));
            let answer = AuthorizerClient::new(channel.clone()).authorize(request.clone()).await.unwrap();
            let decision = answer.into_inner().decision.expect("it decides");
            assert!(decision.replayed, "{request:?} {decision:?}");
            assert_eq!(Verdict::of_decision(&decision), verdict, "{request:?} {decision:?}");
        }
    }
    if !open(book).opened.is_empty() {
        audit::reopen_one(channel, book, dice).await.unwrap();
        audit::deposit_one_again(channel, book, dice).await.unwrap();
    }
}

fn sample(book: &Shared, session: usize, dice: &mut StdRng) -> Vec<(String, Asked, Verdict)> {
    let book = open(book);
    (0..SAMPLE).filter_map(|_| book.remembered_key(session, dice.random_range(0..1 << 30))).collect()
}
