//! Is what happens to sessions: opened anywhere in the tree, debited, reversed, topped up, settled in any order.

use super::{
    EUR, USD, World,
    model::{self, Whose},
};
use std::collections::BTreeMap;
use tallystick_core::{
    Amount, Decline, DeclineCode as Code, EnvelopeId, Next, Record, Refusal, Span, Time,
    command::{Debit, Intent, OpenSession, Reverse, TopUp},
    decide::{self, Decided},
    partition::Made,
    session::Mode,
};

const LIFE: u64 = 30 * 86_400_000_000_000;

/// Is what a session is asked to be, in plain numbers; zero and empty for what is not said.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wish {
    pub(crate) shared: bool,
    pub(crate) cap: u64,
    pub(crate) ttl: u64,
    pub(crate) begins: u64,
    pub(crate) allowed: Vec<usize>,
    pub(crate) caps: BTreeMap<usize, u64>,
    pub(crate) default_cap: u64,
    pub(crate) min: u64,
    pub(crate) max: u64,
}

impl World {
    /// Opens a session. Returns its place, or why not.
    pub(crate) fn open(&mut self, above: Whose, wish: &Wish) -> Result<usize, Result<Code, &'static str>> {
        let expected = self.says_of_opening(above, wish);
        let nanos = Amount::from_nanos;
        let ids = |at: &usize| self.payees[*at];
        let command = OpenSession {
            clauses: tallystick_core::session::Clauses::default(),
            parent_proof: None,
            parent: self.id_of(above),
            mode: if wish.shared { Mode::Shared } else { Mode::Reserved },
            currency: USD,
            cap: nanos(wish.cap),
            ttl: Span::from_ns(wish.ttl),
            not_before: self.at(wish.begins),
            payees: wish.allowed.iter().map(ids).collect(),
            payee_caps: wish.caps.iter().map(|(at, cap)| (ids(at), nanos(*cap))).collect(),
            default_payee_cap: nanos(wish.default_cap),
            debit_min: nanos(wish.min),
            debit_max: nanos(wish.max),
            principal: "",
            method: "",
            evidence_hash: None,
            approved_at: Time::ZERO,
            reference: "",
            key: self.key(),
        };
        let drawn = (self.time(), self.draw());
        let mut decided = decide::open_session(&self.partition, &command, None, drawn);
        while self.release_for(&decided) {
            decided = decide::open_session(&self.partition, &command, None, drawn);
        }
        match decided {
            Err(Refusal::Malformed { field, .. }) => {
                assert_eq!(expected.err(), Some(Err(field)), "{wish:?}");
                Err(Err(field))
            }
            Ok(Decided::Record(record @ Record::SessionOpened(_))) => {
                let Record::SessionOpened(opened) = &record else { panic!("{record:?}") };
                let (id, ends) = (opened.id, expected.unwrap_or_else(|no| panic!("{wish:?}: {no:?}")));
                self.commit(record);
                self.figures.opened += 1;
                let (account, parent) = match above {
                    Whose::Account(at) => (at, None),
                    Whose::Session(at) => (self.model.sessions[at].account, Some(at)),
                };
                self.model.sessions.push(model::Session {
                    id,
                    account,
                    parent,
                    shared: wish.shared,
                    cap: wish.cap,
                    begins: wish.begins,
                    ends,
                    allowed: wish.allowed.clone(),
                    caps: wish.caps.clone(),
                    default_cap: wish.default_cap,
                    min: wish.min,
                    max: wish.max,
                    closing: false,
                    settled: false,
                });
                Ok(self.model.sessions.len() - 1)
            }
            Ok(Decided::Record(record @ Record::CommandDeclined(_))) => {
                let Record::CommandDeclined(declined) = &record else { panic!("{record:?}") };
                let Decline { code, .. } = declined.decline;
                assert_eq!(expected.err(), Some(Ok(code)), "{wish:?}");
                self.figures.declines += 1;
                self.commit(record);
                Err(Ok(code))
            }
            other => panic!("{other:?}"),
        }
    }

    /// Says when a session would end, or which rule, or which field, says no.
    fn says_of_opening(&self, above: Whose, wish: &Wish) -> Result<u64, Result<Code, &'static str>> {
        let model = &self.model;
        let now = model.now;
        let begins = if wish.begins == 0 { now } else { wish.begins };
        let mut ends = begins + wish.ttl;
        let mut depth = 0;
        if let Whose::Session(parent) = above {
            if model.has_ended(parent) {
                return Err(Ok(Code::SessionEnded));
            }
            let row = &model.sessions[parent];
            let parent_begins = model.begins(parent);
            if wish.begins > 0 && wish.begins < parent_begins {
                return Err(Err("not_before"));
            }
            ends = if wish.ttl == 0 { row.ends } else { begins.max(parent_begins) + wish.ttl };
            if ends > row.ends || ends <= now.max(wish.begins) {
                return Err(Err("ttl"));
            }
            let (min, max) = (model.min(parent), model.max(parent));
            if wish.min > 0 && wish.min < min || max > 0 && wish.min > max && wish.max == 0 {
                return Err(Err("debit_min_nanos"));
            }
            if max > 0 && wish.max > max || wish.max > 0 && wish.max < min {
                return Err(Err("debit_max_nanos"));
            }
            if wish.allowed.iter().any(|payee| !model.is_allowed(parent, *payee)) {
                return Err(Err("payee_ids"));
            }
            if wish.caps.keys().any(|payee| !model.is_allowed(parent, *payee)) {
                return Err(Err("payee_caps.payee_id"));
            }
            depth = model.path(parent).len();
        }
        if ends <= now {
            return Err(Err("ttl"));
        }
        if !wish.shared && !model.fits(above, wish.cap) {
            return Err(Ok(Code::Cap));
        }
        if depth >= 8 {
            return Err(Ok(Code::TooDeep));
        }
        Ok(ends)
    }

    /// Asks for a debit. Returns what is taken.
    pub(crate) fn pay(
        &mut self,
        session: usize,
        (payee, amount): (usize, u64),
        (euros, partial): (bool, bool),
    ) -> Result<u64, Code> {
        let command = Debit {
            act: tallystick_core::command::Act::Debit,
            proof: None,
            session: self.model.sessions[session].id,
            payee: self.payees[payee],
            amount: Amount::from_nanos(amount),
            currency: if euros { EUR } else { USD },
            intent: Intent::Key(self.key()),
            reference: "",
            evidence: None,
            partial,
        };
        let expected = self.model.rule(session, (payee, amount), (euros, partial));
        let mut decided = decide::debit(&self.partition, &command, self.time()).unwrap();
        loop {
            let Decided::Record(Record::Debited(debited)) = &decided.0 else { panic!("{decided:?}") };
            let Some(due) = self.partition.due_for_debit(debited, self.time()) else { break };
            self.release(due);
            decided = decide::debit(&self.partition, &command, self.time()).unwrap();
        }
        let (Decided::Record(record), hit) = decided else { panic!("a new key") };
        let Record::Debited(debited) = &record else { panic!("{record:?}") };
        let taken = debited.taken.nanos();
        let said = hit.map_or(Ok(taken), |hit| Err((hit.decline.code, hit.limit_of)));
        assert_eq!(said, expected.map_err(|(code, whose)| (code, self.id_of(whose))), "{command:?}");
        if let Some(hit) = hit {
            self.offer(session, (payee, amount), hit.decline.next, hit.limit_of);
        }
        let seq = self.commit(record);
        self.asked.push((command, self.model.debits.len()));
        let taken = expected.map_err(|(code, _)| code);
        match taken {
            Ok(taken) => {
                self.figures.debits += 1;
                self.figures.deep += u64::from(self.model.path(session).len() >= 3);
                self.figures.partial += u64::from(taken < amount);
                self.model.debits.push(model::Debit { session, payee, taken, back: 0, seq });
            }
            Err(_) => {
                self.figures.declines += 1;
                self.asked.pop();
            }
        }
        taken
    }

    /// What a decline offers must be true: the smaller amount is the greatest that fits, the top-up the most that can be added.
    fn offer(&self, session: usize, (payee, amount): (usize, u64), next: Next, limit_of: EnvelopeId) {
        let model = &self.model;
        // Where something has expired and nothing was released for it, more can fit than is offered.
        let nothing_due = self.partition.due_session(self.time()).is_none();
        match next {
            Next::SmallerAmount(most) => {
                let most = most.nanos();
                assert!(most < amount);
                assert_eq!(model.rule(session, (payee, most), (false, false)), Ok(most), "an offer fits");
                let more = model.rule(session, (payee, most + 1), (false, false));
                assert!(more.is_err() || !nothing_due, "{} would fit, too", most + 1);
            }
            Next::TopUp(most) => {
                let EnvelopeId::Session(id) = limit_of else { panic!("an account is not topped up") };
                let at = self.place_of(id);
                let above = model.room(model.above(at));
                let useful =
                    if model.sessions[at].shared { above - model.left(Whose::Session(at)) } else { above };
                assert!(most.nanos() <= useful, "what is above can give that much");
                assert!(most.nanos() == useful || !nothing_due, "and no more");
            }
            Next::WaitUntil(at) => assert_eq!(at, self.at(model.begins(session))),
            Next::Nothing | Next::NewKey | Next::AskApproval => {}
        }
    }

    /// Asks again for a debit that was approved: the answer is the first one, and another content is refused.
    pub(crate) fn ask_again(&mut self, at: usize) {
        let (command, debit) = self.asked[at];
        let row = &self.model.debits[debit];
        let other = Debit { partial: !command.partial, ..command };
        if self.model.sessions[row.session].settled {
            let refused = decide::debit(&self.partition, &command, self.time());
            assert_eq!(refused, Err(Refusal::UnknownSession));
            return;
        }
        let (decided, hit) = decide::debit(&self.partition, &command, self.time()).unwrap();
        let Decided::Replay(replay) = decided else { panic!("{decided:?}") };
        assert_eq!((replay.seq, replay.taken.nanos(), replay.verdict, hit), (row.seq, row.taken, None, None));
        let refused = decide::debit(&self.partition, &other, self.time());
        assert_eq!(refused, Err(Refusal::KeyReused { field: "accept_partial" }));
        self.figures.replays += 1;
    }

    /// Takes back a debit; zero for all of it.
    pub(crate) fn reverse(&mut self, debit: usize, amount: u64) {
        let row = &self.model.debits[debit];
        let (session, left) = (&self.model.sessions[row.session], row.net());
        let command = Reverse {
            session: session.id,
            debit_seq: row.seq,
            payee: self.payees[row.payee],
            taken: Amount::from_nanos(row.taken),
            amount: Amount::from_nanos(amount),
            key: b"",
        };
        let settled = session.settled;
        let command = Reverse { key: self.key(), ..command };
        let back = if amount == 0 { left } else { amount };
        match decide::reverse(&self.partition, &command, None) {
            Err(Refusal::UnknownSession) => assert!(settled),
            Err(Refusal::Malformed { field: "amount_nanos", .. }) => {
                assert!(!settled && (back == 0 || back > left), "{back} of {left}");
            }
            Ok(Decided::Record(record)) => {
                assert!(!settled && back > 0 && back <= left, "{back} of {left}");
                let seq = self.commit(record);
                self.model.debits[debit].back += back;
                self.taken_back.push((command, seq));
                self.figures.reversed += 1;
            }
            other => panic!("{other:?}"),
        }
    }

    /// Commands are answered from their keys for good, whatever became of their sessions, and of the partition's memory.
    pub(crate) fn command_again(&mut self) {
        if let Some(at) = self.rng.place(self.taken_back.len()) {
            let (command, seq) = self.taken_back[at];
            let Ok(Decided::Replay(before)) =
                decide::reverse(&self.partition, &command, self.filed(&command))
            else {
                panic!("a reversal is remembered")
            };
            assert!(matches!(before.made, Made::Reversal(session, _) if session == command.session));
            assert_eq!(before.seq, seq);
            let other = Reverse { debit_seq: 0, ..command };
            let refused = decide::reverse(&self.partition, &other, self.filed(&other));
            assert_eq!(refused, Err(Refusal::KeyReused { field: "debit_id" }));
        }
        if let Some(at) = self.rng.place(self.topped.len()) {
            let (command, seq) = self.topped[at];
            let again = decide::top_up(&self.partition, &command, self.filed(&command), self.time());
            let Ok(Decided::Replay(before)) = again else { panic!("a top-up is remembered") };
            assert_eq!(before.seq, seq);
            self.figures.replays += 1;
        }
    }

    pub(crate) fn top_up(&mut self, session: usize, add: u64, extend_by: u64) {
        let model = &self.model;
        let row = &model.sessions[session];
        let (ends, now) = (row.ends + extend_by, model.now);
        let latest = row.parent.map_or(u64::MAX, |parent| model.sessions[parent].ends);
        let too_late = extend_by > 0 && (ends.saturating_sub(now) > LIFE || ends > latest);
        let expected = if model.has_ended(session) {
            Err(Ok(Code::SessionEnded))
        } else if too_late {
            Err(Err("extend_by"))
        } else if !row.shared && !model.fits(model.above(session), add) {
            Err(Ok(Code::Cap))
        } else {
            Ok(())
        };
        let (above, shared) = (model.above(session), row.shared);
        let (session_id, add_nanos) = (row.id, Amount::from_nanos(add));
        let command = TopUp {
            session: session_id,
            key: self.key(),
            add: add_nanos,
            extend_by: Span::from_ns(extend_by),
            parent_proof: None,
        };
        let now = self.time();
        let mut decided = decide::top_up(&self.partition, &command, None, now);
        while self.release_for(&decided) {
            decided = decide::top_up(&self.partition, &command, None, now);
        }
        match decided {
            Err(Refusal::Malformed { field, .. }) => assert_eq!(expected, Err(Err(field))),
            Ok(Decided::Record(record)) => {
                let declined = match &record {
                    Record::ToppedUp(_) => None,
                    Record::CommandDeclined(declined) => Some(declined.decline),
                    other => panic!("{other:?}"),
                };
                assert_eq!(declined.map(|no| Ok(no.code)), expected.err());
                if let Some(Next::SmallerAmount(most)) = declined.map(|no| no.next) {
                    assert!(
                        !shared && most.nanos() == self.model.room(above),
                        "it says how much can be added"
                    );
                }
                let seq = self.commit(record);
                self.topped.push((command, seq));
                if declined.is_none() {
                    self.figures.topped_up += 1;
                    self.model.sessions[session].cap += add;
                    self.model.sessions[session].ends += extend_by;
                }
            }
            other => panic!("{other:?}"),
        }
    }
}
