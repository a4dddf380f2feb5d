//! Owns: the comparison of the two halves of the tally once nothing is unanswered.
//! Never: forgives a nano.

use super::{
    book::{Asked, Book, Notch, Shared, Try, Verdict, open},
    load::{self, read_page},
};
use rand::{RngExt as _, rngs::StdRng};
use std::collections::{BTreeMap, BTreeSet};
use tallystick_proto::v1::{
    Account, AuthorizeRequest, DeclineCode, GetAccountRequest, GetPayeeRequest, GetSessionRequest,
    ListSettlementsRequest, Outcome, PayeeStatus, Refusal, SessionState, Settlement, WriterNumber,
    accounts_client::AccountsClient, authorize_request::Intent, authorizer_client::AuthorizerClient,
    payees_client::PayeesClient, settlements_client::SettlementsClient,
};
use tonic::{Status, transport::Channel};

/// How many answers of each kind are asked for again.
const SAMPLE: usize = 6;
/// Up to as many lost debits of one payee in one session are compared by trying all their subsets.
const LOST_MAX: usize = 20;

/// Compares everything.
pub async fn everything(channel: &Channel, book: &Shared, dice: &mut StdRng) {
    end_brief_sessions(channel, book).await;
    assert_eq!(open(book).pending_debits(), 0);
    ask_again(channel, book, dice).await.unwrap();
    debit_a_blocked_payee(channel, book, dice).await;
    settlements(channel, book).await;
    sessions(channel, book).await;
    accounts(channel, book).await;
    payees(channel, book).await;
}

/// Settles what would end by itself in the middle of the comparison.
async fn end_brief_sessions(channel: &Channel, book: &Shared) {
    let brief: Vec<usize> = {
        let book = open(book);
        book.live.iter().copied().filter(|at| book.sessions[*at].is_brief).collect()
    };
    for session in brief {
        load::settle(channel, book, session).await.unwrap();
    }
}

/// Asks for a sample of what was answered: it must come back as it was.
async fn ask_again(channel: &Channel, book: &Shared, dice: &mut StdRng) -> Result<(), Status> {
    for (intent, asked, verdict) in sample(book, dice) {
        let reference = match &intent {
            Intent::WriterNumber(place) => open(book).reference(place.number),
            Intent::IdempotencyKey(_) => String::new(),
        };
        let request = AuthorizeRequest { reference, ..load::request(&open(book), asked, intent) };
        let answer = AuthorizerClient::new(channel.clone()).authorize(request.clone()).await;
        if let (true, Err(status)) = (open(book).told.contains_key(&request.session_id), &answer) {
            // Settled meanwhile, and the index is not there yet: what became of the debit is not known here, and least of
            // all is it a decline.
            assert_eq!(load::refusal(status), Some(Refusal::SessionRetired));
            continue;
        }
        let decision = answer?.into_inner().decision.expect("it decides");
        assert!(decision.replayed, "{request:?} {decision:?}");
        assert_eq!(Verdict::of_decision(&decision), verdict, "{request:?} {decision:?}");
        assert_eq!(decision.amount_nanos, asked.amount);
        open(book).counts.replays_checked += 1;
    }
    for _ in 0..SAMPLE {
        reopen_one(channel, book, dice).await?;
        deposit_one_again(channel, book, dice).await?;
    }
    Ok(())
}

fn sample(book: &Shared, dice: &mut StdRng) -> Vec<(Intent, Asked, Verdict)> {
    let book = open(book);
    let mut found = Vec::new();
    for session in &book.live {
        for _ in 0..SAMPLE {
            let Some((key, asked, verdict)) = book.remembered_key(*session, dice.random_range(0..1 << 30))
            else {
                break;
            };
            found.push((Intent::IdempotencyKey(key), asked, verdict));
        }
        for writer in &book.writers {
            let line = writer.lines.get(session).filter(|line| !line.is_gone);
            let Some(line) = line else { continue };
            let Some((number, asked, verdict)) = line.remembered(dice.random_range(0..1 << 30)) else {
                continue;
            };
            let (writer_id, epoch) = (writer.id.clone(), writer.epoch);
            let place = WriterNumber { writer_id, epoch, number, acked_through: line.acked };
            found.push((Intent::WriterNumber(place), asked, verdict));
        }
    }
    found
}

pub async fn reopen_one(channel: &Channel, book: &Shared, dice: &mut StdRng) -> Result<(), Status> {
    let (request, id, seq) = {
        let book = open(book);
        book.opened[dice.random_range(0..book.opened.len())].clone()
    };
    let answer = AuthorizerClient::new(channel.clone()).open_session(request).await?.into_inner();
    assert!(answer.replayed && answer.seq == seq, "{answer:?}, seq was {seq}");
    assert_eq!(answer.session.map(|session| session.session_id), id);
    open(book).counts.replays_checked += 1;
    Ok(())
}

pub async fn deposit_one_again(channel: &Channel, book: &Shared, dice: &mut StdRng) -> Result<(), Status> {
    let (request, seq) = {
        let book = open(book);
        book.deposits_heard[dice.random_range(0..book.deposits_heard.len())].clone()
    };
    let answer = AccountsClient::new(channel.clone()).deposit(request).await?.into_inner();
    assert!(answer.replayed && answer.seq == seq, "{answer:?}, seq was {seq}");
    open(book).counts.replays_checked += 1;
    Ok(())
}

/// Debits a payee whose block was acknowledged, perhaps before many a kill.
async fn debit_a_blocked_payee(channel: &Channel, book: &Shared, dice: &mut StdRng) {
    let (key, asked) = {
        let mut book = open(book);
        let blocked: Vec<usize> =
            (0..book.payees.len()).filter(|at| book.payees[*at].blocked_seq.is_some()).collect();
        let session = book.pick_session(dice, |session| !session.is_left && !session.is_brief);
        let (Some(session), false) = (session, blocked.is_empty()) else { return };
        let payee = blocked[dice.random_range(0..blocked.len())];
        let (key, asked) = (book.key("blocked"), Asked { session, payee, amount: 1 });
        book.keyed.insert(key.clone(), (asked, false));
        (key, asked)
    };
    let request = load::request(&open(book), asked, Intent::IdempotencyKey(key.clone()));
    let answer = AuthorizerClient::new(channel.clone()).authorize(request).await.unwrap().into_inner();
    let decision = answer.decision.expect("it decides");
    assert_eq!(decision.outcome(), Outcome::Declined, "{decision:?}");
    assert_eq!(decision.code(), DeclineCode::PayeeBlocked, "{decision:?}");
    open(book).hear_decision(&key, &decision, Try::First);
}

/// Reads all settlements from the first: each is there once, as it was before, as its caller was told, and as the reader
/// with a cursor saw it; new ones equal what was heard.
async fn settlements(channel: &Channel, book: &Shared) {
    let mut all: Vec<Settlement> = Vec::new();
    loop {
        let after_seq = all.last().map_or(0, |settlement| settlement.seq);
        let request = ListSettlementsRequest { page_size: 1_000, after_seq };
        let page =
            SettlementsClient::new(channel.clone()).list_settlements(request).await.unwrap().into_inner();
        if page.settlements.is_empty() {
            break;
        }
        all.extend(page.settlements);
    }
    while read_page(channel, book, 1_000).await.unwrap() > 0 {}
    let mut book = open(book);
    assert!(all.windows(2).all(|pair| pair[0].seq < pair[1].seq), "settlements are out of order");
    let ids: BTreeSet<&str> = all.iter().map(|settlement| settlement.session_id.as_str()).collect();
    assert_eq!(ids.len(), all.len(), "a session was settled twice");
    let known = book.settlements.len();
    assert!(all.len() >= known && all[..known] == book.settlements, "a settlement changed or is missing");
    let listed: Vec<(u64, String)> = all.iter().map(|one| (one.seq, one.settlement_id.clone())).collect();
    assert!(book.read == listed, "the reader with a cursor saw something else");
    for settlement in all.drain(..).skip(known) {
        book.compare(settlement);
    }
    let unlisted: Vec<_> = book.told.keys().filter(|id| !listed_in(&book, id)).collect();
    assert!(unlisted.is_empty(), "told and not listed: {unlisted:?}");
    book.told.clear();
}

fn listed_in(book: &Book, session_id: &str) -> bool {
    book.settlements.iter().rev().any(|settlement| settlement.session_id == session_id)
}

impl Book {
    /// Compares a new settlement with what was heard, line by line.
    fn compare(&mut self, settlement: Settlement) {
        let at = self.session_of(&settlement.session_id).expect("somebody opened it");
        let mut lines = BTreeMap::new();
        for line in &settlement.lines {
            let notch = Notch { nanos: line.amount_nanos, count: line.debit_count };
            assert!(lines.insert(self.payee_of(&line.payee_id), notch).is_none(), "{settlement:?}");
        }
        let session = &self.sessions[at];
        if let Some(told) = self.told.get(&settlement.session_id) {
            assert_eq!(told, &settlement, "a caller was told something else");
        }
        let mut lost: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
        for asked in &session.lost {
            lost.entry(asked.payee).or_default().push(asked.amount);
        }
        let payees: BTreeSet<usize> =
            session.notches.keys().chain(lines.keys()).chain(lost.keys()).copied().collect();
        for payee in payees {
            let line = lines.get(&payee).copied().unwrap_or_default();
            let unheard = lost.get(&payee).map_or(&[][..], Vec::as_slice);
            assert!(
                session.notch(payee).grows_to(line, unheard),
                "payee {payee} in {}: heard {:?}, settled {line:?}, lost {unheard:?}",
                session.id,
                session.notch(payee)
            );
            assert!(session.payee_cap == 0 || line.nanos <= session.payee_cap, "{settlement:?}");
        }
        let sum: u64 = lines.values().map(|line| line.nanos).sum();
        assert_eq!((settlement.total_nanos, settlement.released_nanos), (sum, session.cap - sum));
        assert_eq!(settlement.debit_count, lines.values().map(|line| line.count).sum::<u64>());
        assert_eq!(settlement.account_id, session.account);
        self.counts.settled_unheard += settlement.debit_count - session.debit_count();
        self.live.retain(|live| *live != at);
        let session = &mut self.sessions[at];
        (session.is_left, session.lost) = (true, Vec::new());
        session.forget_answers();
        for writer in &mut self.writers {
            // A line with nothing unanswered; the server would say that the session is retired.
            writer.lines.remove(&at);
        }
        self.settlements.push(settlement);
    }
}

impl Notch {
    /// Tells whether some of the lost debits make the difference, to the nano.
    fn grows_to(self, line: Self, lost: &[u64]) -> bool {
        let (Some(nanos), Some(count)) =
            (line.nanos.checked_sub(self.nanos), line.count.checked_sub(self.count))
        else {
            return false;
        };
        if lost.len() > LOST_MAX {
            return nanos <= lost.iter().sum() && count <= lost.len() as u64;
        }
        let mut sums = BTreeSet::from([(0, 0)]);
        for amount in lost {
            let grown: Vec<(u64, u64)> =
                sums.iter().map(|(nanos, count)| (nanos + amount, count + 1)).collect();
            sums.extend(grown);
        }
        sums.contains(&(nanos, count))
    }
}

async fn sessions(channel: &Channel, book: &Shared) {
    let live = open(book).live.clone();
    for at in live {
        let session_id = open(book).sessions[at].id.clone();
        let request = GetSessionRequest { session_id };
        let shown = AuthorizerClient::new(channel.clone()).get_session(request).await.unwrap().into_inner();
        let book = open(book);
        let session = &book.sessions[at];
        let shown = shown.session.unwrap_or_else(|| panic!("{} is not open", session.id));
        assert_eq!(shown.state(), SessionState::Open, "{shown:?}");
        assert_eq!(shown.cap_nanos, session.cap);
        assert_eq!(shown.spent_nanos, session.spent(), "{shown:?} {session:?}");
        assert_eq!(shown.debit_count, session.debit_count(), "{shown:?}");
        assert!(
            shown.spent_nanos <= shown.cap_nanos && shown.spent_nanos >= session.shown_nanos,
            "{shown:?}"
        );
        assert_eq!(shown.remaining_nanos, shown.cap_nanos - shown.spent_nanos);
        let mut paid = 0;
        for part in shown.payees.iter().filter(|part| part.debit_count > 0) {
            let part_heard = session.notch(book.payee_of(&part.payee_id));
            let part_shown = Notch { nanos: part.spent_nanos, count: part.debit_count };
            assert_eq!(part_shown, part_heard, "{part:?} of {}", session.id);
            assert_eq!(part.cap_nanos, session.payee_cap);
            assert!(part.cap_nanos == 0 || part.spent_nanos <= part.cap_nanos, "{part:?}");
            paid += 1;
        }
        assert_eq!(paid, session.notches.len(), "a payee is missing: {shown:?}");
    }
}

async fn accounts(channel: &Channel, book: &Shared) {
    let accounts = open(book).accounts.clone();
    for account_id in accounts {
        let request = GetAccountRequest { account_id: account_id.clone() };
        let shown = AccountsClient::new(channel.clone()).get_account(request).await.unwrap().into_inner();
        let shown = shown.account.expect("it is there");
        let book = open(book);
        let live: Vec<_> =
            book.live.iter().map(|at| &book.sessions[*at]).filter(|s| s.account == account_id).collect();
        let settled = book.settlements.iter().filter(|one| one.account_id == account_id);
        let deposited = book.deposited.get(&account_id).copied().unwrap_or_default();
        let reserved: u128 = live.iter().map(|session| u128::from(session.cap)).sum();
        let spent: u128 = settled.map(|one| u128::from(one.total_nanos)).sum();
        let expected = Account {
            deposited_nanos_total: deposited.to_string(),
            reserved_nanos_total: reserved.to_string(),
            spent_nanos_total: spent.to_string(),
            available_nanos_total: (deposited - reserved - spent).to_string(),
            open_session_count: u32::try_from(live.len()).unwrap(),
            ..shown.clone()
        };
        assert_eq!(shown, expected);
    }
}

async fn payees(channel: &Channel, book: &Shared) {
    let owed = open(book).owed();
    let count = open(book).payees.len();
    for at in 0..count {
        let payee_id = open(book).payees[at].id.clone();
        let request = GetPayeeRequest { payee_id };
        let shown = PayeesClient::new(channel.clone()).get_payee(request).await.unwrap().into_inner();
        let shown = shown.payee.expect("it is there");
        let is_blocked = open(book).payees[at].blocked_seq.is_some();
        let status = if is_blocked { PayeeStatus::Blocked } else { PayeeStatus::Active };
        assert_eq!(shown.status(), status, "{shown:?}");
        let position = shown.positions.iter().find(|position| position.currency == "USD");
        let position = position.map(|p| (p.payable_nanos_total.parse().unwrap(), p.settlement_count));
        assert_eq!(position.unwrap_or_default(), owed.get(&at).copied().unwrap_or_default(), "{shown:?}");
    }
}

impl Book {
    /// Sums settlement lines: nanos and lines for each payee.
    fn owed(&self) -> BTreeMap<usize, (u128, u64)> {
        let numbers: BTreeMap<&str, usize> =
            self.payees.iter().enumerate().map(|(at, payee)| (payee.id.as_str(), at)).collect();
        let mut owed = BTreeMap::<usize, (u128, u64)>::new();
        for line in self.settlements.iter().flat_map(|settlement| &settlement.lines) {
            let owed = owed.entry(numbers[line.payee_id.as_str()]).or_default();
            owed.0 += u128::from(line.amount_nanos);
            owed.1 += 1;
        }
        owed
    }
}
