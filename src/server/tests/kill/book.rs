//! Owns: the callers' half of the tally: every intent from before it is sent, every answer once it is heard.
//! Never: sends anything; believes the server about money.

use super::line::Line;
use rand::{RngExt as _, rngs::StdRng};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};
use tallystick_proto::v1::{
    BlockPayeeResponse, CreatePayeeRequest, Decision, DeclineCode, DepositRequest, OpenSessionRequest,
    OpenSessionResponse, Outcome, Settlement,
};

/// Bounds the answers under keys that are kept for asking again, for each session.
const KEYS_KEPT: usize = 2_000;
/// Stays below what one session may remember.
const KEYS_MAX: usize = 60_000;

/// Is a debit as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    pub session: usize,
    pub payee: usize,
    pub amount: u64,
}

/// Is a debit's outcome as it was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub is_approved: bool,
    pub code: i32,
    pub seq: u64,
}

/// Says how an answer was got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Try {
    /// The first time.
    First,
    /// After a lost answer: either may be true.
    Again,
    /// After "nothing happened".
    AfterRefusal,
}

/// Is what was approved to one payee in one session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Notch {
    pub nanos: u64,
    pub count: u64,
}

#[derive(Debug)]
pub struct Session {
    pub id: String,
    pub account: String,
    pub cap: u64,
    /// 0 is none.
    pub payee_cap: u64,
    /// Ends by itself, soon.
    pub is_brief: bool,
    /// Is kept to the end of the test.
    pub is_lasting: bool,
    /// Callers were told to leave it alone.
    pub is_left: bool,
    pub notches: BTreeMap<usize, Notch>,
    /// The most that the server has ever shown as spent.
    pub shown_nanos: u64,
    /// Debits whose answers were lost for ever: the session was settled before they could be asked again.
    pub lost: Vec<Asked>,
    keys_used: usize,
    keyed: Vec<(String, Asked, Verdict)>,
}

#[derive(Debug, Default)]
pub struct Payee {
    pub id: String,
    /// The seq of the first acknowledged block.
    pub blocked_seq: Option<u64>,
    /// Somebody has asked to block it.
    pub is_block_asked: bool,
    pub approved_seq_max: u64,
}

#[derive(Debug, Default)]
pub struct Writer {
    /// Empty until the server has named it.
    pub id: String,
    pub epoch: u32,
    pub lines: BTreeMap<usize, Line>,
}

/// Is what was done, for the last line.
#[derive(Debug, Default)]
pub struct Counts {
    pub answered: u64,
    pub declined: u64,
    pub retried: u64,
    pub retried_replayed: u64,
    pub replays_checked: u64,
    pub refused_for_good: u64,
    pub settled_unheard: u64,
}

#[derive(Debug, Default)]
pub struct Book {
    pub accounts: Vec<String>,
    pub deposited: BTreeMap<String, u128>,
    pub payees: Vec<Payee>,
    pub sessions: Vec<Session>,
    /// The sessions that are not known to be settled.
    pub live: Vec<usize>,
    pub writers: Vec<Writer>,
    /// Asked under keys and not answered; true when a refusal said that nothing had happened.
    pub keyed: BTreeMap<String, (Asked, bool)>,
    pub openings: BTreeMap<String, OpenSessionRequest>,
    pub deposits: BTreeMap<String, DepositRequest>,
    pub creations: BTreeMap<String, CreatePayeeRequest>,
    pub settlings: BTreeSet<usize>,
    pub blockings: BTreeSet<usize>,
    pub opened: Vec<(OpenSessionRequest, Option<String>, u64)>,
    pub deposits_heard: Vec<(DepositRequest, u64)>,
    /// Settlements that a caller of `Settle` was given.
    pub told: BTreeMap<String, Settlement>,
    /// Settlements that were compared, in order of seq.
    pub settlements: Vec<Settlement>,
    /// What the reader with a cursor saw.
    pub read: Vec<(u64, String)>,
    pub counts: Counts,
    /// Streams ask as much as a server can take, in large batches.
    pub is_peak: bool,
    keys_given: u64,
    /// One bit for each seq that was heard.
    seqs: Vec<u64>,
}

/// Is the one book that all callers write in.
pub type Shared = Arc<Mutex<Book>>;

/// Opens the book. Nothing waits while it is open.
pub fn open(book: &Shared) -> MutexGuard<'_, Book> {
    book.lock().unwrap()
}

impl Book {
    /// Returns the reference of a numbered debit: at the peak a long one, so that logs fill and change.
    pub fn reference(&self, number: u64) -> String {
        if self.is_peak { format!("{number:->100}") } else { String::new() }
    }

    /// Gives a key that nobody has used.
    pub fn key(&mut self, what: &str) -> String {
        self.keys_given += 1;
        format!("{what}-{}", self.keys_given)
    }

    /// Picks a debit in a session that callers still use; `None` when there is none.
    pub fn pick(&self, dice: &mut StdRng) -> Option<Asked> {
        let session = self.pick_session(dice, |session| !session.is_left)?;
        // Mostly one that can be paid, or else the blocked ones would in the end make up everything.
        let payees: Vec<usize> = if dice.random_ratio(1, 10) {
            (0..self.payees.len()).collect()
        } else {
            (0..self.payees.len()).filter(|at| !self.payees[*at].is_block_asked).collect()
        };
        let payee = payees[dice.random_range(0..payees.len())];
        let amount = if dice.random_ratio(1, 50) { 1_000_000 } else { dice.random_range(1..=1_000) };
        Some(Asked { session, payee, amount })
    }

    pub fn pick_session(&self, dice: &mut StdRng, fits: impl Fn(&Session) -> bool) -> Option<usize> {
        let found: Vec<usize> = self.live.iter().copied().filter(|at| fits(&self.sessions[*at])).collect();
        (!found.is_empty()).then(|| found[dice.random_range(0..found.len())])
    }

    pub fn session_of(&self, id: &str) -> Option<usize> {
        self.sessions.iter().rposition(|session| session.id == id)
    }

    pub fn payee_of(&self, id: &str) -> usize {
        self.payees.iter().position(|payee| payee.id == id).unwrap_or_else(|| panic!("{id} is nobody's"))
    }

    /// Notes a debit under a key, before it is sent.
    pub fn ask_keyed(&mut self, dice: &mut StdRng) -> Option<(String, Asked)> {
        let asked = self.pick(dice)?;
        let session = &mut self.sessions[asked.session];
        if session.keys_used >= KEYS_MAX {
            return None;
        }
        session.keys_used += 1;
        let key = self.key("debit");
        self.keyed.insert(key.clone(), (asked, false));
        Some((key, asked))
    }

    /// Returns what was asked, and whether it is certain that nothing came of it; from now on that is not certain.
    pub fn ask_keyed_again(&mut self, key: &str) -> (Asked, bool) {
        let (asked, nothing_happened) = self.keyed.get_mut(key).expect("it was asked");
        (*asked, std::mem::take(nothing_happened))
    }

    /// Notes a unary answer, which says the amount too.
    pub fn hear_decision(&mut self, key: &str, decision: &Decision, tried: Try) {
        let asked = self.keyed[key].0;
        assert_eq!(decision.amount_nanos, asked.amount, "{key} {decision:?}");
        self.hear_keyed(key, (Verdict::of_decision(decision), decision.replayed), tried);
    }

    pub fn hear_keyed(&mut self, key: &str, (verdict, replayed): (Verdict, bool), tried: Try) {
        let (asked, _) = self.keyed.remove(key).expect("it was asked");
        self.hear(asked, verdict, replayed, tried);
        let session = &mut self.sessions[asked.session];
        let kept = &mut session.keyed;
        if kept.len() < KEYS_KEPT {
            kept.push((key.into(), asked, verdict));
        } else {
            // Keeps old and new ones alike.
            kept[usize::try_from(verdict.seq).unwrap() % KEYS_KEPT] = (key.into(), asked, verdict);
        }
    }

    pub fn remembered_key(&self, session: usize, nth: usize) -> Option<(String, Asked, Verdict)> {
        let kept = &self.sessions[session].keyed;
        Some(kept[nth.checked_rem(kept.len())?].clone())
    }

    pub fn hear_numbered(
        &mut self,
        (writer, session): (usize, usize),
        number: u64,
        (verdict, replayed): (Verdict, bool),
        tried: Try,
    ) {
        let line = self.writers[writer].lines.get_mut(&session).expect("it was asked");
        assert!(!line.is_gone, "writer {writer} was answered in a settled session, number {number}");
        let asked = line.hear(number, verdict);
        self.hear(asked, verdict, replayed, tried);
    }

    /// Notes a new answer. Each seq is heard once, so each debit is decided once.
    fn hear(&mut self, asked: Asked, verdict: Verdict, replayed: bool, tried: Try) {
        assert!(verdict.seq > 0, "{asked:?} {verdict:?}");
        match tried {
            Try::First | Try::AfterRefusal => assert!(!replayed, "{tried:?} {asked:?} {verdict:?}"),
            Try::Again => {}
        }
        self.counts.answered += 1;
        self.counts.retried += u64::from(tried != Try::First);
        self.counts.retried_replayed += u64::from(replayed);
        self.note_seq(verdict.seq);
        let payee = &mut self.payees[asked.payee];
        if !verdict.is_approved {
            self.counts.declined += 1;
            let blocked = verdict.code == i32::from(DeclineCode::PayeeBlocked);
            assert!(!blocked || payee.is_block_asked, "nobody had blocked it: {asked:?} {verdict:?}");
            return;
        }
        payee.approved_seq_max = payee.approved_seq_max.max(verdict.seq);
        payee.assert_stopped();
        let session = &mut self.sessions[asked.session];
        let notch = session.notches.entry(asked.payee).or_default();
        notch.nanos += asked.amount;
        notch.count += 1;
        let most = if session.payee_cap == 0 { u64::MAX } else { session.payee_cap };
        assert!(notch.nanos <= most, "{} of {most} to payee {} in {}", notch.nanos, asked.payee, session.id);
        let spent = session.spent();
        assert!(spent <= session.cap, "{spent} of {} in {}", session.cap, session.id);
    }

    fn note_seq(&mut self, seq: u64) {
        let (word, bit) = (usize::try_from(seq / 64).unwrap(), 1 << (seq % 64));
        if word >= self.seqs.len() {
            self.seqs.resize(word + 1024, 0);
        }
        assert_eq!(self.seqs[word] & bit, 0, "two debits were decided at seq {seq}");
        self.seqs[word] |= bit;
    }

    /// Notes that a session was found settled when a debit was asked for. At the first try that debit was certainly
    /// never decided; afterwards nobody can tell, except the settlement.
    pub fn refuse_retired(&mut self, asked: Asked, tried: Try) {
        self.counts.refused_for_good += 1;
        let session = &mut self.sessions[asked.session];
        session.is_left = true;
        if tried == Try::Again {
            session.lost.push(asked);
        }
    }

    /// Notes that a writer can number nothing more in a session.
    pub fn retire_line(&mut self, writer: usize, session: usize, tried: Try) {
        let line = self.writers[writer].lines.get_mut(&session).expect("it was asked");
        line.is_gone = true;
        for (_, asked) in std::mem::take(&mut line.pending) {
            self.refuse_retired(asked, tried);
        }
    }

    pub fn hear_opened(&mut self, key: &str, response: &OpenSessionResponse) {
        let request = self.openings.remove(key).expect("it was asked");
        let shown = response.session.as_ref().map(|session| session.session_id.clone());
        assert_eq!(shown.is_some(), response.outcome() == Outcome::Approved, "{response:?}");
        if let Some(id) = &shown {
            assert!(self.session_of(id).is_none(), "{id} was opened by two keys");
            let is_brief = request.ttl.is_some_and(|ttl| ttl.seconds < 60);
            self.live.push(self.sessions.len());
            self.sessions.push(Session {
                id: id.clone(),
                account: request.account_id.clone(),
                cap: request.cap_nanos,
                payee_cap: request.default_payee_cap_nanos,
                is_brief,
                is_lasting: request.reference == "lasting",
                is_left: false,
                notches: BTreeMap::new(),
                shown_nanos: 0,
                lost: Vec::new(),
                keys_used: 0,
                keyed: Vec::new(),
            });
        }
        self.opened.push((request, shown, response.seq));
    }

    pub fn hear_deposit(&mut self, key: &str, seq: u64) {
        let request = self.deposits.remove(key).expect("it was asked");
        *self.deposited.entry(request.account_id.clone()).or_default() += u128::from(request.amount_nanos);
        self.deposits_heard.push((request, seq));
    }

    pub fn hear_created(&mut self, key: &str, id: String) {
        self.creations.remove(key).expect("it was asked");
        assert!(self.payees.iter().all(|payee| payee.id != id), "{id} was created by two keys");
        self.payees.push(Payee { id, ..Payee::default() });
    }

    pub fn hear_blocked(&mut self, payee: usize, response: &BlockPayeeResponse) {
        self.blockings.remove(&payee);
        let payee = &mut self.payees[payee];
        payee.blocked_seq = payee.blocked_seq.or(Some(response.seq));
        payee.assert_stopped();
    }

    pub fn hear_settled(&mut self, session: usize, settlement: &Settlement) {
        self.settlings.remove(&session);
        self.sessions[session].is_left = true;
        let before = self.told.insert(settlement.session_id.clone(), settlement.clone());
        assert!(before.is_none_or(|before| before == *settlement), "settled twice: {settlement:?}");
    }

    pub fn hear_page(&mut self, after_seq: u64, page: &[Settlement]) {
        let mut last = after_seq;
        for settlement in page {
            assert!(settlement.seq > last, "the cursor stood at {last}: {settlement:?}");
            last = settlement.seq;
            self.read.push((last, settlement.settlement_id.clone()));
        }
    }

    pub fn cursor(&self) -> u64 {
        self.read.last().map_or(0, |(seq, _)| *seq)
    }

    pub fn pending_debits(&self) -> usize {
        let numbered = self.writers.iter().flat_map(|writer| writer.lines.values());
        self.keyed.len() + numbered.map(|line| line.pending.len()).sum::<usize>()
    }
}

impl Payee {
    fn assert_stopped(&self) {
        let Some(blocked) = self.blocked_seq else { return };
        let approved = self.approved_seq_max;
        assert!(approved < blocked, "{} was blocked at seq {blocked}, approved at {approved}", self.id);
    }
}

impl Session {
    pub fn spent(&self) -> u64 {
        self.notches.values().map(|notch| notch.nanos).sum()
    }

    pub fn debit_count(&self) -> u64 {
        self.notches.values().map(|notch| notch.count).sum()
    }

    /// Lets go of what the server forgets with the settlement.
    pub fn forget_answers(&mut self) {
        self.keyed = Vec::new();
    }

    pub fn notch(&self, payee: usize) -> Notch {
        self.notches.get(&payee).copied().unwrap_or_default()
    }
}

impl Verdict {
    pub fn of_decision(decision: &Decision) -> Self {
        Self::of(decision.outcome(), decision.code, decision.seq)
    }

    pub fn of(outcome: Outcome, code: i32, seq: u64) -> Self {
        let is_approved = outcome == Outcome::Approved;
        assert!(is_approved || outcome == Outcome::Declined, "{outcome:?}");
        assert_eq!(is_approved, code == 0, "code {code}");
        Self { is_approved, code, seq }
    }
}
