//! Owns: what records do to sessions: opened, debited, reversed, topped up, settled; and to everything above them.
//! Never: decides.

use super::{found, sure, token::token};
use crate::{
    Amount, Partition, Stamp, Time,
    account::Account,
    books::Book,
    command::Act,
    control::State,
    keys::{Keys, Remembered, Said},
    partition::Made,
    record::{
        Debited, Reversed, SessionClosing, SessionOpened, SessionSettled, StoredIntent, TokenPart, ToppedUp,
    },
    session::{About, Authority, Clauses, Guard, Guards, Mode, PayeePart, Plain, Session},
    settlement::{Outgoing, Settlement},
    tree::{At, EnvelopeMut},
    velocity::Velocity,
};
use alloc::{boxed::Box, vec::Vec};

/// Is what of a session says where its money comes from and who counts it.
#[derive(Clone, Copy)]
pub(super) struct Stand {
    pub(super) above: At,
    pub(super) parent: Option<u32>,
    pub(super) mode: Mode,
    pub(super) counted_above: bool,
}

impl Stand {
    pub(super) fn of(session: &Session) -> Self {
        let (parent, mode, counted_above) = (session.parent(), session.mode, session.counted_above);
        Self { above: session.above(), parent, mode, counted_above }
    }
}

impl Partition {
    pub(super) fn debited(&mut self, seq: u64, stamp: &Stamp, debit: &Debited<'_>) {
        let said = Said::of(debit, self.seed);
        let session = found(self.sessions.get_mut(debit.session.slot()), "a debit in no session");
        assert_eq!(session.id, debit.session, "bug: record {seq} names another session");
        let is_token = session.guards.has(Guards::TOKEN);
        let is_debit = debit.act == Act::Debit || debit.late;
        assert!(!is_debit || debit.taken <= debit.amount, "bug: record {seq} takes more than was asked");
        let remembered = Remembered { seq, said, verdict: debit.verdict, taken: debit.taken };
        match debit.intent {
            StoredIntent::Key(key) => session.remember(key, remembered),
            StoredIntent::Number(at) => {
                found(session.window_mut(at.writer, at.epoch), "no window").remember(&at, remembered);
            }
        }
        if debit.verdict.is_some() {
            assert!(debit.taken.is_zero(), "bug: record {seq} declines and takes");
        } else if is_debit {
            session.take(debit.payee, debit.taken);
            let (currency, stand) = (session.currency, Stand::of(session));
            let is_limited = session.guards.has(Guards::VELOCITY);
            if is_limited {
                session.take_velocity(debit.payee, debit.taken, stamp.at);
            }
            let book = self.charge(stand, debit.payee, debit.taken);
            self.move_money(currency, book, Book::Unsettled, debit.taken);
            if is_limited {
                self.take_velocity_above(stand.above, debit.payee, debit.taken, stamp.at);
            }
        } else {
            self.held(seq, stamp, debit);
        }
        if is_token {
            self.token_used(stamp, debit);
        }
    }

    /// Counts a debit in everything above its session. Returns the book that the money was in.
    fn charge(&mut self, stand: Stand, payee: u32, amount: Amount) -> Book {
        if stand.counted_above {
            self.change_payee_counts(stand.parent, payee, |above| above.count_below(payee, amount));
        }
        match stand.mode {
            Mode::Reserved => Book::Reserved,
            Mode::Shared => self.change_counting(stand.above, |envelope| match envelope {
                EnvelopeMut::Session(session) => session.spend_below(amount),
                EnvelopeMut::Account(account) => account.spend(amount),
            }),
        }
    }

    pub(super) fn reversed(&mut self, seq: u64, reversed: &Reversed) {
        let session = found(self.sessions.get_mut(reversed.session.slot()), "a reversal in no session");
        assert_eq!(session.id, reversed.session, "bug: record {seq} names another session");
        let (payee, amount) = (reversed.payee, reversed.amount);
        let after = session.take_back(reversed.debit_seq, payee, amount);
        assert_eq!(after, reversed.reversed_after, "bug: record {seq} found other reversals");
        let (currency, stand) = (session.currency, Stand::of(session));
        if stand.counted_above {
            self.change_payee_counts(stand.parent, payee, |above| above.uncount_below(payee, amount));
        }
        let book = match stand.mode {
            Mode::Reserved => Book::Reserved,
            Mode::Shared => self.change_counting(stand.above, |envelope| match envelope {
                EnvelopeMut::Session(session) => session.unspend_below(amount),
                EnvelopeMut::Account(account) => account.unspend(amount),
            }),
        };
        self.move_money(currency, Book::Unsettled, book, amount);
        self.remember_command(seq, &reversed.keyed, Made::Reversal(reversed.session, amount));
    }

    pub(super) fn session_opened(&mut self, seq: u64, stamp: &Stamp, opened: &SessionOpened<'_>) {
        let account = found(self.accounts.get(opened.account.slot()), "a session in no account");
        assert_eq!(account.id, opened.account, "bug: record {seq} names another account");
        let currency = account.currency;
        let parent = opened.parent.map(|id| {
            let parent = found(self.sessions.get(id.slot()), "a session under no session");
            assert_eq!(parent.id, id, "bug: record {seq} names another parent");
            assert_eq!(parent.account, opened.account.slot(), "bug: record {seq} has two accounts");
            (id.slot(), parent.depth, parent.counts_payees || parent.counted_above)
        });
        let part = |(payee, cap): &(u32, crate::Cap)| PayeePart::new(*payee, *cap);
        let authority = Authority {
            principal: opened.principal.into(),
            method: opened.method.into(),
            evidence_hash: opened.evidence_hash,
            approved_at: opened.approved_at,
        };
        let counts_payees =
            !opened.bounds.default_payee_cap.is_none() || opened.payees.iter().any(|(_, cap)| !cap.is_none());
        let mut session = Session::from(Plain {
            id: opened.id,
            account: opened.account.slot(),
            parent: parent.map(|(slot, _, _)| slot),
            mode: opened.mode,
            depth: parent.map_or(1, |(_, depth, _)| depth + 1),
            counts_payees,
            counted_above: parent.is_some_and(|(_, _, counted)| counted),
            currency,
            bounds: opened.bounds,
            closing_at: Time::ZERO,
            spent_own: Amount::ZERO,
            spent_below: Amount::ZERO,
            held: Amount::ZERO,
            reserved_by_children: Amount::ZERO,
            open_children: 0,
            debit_count: 0,
            opened_at: stamp.at,
            payees: opened.payees.iter().map(part).collect(),
            writers: Vec::new(),
            keys: Keys::default(),
            about: About { authority, reference: opened.reference.into(), ..About::default() },
            guards: guards(&opened.clauses).and(Guards::TOKEN.if_so(opened.token.is_some())),
            guard: guard(&opened.clauses, opened.token.as_ref()),
            velocity: Velocity::begin(&opened.clauses.velocity),
        });
        session.guards = session.guards.and(Guards::VELOCITY.if_so(self.is_limited(session.above())));
        let (above, carried_until) = (session.above(), session.is_carried().then_some(session.ends_at()));
        self.admit(session);
        self.token_used_by_child(stamp, above, carried_until);
        if opened.mode == Mode::Reserved {
            let book = self.set_aside(above, opened.bounds.cap);
            self.move_money(currency, book, Book::Reserved, opened.bounds.cap);
        }
        self.remember_command(seq, &opened.keyed, Made::Session(opened.id));
    }

    /// Takes a session in, where everything finds it.
    pub(super) fn admit(&mut self, session: Session) {
        self.has_limits |= !session.velocity().is_empty();
        let (slot, above) = (session.id.slot(), session.above());
        self.ends.insert(session.end());
        self.children.extend(session.parent().map(|parent| (parent, slot)));
        self.bent += u32::from(session.is_bent());
        self.sessions.insert(slot, session);
        self.count_child(above, |children| children.checked_add(1));
    }

    pub(super) fn set_aside(&mut self, above: At, cap: Amount) -> Book {
        self.change_counting(above, |envelope| match envelope {
            EnvelopeMut::Session(session) => session.reserve(cap),
            EnvelopeMut::Account(account) => account.reserve(cap),
        })
    }

    fn count_child(&mut self, above: At, change: impl FnOnce(u32) -> Option<u32>) {
        match above {
            At::Session(slot) => {
                let session = found(self.sessions.get_mut(slot), "a session stands under nothing");
                let before = session.end();
                session.count_children(change);
                let after = session.end();
                // One that is closing may wait for its own holds alone from here on.
                if before != after {
                    self.ends.remove(&before);
                    self.ends.insert(after);
                }
            }
            At::Account(slot) => {
                let account = found(self.accounts.get_mut(slot), "a session stands under no account");
                account.open_children = sure(change(account.open_children));
            }
        }
    }

    pub(super) fn topped_up(&mut self, seq: u64, topped: &ToppedUp) {
        let slot = topped.session.slot();
        let session = found(self.sessions.get_mut(slot), "a top-up of no session");
        assert_eq!(session.id, topped.session, "bug: record {seq} names another session");
        let before = session.end();
        session.raise(topped.add, topped.ends_at);
        let (currency, end, stand) = (session.currency, session.end(), Stand::of(session));
        let carried = session.is_carried().then(|| (session.above(), session.ends_at()));
        self.ends.remove(&before);
        self.ends.insert(end);
        if stand.mode == Mode::Reserved && !topped.add.is_zero() {
            let book = self.set_aside(stand.above, topped.add);
            self.move_money(currency, book, Book::Reserved, topped.add);
        }
        if let Some((At::Session(above), ends_at)) = carried {
            self.change_session(above, |token| token.wait_until(ends_at));
        }
        self.remember_command(seq, &topped.keyed, Made::Session(topped.session));
    }

    pub(super) fn session_closing(&mut self, stamp: &Stamp, closing: &SessionClosing) {
        let slot = closing.session.slot();
        let session = found(self.sessions.get_mut(slot), "a close of no session");
        assert_eq!(session.id, closing.session, "bug: a close names another session");
        let before = session.end();
        session.begin_closing(stamp.at);
        self.closing += 1;
        let end = session.end();
        self.ends.remove(&before);
        self.ends.insert(end);
    }

    pub(super) fn session_settled(&mut self, seq: u64, stamp: &Stamp, settled: &SessionSettled) {
        let slot = settled.session.slot();
        let session = found(self.sessions.remove(slot), "a settlement of no session");
        assert_eq!(session.id, settled.session, "bug: record {seq} names another session");
        assert_eq!(session.open_children(), 0, "bug: record {seq} settles a session before those below it");
        assert_eq!(session.open_holds(), 0, "bug: record {seq} settles a session with open holds");
        assert_eq!(session.spent_own, settled.total, "bug: record {seq} settles another total");
        let lines = settled.lines.iter().try_fold(Amount::ZERO, |sum, line| sum.checked_add(line.amount));
        assert_eq!(lines, Some(settled.total), "bug: the lines of record {seq} do not add up");
        let (cap, spent) = (session.cap(), sure(settled.total.checked_add(session.spent_below())));
        self.ends.remove(&session.end());
        self.closing -= u32::from(session.closing_at() != Time::ZERO);
        self.bent -= u32::from(session.is_bent());
        if let Some(parent) = session.parent() {
            self.children.remove(&(parent, slot));
        }
        self.count_child(session.above(), |children| children.checked_sub(1));
        self.stops -= u32::from(session.control().is_some_and(|word| word.state != State::Open));
        self.review_above(slot, Stand::of(&session));
        match session.mode {
            Mode::Reserved => {
                assert_eq!(spent.checked_add(settled.released), Some(cap), "bug: record {seq} lost a nano");
                let book = self.change_counting(session.above(), |envelope| match envelope {
                    EnvelopeMut::Session(parent) => parent.release(cap, spent),
                    EnvelopeMut::Account(account) => account.release(cap, spent),
                });
                self.move_money(session.currency, Book::Reserved, book, settled.released);
            }
            Mode::Shared => {
                assert!(settled.released.is_zero(), "bug: record {seq} gives back what was not set aside");
            }
        }
        self.token_after_child(stamp.at, &session);
        self.move_money(session.currency, Book::Unsettled, Book::InTransit, settled.total);
        self.send_lines(&session, settled);
        let parent = session.parent().and_then(|slot| self.sessions.get(slot)).map(|parent| parent.id);
        let account = found(self.accounts.get(session.account), "a session without an account");
        let settlement = settlement_of(&session, account, parent, (seq, stamp, settled));
        self.unfiled.insert(seq, settlement);
        self.unfiled_seqs.insert(settled.session, seq);
    }

    fn send_lines(&mut self, session: &Session, settled: &SessionSettled) {
        for line in &settled.lines {
            self.outbox_last += 1;
            let (no, settlement) = (self.outbox_last, settled.session.settlement());
            self.outbox.push_back(Outgoing { no, settlement, currency: session.currency, line: *line });
        }
    }
}

/// Says what a debit of a session with these clauses has to look at.
fn guards(clauses: &Clauses) -> Guards {
    let Clauses { secret, approval_above, carry: _, velocity } = clauses;
    Guards::SECRET
        .if_so(secret.is_some())
        .and(Guards::APPROVAL.if_so(!approval_above.is_none()))
        .and(Guards::VELOCITY.if_so(!velocity.is_empty()))
}

/// Makes what is kept of clauses; `None` for nothing.
fn guard(clauses: &Clauses, part: Option<&TokenPart<'_>>) -> Option<Guard> {
    let Clauses { secret, approval_above, carry, velocity: _ } = clauses;
    let (secret, approval_above, carry) = (*secret, *approval_above, *carry);
    let token = part.map(|part| Box::new(token(part)));
    let guard = Guard { secret, approval_above, carry, token, ..Guard::default() };
    (guard != Guard::default()).then_some(guard)
}

fn settlement_of(
    session: &Session,
    account: &Account,
    parent: Option<crate::SessionId>,
    (seq, stamp, settled): (u64, &Stamp, &SessionSettled),
) -> Settlement {
    Settlement {
        session: settled.session,
        account: account.id,
        currency: session.currency,
        reason: settled.reason,
        lines: settled.lines.clone(),
        total: settled.total,
        released: settled.released,
        debit_count: session.debit_count,
        opened_at: session.opened_at,
        settled_at: stamp.at,
        seq,
        parent,
        spent_below: session.spent_below(),
    }
}
