//! Owns: the callers: each works until the server is not there any more.
//! Never: asks for the same intent twice; that is `retry`'s.

use super::{
    book::{Asked, Book, Shared, Try, open},
    stream::Pipe,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::{collections::VecDeque, time::Duration};
use tallystick_client::ClientError;
use tallystick_proto::v1::{
    AuthorizeRequest, BlockPayeeRequest, CreatePayeeRequest, DepositRequest, GetAccountRequest,
    GetSessionRequest, ListSettlementsRequest, OpenSessionRequest, Refusal, SettleRequest,
    accounts_client::AccountsClient, authorize_request::Intent, authorizer_client::AuthorizerClient,
    payees_client::PayeesClient, settlements_client::SettlementsClient,
};
use tokio::{task::JoinSet, time::sleep};
use tonic::{Status, transport::Channel};

pub const WRITERS: usize = 4;
const KEYED_CALLERS: usize = 6;
const SESSIONS: usize = 12;
/// Payees that are not blocked.
const PAYEES: usize = 12;
const PAYEES_MAX: usize = 500;
/// The first payees are never blocked.
const PAYEES_SAFE: usize = 4;

/// Starts every caller.
pub fn start(channels: &[Channel], book: &Shared, dice: &mut StdRng) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let mut next = channels.iter().cycle().cloned();
    let mut hand =
        || (next.next().expect("it goes round"), book.clone(), StdRng::seed_from_u64(dice.random()));
    for writer in 0..WRITERS {
        let (channel, book, dice) = hand();
        tasks.spawn(streams(writer, channel, book, dice));
    }
    for _ in 0..KEYED_CALLERS {
        let (channel, book, dice) = hand();
        tasks.spawn(pays(channel, book, dice));
    }
    let (channel, book, dice) = hand();
    tasks.spawn(settles(channel, book, dice));
    let (channel, book, dice) = hand();
    tasks.spawn(keeps_house(channel, book, dice));
    let (channel, book, dice) = hand();
    tasks.spawn(reads(channel, book, dice));
    tasks
}

/// Streams numbered batches, several in flight.
async fn streams(writer: usize, channel: Channel, book: Shared, mut dice: StdRng) {
    let Ok(mut pipe) = Pipe::resume(&channel, &book, writer).await else { return };
    let window = dice.random_range(1..=5);
    let mut flying = VecDeque::new();
    loop {
        while flying.len() < window {
            match pipe.send_new(&mut dice).await {
                Ok(items) if items.is_empty() => break,
                Ok(items) => flying.push_back(items),
                Err(_) => return,
            }
        }
        let Some(items) = flying.front() else {
            if idle(&channel, &book).await.is_err() {
                return;
            }
            continue;
        };
        if pipe.hear(items, Try::First).await.is_err() {
            return;
        }
        flying.pop_front();
    }
}

/// Waits a little where there is nothing to do. *Errors*: the server is gone.
async fn idle(channel: &Channel, book: &Shared) -> Result<(), Status> {
    sleep(Duration::from_millis(5)).await;
    let account_id = open(book).accounts[0].clone();
    AccountsClient::new(channel.clone()).get_account(GetAccountRequest { account_id }).await.map(drop)
}

/// Pays under keys, one after another.
async fn pays(channel: Channel, book: Shared, mut dice: StdRng) {
    loop {
        let intent = open(&book).ask_keyed(&mut dice);
        let Some((key, asked)) = intent else {
            if idle(&channel, &book).await.is_err() {
                return;
            }
            continue;
        };
        if authorize(&channel, &book, &key, asked, Try::First).await.is_err() {
            return;
        }
    }
}

/// Makes one keyed debit and notes what was heard. *Errors*: nothing was heard that would end it.
pub async fn authorize(
    channel: &Channel,
    book: &Shared,
    key: &str,
    asked: Asked,
    tried: Try,
) -> Result<(), Status> {
    let request = request(&open(book), asked, Intent::IdempotencyKey(key.into()));
    let heard = AuthorizerClient::new(channel.clone()).authorize(request).await;
    let mut book = open(book);
    let status = match heard {
        Ok(answer) => {
            book.hear_decision(key, &answer.into_inner().decision.expect("it decides"), tried);
            return Ok(());
        }
        Err(status) => status,
    };
    match refusal(&status) {
        Some(Refusal::SessionRetired) => {
            book.keyed.remove(key);
            book.refuse_retired(asked, tried);
            Ok(())
        }
        // Once an answer was lost, a later refusal says nothing about the first try.
        Some(Refusal::Draining) if tried != Try::Again => {
            book.keyed.insert(key.into(), (asked, true));
            Err(status)
        }
        Some(Refusal::Draining) | None => Err(status),
        Some(other) => panic!("{other:?} for {asked:?}: {status:?}"),
    }
}

pub fn request(book: &Book, asked: Asked, intent: Intent) -> AuthorizeRequest {
    AuthorizeRequest {
        session_id: book.sessions[asked.session].id.clone(),
        payee_id: book.payees[asked.payee].id.clone(),
        amount_nanos: asked.amount,
        intent: Some(intent),
        ..AuthorizeRequest::default()
    }
}

/// Returns why the server refused; `None` when it did not, but was gone.
pub fn refusal(status: &Status) -> Option<Refusal> {
    match ClientError::from_status(status) {
        ClientError::Refused { refusal, .. } => Some(refusal),
        ClientError::Unreachable { .. } => None,
        other => panic!("{other}: {status:?}"),
    }
}

/// Settles a session now and then, in the middle of its debits.
async fn settles(channel: Channel, book: Shared, mut dice: StdRng) {
    loop {
        sleep(Duration::from_millis(dice.random_range(5..120))).await;
        let picked = {
            let mut book = open(&book);
            let picked = book.pick_session(&mut dice, |s| !s.is_lasting && !s.is_left && s.debit_count() > 0);
            if let Some(session) = picked {
                book.settlings.insert(session);
                // Half of them are told to callers first, the others end under their hands.
                book.sessions[session].is_left = dice.random();
            }
            picked
        };
        let done = match picked {
            Some(session) => settle(&channel, &book, session).await,
            None => idle(&channel, &book).await,
        };
        if done.is_err() {
            return;
        }
    }
}

pub async fn settle(channel: &Channel, book: &Shared, session: usize) -> Result<(), Status> {
    let session_id = open(book).sessions[session].id.clone();
    let answer = AuthorizerClient::new(channel.clone())
        .settle(SettleRequest { session_id, ..SettleRequest::default() })
        .await?;
    open(book).hear_settled(session, answer.get_ref().settlement.as_ref().expect("it settles"));
    Ok(())
}

/// Opens sessions, deposits, creates payees, and blocks one now and then.
async fn keeps_house(channel: Channel, book: Shared, mut dice: StdRng) {
    loop {
        let done = match dice.random_range(0..100) {
            0..5 => block_one(&channel, &book, &mut dice).await,
            5..15 => plan_payee(&channel, &book).await,
            15..30 => plan_deposit(&channel, &book, &mut dice).await,
            _ => plan_session(&channel, &book, &mut dice).await,
        };
        if done.is_err() {
            return;
        }
        sleep(Duration::from_millis(dice.random_range(1..10))).await;
    }
}

async fn block_one(channel: &Channel, book: &Shared, dice: &mut StdRng) -> Result<(), Status> {
    let payee = {
        let mut book = open(book);
        if book.payees.len() <= PAYEES_SAFE {
            return Ok(());
        }
        let payee = dice.random_range(PAYEES_SAFE..book.payees.len());
        book.payees[payee].is_block_asked = true;
        book.blockings.insert(payee);
        payee
    };
    block(channel, book, payee).await
}

pub async fn block(channel: &Channel, book: &Shared, payee: usize) -> Result<(), Status> {
    let payee_id = open(book).payees[payee].id.clone();
    let answer = PayeesClient::new(channel.clone()).block_payee(BlockPayeeRequest { payee_id }).await?;
    open(book).hear_blocked(payee, &answer.into_inner());
    Ok(())
}

pub async fn plan_payee(channel: &Channel, book: &Shared) -> Result<(), Status> {
    let key = {
        let mut book = open(book);
        let used = book.payees.iter().filter(|payee| !payee.is_block_asked).count();
        if used + book.creations.len() >= PAYEES || book.payees.len() >= PAYEES_MAX {
            return Ok(());
        }
        let key = book.key("payee");
        let request = CreatePayeeRequest { idempotency_key: key.clone(), name: key.clone() };
        book.creations.insert(key.clone(), request);
        key
    };
    create_payee(channel, book, &key).await
}

pub async fn create_payee(channel: &Channel, book: &Shared, key: &str) -> Result<(), Status> {
    let request = open(book).creations[key].clone();
    let answer = PayeesClient::new(channel.clone()).create_payee(request).await?.into_inner();
    open(book).hear_created(key, answer.payee.expect("it is created").payee_id);
    Ok(())
}

pub async fn plan_deposit(channel: &Channel, book: &Shared, dice: &mut StdRng) -> Result<(), Status> {
    let key = {
        let mut book = open(book);
        let key = book.key("deposit");
        let request = DepositRequest {
            account_id: book.accounts[dice.random_range(0..book.accounts.len())].clone(),
            idempotency_key: key.clone(),
            amount_nanos: dice.random_range(1..1 << 40),
            currency: "USD".into(),
            ..DepositRequest::default()
        };
        book.deposits.insert(key.clone(), request);
        key
    };
    deposit(channel, book, &key).await
}

pub async fn deposit(channel: &Channel, book: &Shared, key: &str) -> Result<(), Status> {
    let request = open(book).deposits[key].clone();
    let answer = AccountsClient::new(channel.clone()).deposit(request).await?.into_inner();
    open(book).hear_deposit(key, answer.seq);
    Ok(())
}

/// Opens a session when there are few: wide ones, tight ones, and ones that end soon; most with a cap for each payee.
async fn plan_session(channel: &Channel, book: &Shared, dice: &mut StdRng) -> Result<(), Status> {
    let key = {
        let mut book = open(book);
        let used = book.live.iter().filter(|at| !book.sessions[**at].is_left).count();
        if used + book.openings.len() >= SESSIONS {
            return Ok(());
        }
        plan_opening(&mut book, dice, "")
    };
    open_session(channel, book, &key).await
}

pub fn plan_opening(book: &mut Book, dice: &mut StdRng, reference: &str) -> String {
    let (cap_nanos, ttl) = match dice.random_range(0..10) {
        _ if reference == "lasting" => (1 << 40, Duration::from_hours(240)),
        0 => (1 << 30, Duration::from_millis(dice.random_range(50..1_500))),
        1..5 => (dice.random_range(1_000..10_000_000), Duration::from_hours(24)),
        _ => (1 << 36, Duration::from_hours(24)),
    };
    let default_payee_cap_nanos = if dice.random_ratio(2, 3) { (cap_nanos / 4).max(1) } else { 0 };
    let key = book.key("session");
    let request = OpenSessionRequest {
        account_id: book.accounts[dice.random_range(0..book.accounts.len())].clone(),
        idempotency_key: key.clone(),
        cap_nanos,
        currency: "USD".into(),
        ttl: Some(ttl.try_into().unwrap()),
        default_payee_cap_nanos,
        reference: reference.into(),
        ..OpenSessionRequest::default()
    };
    book.openings.insert(key.clone(), request);
    key
}

pub async fn open_session(channel: &Channel, book: &Shared, key: &str) -> Result<(), Status> {
    let request = open(book).openings[key].clone();
    let answer = AuthorizerClient::new(channel.clone()).open_session(request).await?.into_inner();
    open(book).hear_opened(key, &answer);
    Ok(())
}

/// Follows settlements by cursor, as a batch job does, and looks at sessions on the way.
async fn reads(channel: Channel, book: Shared, mut dice: StdRng) {
    loop {
        let page = dice.random_range(1..20);
        if read_page(&channel, &book, page).await.is_err() || look(&channel, &book, &mut dice).await.is_err()
        {
            return;
        }
        sleep(Duration::from_millis(dice.random_range(1..20))).await;
    }
}

/// Reads one page from where the cursor stands. Returns how much was new.
pub async fn read_page(channel: &Channel, book: &Shared, page_size: u32) -> Result<usize, Status> {
    let after_seq = open(book).cursor();
    let request = ListSettlementsRequest { page_size, after_seq };
    let page = SettlementsClient::new(channel.clone()).list_settlements(request).await?.into_inner();
    open(book).hear_page(after_seq, &page.settlements);
    Ok(page.settlements.len())
}

/// Shows a session: what was heard before is in it, and no cap is passed.
async fn look(channel: &Channel, book: &Shared, dice: &mut StdRng) -> Result<(), Status> {
    let (at, session_id, heard) = {
        let book = open(book);
        let Some(at) = book.pick_session(dice, |_| true) else { return Ok(()) };
        (at, book.sessions[at].id.clone(), book.sessions[at].spent())
    };
    let shown = AuthorizerClient::new(channel.clone()).get_session(GetSessionRequest { session_id }).await?;
    let Some(shown) = shown.into_inner().session else { return Ok(()) };
    assert!((heard..=shown.cap_nanos).contains(&shown.spent_nanos), "heard {heard}, {shown:?}");
    for part in shown.payees.iter().filter(|part| part.cap_nanos > 0) {
        assert!(part.spent_nanos <= part.cap_nanos, "{shown:?}");
    }
    let mut book = open(book);
    let session = &mut book.sessions[at];
    session.shown_nanos = session.shown_nanos.max(shown.spent_nanos);
    Ok(())
}
