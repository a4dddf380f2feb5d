//! Owns: the life of a key: made at the first start and shown once, known over restarts, revoked under a stream that is open,
//! and never in the log or the folder.

#![allow(clippy::unwrap_used, reason = "a function of a test is no `#[test]` to clippy")]

mod roles;

use roles::{Keyed, keyed, roles};
use std::{fs, path::Path, time::Duration};
use tallystick_client::v1::{
    self, AuthorizeStreamRequest, authorize_stream_request::Message as Say,
    authorize_stream_response::Message as Hear, authorizer_client::AuthorizerClient,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

fn with_roles(text: &str) -> v1::CreateCredentialRequest {
    v1::CreateCredentialRequest { roles: roles(text), ..Default::default() }
}

/// Opens a session that can pay a payee, as whoever may do everything.
async fn stage(server: &Keyed, key: &str) -> (String, String) {
    let client = server.client(key);
    let account = v1::CreateAccountRequest {
        idempotency_key: "account".into(),
        currency: "USD".into(),
        ..Default::default()
    };
    let account_id = client.create_account(account).await.unwrap().account.unwrap().account_id;
    let deposit = v1::DepositRequest {
        account_id: account_id.clone(),
        idempotency_key: "deposit".into(),
        amount_nanos: 1_000_000,
        currency: "USD".into(),
        ..Default::default()
    };
    client.deposit(deposit).await.unwrap();
    let payee = v1::CreatePayeeRequest { idempotency_key: "payee".into(), name: "Acme".into() };
    let payee_id = client.create_payee(payee).await.unwrap().payee.unwrap().payee_id;
    let session = v1::OpenSessionRequest {
        account_id,
        idempotency_key: "session".into(),
        cap_nanos: 1_000_000,
        currency: "USD".into(),
        ttl: Some(Duration::from_secs(3_600).try_into().unwrap()),
        ..Default::default()
    };
    (client.open_session(session).await.unwrap().session.unwrap().session_id, payee_id)
}

fn batch(session_id: &str, payee_id: &str, number: u64) -> AuthorizeStreamRequest {
    let debit = v1::StreamDebit { number, amount_nanos: 1, ..Default::default() };
    AuthorizeStreamRequest {
        message: Some(Say::Batch(v1::DebitBatch {
            batch_id: number,
            session_ids: vec![session_id.into()],
            payee_ids: vec![payee_id.into()],
            debits: vec![debit],
            ..Default::default()
        })),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoking_a_key_ends_what_is_asked_with_it_on_an_open_stream_too() {
    let server = Keyed::start().await;
    let development = server.development.clone().unwrap();
    let (session_id, payee_id) = stage(&server, &development).await;
    let (agent, credential) = server.credential(&development, with_roles("authorize")).await;

    let (say, outbound) = mpsc::channel(8);
    say.send(AuthorizeStreamRequest { message: Some(Say::Hello(v1::Hello::default())) }).await.unwrap();
    let mut client = AuthorizerClient::new(server.channel.clone());
    let opened = client.authorize_stream(keyed(Some(&agent), ReceiverStream::new(outbound))).await;
    let mut hear = opened.unwrap().into_inner();
    assert!(matches!(hear.message().await.unwrap().unwrap().message, Some(Hear::Welcome(_))));
    say.send(batch(&session_id, &payee_id, 1)).await.unwrap();
    let Some(Hear::Batch(result)) = hear.message().await.unwrap().unwrap().message else {
        panic!("no result")
    };
    assert!(result.results[0].refused.is_none(), "{result:?}");

    let revoke = v1::RevokeCredentialRequest { credential_id: credential.credential_id };
    let operator = server.client(&development);
    assert!(!operator.revoke_credential(revoke.clone()).await.unwrap().replayed);
    say.send(batch(&session_id, &payee_id, 2)).await.unwrap();
    let ended = hear.message().await.unwrap_err();
    assert_eq!(ended.code(), Code::Unauthenticated, "{ended}");
    assert!(operator.revoke_credential(revoke).await.unwrap().replayed);

    let shown = operator.get_session(v1::GetSessionRequest { session_id }).await.unwrap();
    assert_eq!(shown.session.unwrap().spent_nanos, 1, "what was asked after the revocation was not done");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_known_after_a_restart_and_the_first_is_made_once() {
    let server = Keyed::start().await;
    let development = server.development.clone().unwrap();
    let (auditor, _) = server.credential(&development, with_roles("audit")).await;
    let (gone, row) = server.credential(&development, with_roles("audit")).await;
    let revoke = v1::RevokeCredentialRequest { credential_id: row.credential_id };
    server.client(&development).revoke_credential(revoke).await.unwrap();
    let list = |client: tallystick_client::Client| async move {
        client.list_credentials(v1::ListCredentialsRequest::default()).await
    };
    let before = list(server.client(&auditor)).await.unwrap().credentials;
    assert_eq!(before.len(), 3);
    assert!(before[0].development && before[2].revoked_at.is_some());

    // Once from a checkpoint, which an orderly end leaves.
    let server = Keyed::start_on(server.stop().await).await;
    assert_eq!(server.development, None, "there is a credential already");
    for known in [&development, &auditor] {
        assert_eq!(list(server.client(known)).await.unwrap().credentials, before);
    }
    assert!(list(server.client(&gone)).await.is_err(), "it was revoked");
    let folder = server.stop().await;
    for key in [&development, &auditor, &gone] {
        assert!(!holds(folder.path(), key.as_bytes()), "a key is in the folder");
        assert!(holds(folder.path(), &key.as_bytes()[..12]), "its prefix is");
    }
}

/// Returns whether a file below holds these bytes.
fn holds(folder: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().map(Result::unwrap).any(|entry| {
        if entry.file_type().unwrap().is_dir() {
            return holds(&entry.path(), bytes);
        }
        fs::read(entry.path()).unwrap().windows(bytes.len()).any(|window| window == bytes)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_may_hold_what_must_be_apart() {
    let server = Keyed::start().await;
    let development = server.development.clone().unwrap();
    let client = server.client(&development);
    let refused = |request: v1::CreateCredentialRequest| {
        let drawn = tallystick_client::DrawnKey::draw().unwrap();
        let request = v1::CreateCredentialRequest {
            idempotency_key: drawn.prefix.clone(),
            key_hash: drawn.hash.into(),
            prefix: drawn.prefix,
            name: "test".into(),
            ..request
        };
        let client = client.clone();
        async move { client.create_credential(request).await.unwrap_err().to_string() }
    };
    for together in
        ["authorize,grant", "authorize,approve", "authorize,operate", "authorize,collect", "collect"]
    {
        let text = refused(with_roles(together)).await;
        assert!(text.contains("roles must"), "{together}: {text}");
    }
    let payee_id = stage(&server, &development).await.1;
    for roles in ["collect,audit", "settle"] {
        let text =
            refused(v1::CreateCredentialRequest { payee_id: payee_id.clone(), ..with_roles(roles) }).await;
        assert!(text.contains("collect alone"), "{roles}: {text}");
    }
    let front_end =
        |name: &str| v1::CreateCredentialRequest { front_end: name.into(), ..with_roles("audit") };
    for name in ["a b", &"x".repeat(65)] {
        assert!(refused(front_end(name)).await.contains("front_end must"), "{name}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_made_once_however_often_it_is_asked_for() {
    let server = Keyed::start().await;
    let client = server.client(&server.development.clone().unwrap());
    let drawn = tallystick_client::DrawnKey::draw().unwrap();
    let request = v1::CreateCredentialRequest {
        idempotency_key: "agent".into(),
        key_hash: drawn.hash.into(),
        prefix: drawn.prefix,
        name: "agent".into(),
        ..with_roles("authorize")
    };
    let first = client.create_credential(request.clone()).await.unwrap();
    let again = client.create_credential(request.clone()).await.unwrap();
    assert!(!first.replayed && again.replayed);
    assert_eq!((first.credential, first.seq), (again.credential, again.seq));
    let other = v1::CreateCredentialRequest { roles: roles("audit"), ..request.clone() };
    assert!(client.create_credential(other).await.unwrap_err().to_string().contains("roles differs"));
    let twin = v1::CreateCredentialRequest { idempotency_key: "twin".into(), ..request };
    assert!(client.create_credential(twin).await.unwrap_err().to_string().contains("key_hash must"));
    server.stop().await;
}
