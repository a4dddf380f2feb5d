//! Owns: the secrets of sessions: a debit, a child and a top-up take the one of what they draw on; a stream presents it once, and again
//! when it comes back; and a secret is nowhere to be read.

#![allow(clippy::unwrap_used, reason = "a function of a test is no `#[test]` to clippy")]

mod roles;

use roles::{Keyed, roles};
use std::time::Duration;
use tallystick_client::{
    Client, ClientError, Debit, PayeeId, Secret, SessionId, WriterOptions,
    v1::{self, Refusal},
};

fn opening(key: &str) -> v1::OpenSessionRequest {
    v1::OpenSessionRequest {
        idempotency_key: key.into(),
        cap_nanos: 1_000,
        currency: "USD".into(),
        ..Default::default()
    }
}

async fn opened(client: &Client, request: v1::OpenSessionRequest) -> v1::Session {
    client.open_session(request).await.unwrap().session.unwrap()
}

fn pay(session_id: &str, payee_id: &str, key: &str, secret: &[u8]) -> v1::AuthorizeRequest {
    v1::AuthorizeRequest {
        session_id: session_id.into(),
        payee_id: payee_id.into(),
        amount_nanos: 1,
        intent: Some(v1::authorize_request::Intent::IdempotencyKey(key.into())),
        secret: secret.into(),
        ..Default::default()
    }
}

fn reason<T>(answer: Result<T, ClientError>) -> Option<Refusal> {
    match answer {
        Ok(_) => None,
        Err(ClientError::Refused { refusal, .. }) => Some(refusal),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn takes_the_secret_with_every_debit_and_child() {
    let server = Keyed::start().await;
    let development = server.development.clone().unwrap();
    let all = server.client(&development);
    let account = v1::CreateAccountRequest {
        idempotency_key: "account".into(),
        currency: "USD".into(),
        ..Default::default()
    };
    let account_id = all.create_account(account).await.unwrap().account.unwrap().account_id;
    let deposit = v1::DepositRequest {
        account_id: account_id.clone(),
        idempotency_key: "deposit".into(),
        amount_nanos: 1_000_000,
        currency: "USD".into(),
        ..Default::default()
    };
    all.deposit(deposit).await.unwrap();
    let payee = v1::CreatePayeeRequest { idempotency_key: "payee".into(), name: "Acme".into() };
    let payee_id = all.create_payee(payee).await.unwrap().payee.unwrap().payee_id;
    let (mandate, agents) = (Secret::new("the mandate's own"), Secret::new("the agent's own"));
    let above = v1::OpenSessionRequest {
        account_id,
        ttl: Some(Duration::from_secs(3_600).try_into().unwrap()),
        secret_hash: mandate.hash().into(),
        ..opening("above")
    };
    let above = opened(&all, above).await;
    assert!(above.has_secret);

    let like = v1::CreateCredentialRequest { roles: roles("authorize"), ..Default::default() };
    let agent = server.client(&server.credential(&development, like).await.0);
    let below = |key: &str, parent_secret: &[u8]| v1::OpenSessionRequest {
        parent_session_id: above.session_id.clone(),
        secret_hash: agents.hash().into(),
        parent_secret: parent_secret.into(),
        cap_nanos: 100,
        ..opening(key)
    };
    for wrong in [&b""[..], b"the mandate's owN", &agents.to_bytes()] {
        assert_eq!(reason(agent.open_session(below("child", wrong)).await), Some(Refusal::SecretWrong));
    }
    let child = opened(&agent, below("child", &mandate.to_bytes())).await;

    // A refusal is no outcome: the same key is good with the secret.
    for (secret, expected) in [
        (&b""[..], Some(Refusal::SecretWrong)),
        (b"x", Some(Refusal::SecretWrong)),
        (&agents.to_bytes(), None),
    ] {
        let asked = pay(&child.session_id, &payee_id, "one", secret);
        assert_eq!(reason(agent.authorize(asked).await), expected);
    }
    let long = pay(&child.session_id, &payee_id, "long", &[0; 256]);
    assert_eq!(reason(agent.authorize(long).await), Some(Refusal::Malformed));

    // Its own secret raises nothing: more comes from above.
    let more = |secret: &[u8]| v1::TopUpRequest {
        session_id: child.session_id.clone(),
        idempotency_key: "more".into(),
        add_nanos: 5,
        parent_secret: secret.into(),
        ..Default::default()
    };
    assert_eq!(reason(agent.top_up(more(&agents.to_bytes())).await), Some(Refusal::SecretWrong));
    assert_eq!(agent.top_up(more(&mandate.to_bytes())).await.unwrap().session.unwrap().cap_nanos, 105);

    let session = SessionId::new(&child.session_id);
    let payee = PayeeId::new(&payee_id);
    for (secrets, expected) in
        [(vec![], "SecretWrong"), (vec![(session.clone(), agents.clone())], "Approved")]
    {
        let writer = agent.writer(WriterOptions { secrets, ..WriterOptions::default() }).await.unwrap();
        for _ in 0..2 {
            let asked = writer.submit(vec![Debit::new(&session, &payee, 1)]).await.unwrap();
            let heard = format!("{:?}", asked.await);
            assert!(heard.contains(expected), "{heard}");
            if expected == "SecretWrong" {
                break;
            }
        }
    }
    let shown =
        all.get_session(v1::GetSessionRequest { session_id: child.session_id.clone() }).await.unwrap();
    assert_eq!(shown.session.unwrap().spent_nanos, 3);
    server.stop().await;
}
