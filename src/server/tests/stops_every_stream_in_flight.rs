//! Owns: the stop button over the wire: streams in flight while an account and a whole front-end are paused, resumed and revoked; who
//! may, and what a late command is told.

#![allow(clippy::unwrap_used, reason = "a function of a test is no `#[test]` to clippy")]
#![allow(clippy::print_stdout, reason = "the counts are what this shows")]

mod roles;

use roles::{Keyed, roles};
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tallystick_client::{
    Answer, Client, ClientError, Debit, PayeeId, SessionId, WriterOptions,
    v1::{self, ControlState, DeclineCode, Refusal, SessionState},
};
use v1::{pause_request, resume_request, revoke_request};

const STREAMS: usize = 16;
const BATCH: usize = 50;

/// Is what one stream heard.
#[derive(Default)]
struct Heard {
    approved: Vec<u64>,
    declined: u64,
    asked_late: u64,
}

/// Is the signal between those who debit and the one who stops them.
#[derive(Default)]
struct Race {
    heard: AtomicU64,
    stopped: AtomicBool,
}

/// Debits one session in batches, four of them in flight, until three that were asked after the stop are answered.
async fn stream(
    client: Client,
    race: Arc<Race>,
    session: SessionId,
    payee: PayeeId,
    code: DeclineCode,
) -> Heard {
    let writer = client.writer(WriterOptions::default()).await.unwrap();
    let (mut heard, mut flying, mut late) = (Heard::default(), VecDeque::new(), 0);
    loop {
        if late < 3 {
            let is_late = race.stopped.load(Ordering::SeqCst);
            late += u64::from(is_late);
            let batch = vec![Debit::new(&session, &payee, 1); BATCH];
            flying.push_back((is_late, writer.submit(batch).await.unwrap()));
            if flying.len() < 4 {
                continue;
            }
        }
        let Some((is_late, ticket)) = flying.pop_front() else { return heard };
        for answer in ticket.await.unwrap() {
            match answer {
                Answer::Approved { seq, .. } => {
                    assert!(!is_late, "approved at seq {seq}, asked after the stop was heard");
                    heard.approved.push(seq);
                }
                Answer::Declined { code: no, .. } => {
                    assert_eq!(no, code);
                    heard.declined += 1;
                }
                Answer::Held { .. } => panic!("nobody asked for a hold"),
                // What was revoked settles in the background, and is retired then.
                Answer::Refused { refusal, .. } => {
                    assert_eq!((refusal, code), (Refusal::SessionRetired, DeclineCode::Revoked));
                    heard.declined += 1;
                }
            }
            heard.asked_late += u64::from(is_late);
        }
        race.heard.fetch_add(1, Ordering::Relaxed);
    }
}

/// Lets all streams debit, and stops them by `stop` in the middle.
async fn race(
    client: &Client,
    (sessions, payee_id): (&[String], &str),
    code: DeclineCode,
    stop: impl Future<Output = u64>,
) {
    let race = Arc::new(Race::default());
    let streams: Vec<_> = (0..STREAMS)
        .map(|n| {
            let session = SessionId::new(&sessions[n % sessions.len()]);
            let (client, race, payee) = (client.clone(), Arc::clone(&race), PayeeId::new(payee_id));
            tokio::spawn(stream(client, race, session, payee, code))
        })
        .collect();
    while race.heard.load(Ordering::Relaxed) < 40 {
        tokio::task::yield_now().await;
    }
    let seq = stop.await;
    race.stopped.store(true, Ordering::SeqCst);
    let (mut approved, mut declined, mut late) = (Vec::new(), 0, 0);
    for stream in streams {
        let heard = stream.await.unwrap();
        approved.extend(heard.approved);
        (declined, late) = (declined + heard.declined, late + heard.asked_late);
    }
    let after = approved.iter().filter(|approved| **approved > seq).count();
    println!(
        "{}: {} approved before seq {seq}, {after} after; {declined} declined, {late} of them asked late",
        code.as_str_name(),
        approved.len()
    );
    assert_eq!(after, 0);
    assert!(approved.len() > 500 && late >= (STREAMS * 3 * BATCH) as u64, "a race");
}

fn front_end_paused() -> v1::PauseRequest {
    let target = Some(pause_request::Target::FrontEnd("shop".into()));
    v1::PauseRequest { target, epoch: None, note: "fraud".into() }
}

fn front_end_resumed(epoch: Option<u64>) -> v1::ResumeRequest {
    let target = Some(resume_request::Target::FrontEnd("shop".into()));
    v1::ResumeRequest { target, epoch, note: String::new() }
}

fn refused<T>(answer: Result<T, ClientError>) -> (Refusal, Option<String>) {
    match answer {
        Err(ClientError::Refused { refusal, metadata, .. }) => (refusal, metadata.get("epoch").cloned()),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("was let through"),
    }
}

async fn state(client: &Client, session_id: &str) -> SessionState {
    let request = v1::GetSessionRequest { session_id: session_id.into() };
    let answer = client.get_session(request).await.unwrap();
    answer.session.map_or(SessionState::Settled, |session| session.state())
}

/// Opens `count` sessions, each on an account of its own.
async fn opened(operator: &Client, count: usize) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for n in 0..count {
        let account = v1::CreateAccountRequest {
            idempotency_key: format!("account {n}"),
            currency: "USD".into(),
            ..Default::default()
        };
        let account_id = operator.create_account(account).await.unwrap().account.unwrap().account_id;
        let deposit = v1::DepositRequest {
            account_id: account_id.clone(),
            idempotency_key: "deposit".into(),
            amount_nanos: 10_000_000,
            currency: "USD".into(),
            ..Default::default()
        };
        operator.deposit(deposit).await.unwrap();
        let session = v1::OpenSessionRequest {
            account_id: account_id.clone(),
            idempotency_key: "session".into(),
            cap_nanos: 10_000_000,
            currency: "USD".into(),
            ttl: Some(Duration::from_secs(3_600).try_into().unwrap()),
            ..Default::default()
        };
        let session = operator.open_session(session).await.unwrap().session.unwrap();
        all.push((account_id, session.session_id));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stops_every_stream_in_flight() {
    let server = Keyed::start().await;
    let development = server.development.clone().unwrap();
    let all = server.client(&development);
    let payee = v1::CreatePayeeRequest { idempotency_key: "payee".into(), name: "Acme".into() };
    let payee_id = all.create_payee(payee).await.unwrap().payee.unwrap().payee_id;
    let like = |text: &str, front_end: &str| v1::CreateCredentialRequest {
        roles: roles(text),
        front_end: front_end.into(),
        ..Default::default()
    };
    let operator = server.client(&server.credential(&development, like("operator", "shop")).await.0);
    let stopper = server.client(&server.credential(&development, like("stop", "")).await.0);
    let stranger = server.client(&server.credential(&development, like("operator", "other")).await.0);
    let opened = opened(&operator, STREAMS).await;
    let sessions: Vec<String> = opened.iter().map(|(_, session)| session.clone()).collect();

    // One account: the streams of others are no part of it.
    let account_id = opened[0].0.clone();
    let target = Some(pause_request::Target::AccountId(account_id.clone()));
    let pause = v1::PauseRequest { target, epoch: None, note: String::new() };
    race(&all, (&sessions[..1], &payee_id), DeclineCode::Paused, async {
        stopper.pause(pause).await.unwrap().seq
    })
    .await;
    assert_eq!(state(&all, &sessions[0]).await, SessionState::Paused);
    assert_eq!(state(&all, &sessions[1]).await, SessionState::Open);
    let shown = all.get_account(v1::GetAccountRequest { account_id: account_id.clone() }).await.unwrap();
    let control = shown.account.unwrap().control.unwrap();
    assert_eq!((control.state(), control.epoch), (ControlState::Paused, 1));
    let target = Some(resume_request::Target::AccountId(account_id));
    let resume = v1::ResumeRequest { target, epoch: Some(1), note: String::new() };
    assert_eq!(refused(stopper.resume(resume.clone()).await).0, Refusal::Forbidden, "a stop never resumes");
    all.resume(resume).await.unwrap();

    // The front-end: all its accounts, in all their partitions.
    assert_eq!(refused(stranger.pause(front_end_paused()).await).0, Refusal::Malformed, "another's");
    race(&all, (&sessions, &payee_id), DeclineCode::Paused, async {
        operator.pause(front_end_paused()).await.unwrap().seq
    })
    .await;
    let again = operator.pause(front_end_paused()).await.unwrap();
    let control = again.control.unwrap();
    assert!(again.replayed && control.actor >= 16 && control.note == "fraud");
    assert_eq!(refused(operator.resume(front_end_resumed(None)).await).0, Refusal::Malformed);
    let late = refused(operator.resume(front_end_resumed(Some(0))).await);
    assert_eq!(late, (Refusal::ControlFenced, Some("1".into())));
    operator.resume(front_end_resumed(Some(1))).await.unwrap();

    race(&all, (&sessions, &payee_id), DeclineCode::Revoked, async {
        let target = Some(revoke_request::Target::FrontEnd("shop".into()));
        operator.revoke(v1::RevokeRequest { target, ..Default::default() }).await.unwrap().seq
    })
    .await;
    for (account_id, session_id) in &opened {
        while state(&all, session_id).await != SessionState::Settled {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let request = v1::GetAccountRequest { account_id: account_id.clone() };
        let account = all.get_account(request).await.unwrap().account.unwrap();
        assert_eq!((account.open_session_count, account.reserved_nanos_total.as_str()), (0, "0"));
        let request = v1::GetSessionRequest { session_id: session_id.clone() };
        let settlement = all.get_session(request).await.unwrap().settlement.unwrap();
        assert_eq!(settlement.reason(), v1::SettlementReason::Revoked);
        assert_eq!(settlement.total_nanos.to_string(), account.spent_nanos_total);
    }
    server.stop().await;
}
