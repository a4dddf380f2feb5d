//! Owns: what accounts, payees, sessions and the whole look like when they are shown. Never: changes anything.

use super::{
    ladder::is_final,
    state::{Debit, Session, State},
    tree::Due,
};
use crate::asked::Stopped;
use std::collections::{BTreeMap, BTreeSet};
use tallystick_core::{
    AccountId, Amount, Cap, Currency, DepositId, EnvelopeId, Hit, PayeeId, SessionId, Time, Total,
    account::{Account, External, Funding, Terms},
    books::{BOOKS, Book},
    decide::DebitReplay,
    deposit::{Deposit, DepositState},
    partition::SessionView,
    payee::{Ledger, Payee},
    session::{About, Authority, Bounds, Mode, PayeePart},
    settlement::Line,
};
use tallystick_engine::{DepositAnswer, SessionShown, Totals};

pub(super) fn nanos(sum: u128) -> Amount {
    Amount::from_nanos(u64::try_from(sum).unwrap_or(u64::MAX))
}

fn total(sum: u128) -> Total {
    Total::from_nanos(sum)
}

/// Is what is left, for the answer to a debit.
pub(super) struct Left {
    pub(super) remaining: Amount,
    pub(super) is_final: bool,
    pub(super) payee_remaining: Option<Amount>,
    pub(super) held: Amount,
}

impl State {
    pub(super) fn account(&self, id: AccountId) -> Option<Account> {
        let row = self.accounts.get(&id)?;
        let sum = |sums: &[u64]| total(sums.iter().map(|nanos| u128::from(*nanos)).sum());
        let below = self.taken(&row.children, Due::Held);
        let external = row.external.as_ref().map(|external| External {
            reference: external.reference.as_str().into(),
            usable_until: external.usable_until,
            margin: external.margin,
        });
        let reference = row.reference.as_str().into();
        let open_children = u32::try_from(self.open_children(&row.children)).unwrap_or(u32::MAX);
        Some(Account {
            held_below: total(below.held),
            id,
            currency: row.currency,
            funding: row.funding,
            deposited: total(self.deposits_of(id, DepositState::Available)),
            pending: total(self.deposits_of(id, DepositState::Pending)),
            withdrawn: sum(&row.withdrawals),
            limit: total(row.limit.into()),
            repaid: sum(&row.repayments),
            reserved_by_children: total(below.aside),
            spent_below: total(below.spent),
            open_children,
            velocity: Box::default(),
            created_at: row.created_at,
            control: self.shown_control(&Stopped::Account(id)),
            terms: Box::new(Terms {
                external,
                reference,
                front_end: row.front_end.as_str().into(),
                ..Terms::default()
            }),
        })
    }

    pub(super) fn deposit(&self, id: DepositId) -> Option<DepositAnswer> {
        let row = self.deposits.get(&id)?;
        let deposit = Deposit {
            id,
            account: row.account.slot(),
            amount: Amount::from_nanos(row.amount),
            state: row.state,
            created_at: row.created_at,
            changed_at: row.changed_at,
        };
        Some(DepositAnswer { account: self.account(row.account)?, deposit: Some(deposit) })
    }

    pub(super) fn payee(&self, id: PayeeId) -> Option<Payee> {
        let row = self.payees.get(&id)?;
        let mut known_in = [0_u64; 4];
        for partition in &row.known_in {
            if let Some(word) = known_in.get_mut(usize::from(partition / 64)) {
                *word |= 1 << (partition % 64);
            }
        }
        let mut ledgers: BTreeMap<Currency, Ledger> = BTreeMap::new();
        for line in self.lines.iter().filter(|line| line.posted && line.outgoing.line.payee == id) {
            let currency = line.outgoing.currency;
            let ledger =
                ledgers.entry(currency).or_insert(Ledger { currency, payable: Total::ZERO, lines: 0 });
            let payable = ledger.payable.nanos() + u128::from(line.outgoing.line.amount.nanos());
            (ledger.payable, ledger.lines) = (total(payable), ledger.lines + 1);
        }
        Some(Payee {
            id,
            status: row.status,
            version: row.version,
            known_in,
            ledgers: ledgers.into_values().collect(),
            created_at: row.created_at,
            name: row.name.as_str().into(),
        })
    }

    /// Shows a session, open or settled, at an instant.
    pub(super) fn session(&self, id: SessionId, now: Time) -> Option<SessionShown> {
        let row = self.sessions.get(&id)?;
        Some(match &row.settled {
            Some(settlement) => SessionShown::Settled(Box::new(settlement.clone())),
            None => SessionShown::Open(Box::new(self.view(id, row, self.at(id.partition(), now)))),
        })
    }

    fn view(&self, id: SessionId, row: &Session, now: Time) -> SessionView {
        let below = self.taken(&row.children, Due::Held);
        let debits = || row.debits.iter().filter_map(|seq| self.debits.get(seq));
        let reversed = debits().filter(|d| !d.back.is_empty());
        let asked = &row.asked;
        let authority = Authority {
            principal: asked.principal.as_str().into(),
            method: asked.method.as_str().into(),
            evidence_hash: asked.evidence_hash,
            approved_at: asked.approved_at,
        };
        SessionView {
            guard: None,
            id,
            account: row.account,
            currency: row.currency,
            parent: row.parent,
            mode: asked.mode,
            depth: row.depth,
            bounds: bounds(row),
            spent: nanos(self.spent_on(row)),
            spent_below: nanos(below.spent),
            held: nanos(self.held_on(row, Due::Held) + below.held),
            reserved_by_children: nanos(below.aside),
            open_children: u32::try_from(self.open_children(&row.children)).unwrap_or(u32::MAX),
            remaining: nanos(self.left_of_session(row, Due::Held)),
            debit_count: self.approved(row).count() as u64,
            opened_at: row.opened_at,
            payees: self.parts(id, row),
            about: About {
                authority,
                reference: asked.reference.as_str().into(),
                reversed: reversed.map(|d| (d.seq, Amount::from_nanos(d.reversed()))).collect(),
            },
            velocity: Vec::new(),
            ended: self.has_ended(id, now),
            closing: row.closing,
            stop: self
                .stop(EnvelopeId::Session(id))
                .err()
                .map(|no| Hit { decline: no.decline, limit_of: no.limit_of }),
        }
    }

    /// Shows the payees that were paid, that have a cap or a place on the allow-list, and those paid below that are capped here.
    fn parts(&self, id: SessionId, row: &Session) -> Vec<(PayeeId, PayeePart)> {
        let listed = row.allowed.iter().flatten().chain(row.caps.keys()).copied();
        let capped = |payee: &PayeeId| Self::payee_cap(row, *payee).is_some();
        // What was promised keeps a place for its payee.
        let placed = |session: &Session| session.holds.clone();
        let named = |seq: u64| self.debits.get(&seq).map(|hold| hold.asked.payee);
        let met_in = |session: &Session| {
            self.paid_on(session).into_iter().chain(placed(session).into_iter().filter_map(named))
        };
        let mut payees: BTreeSet<PayeeId> = listed.chain(met_in(row)).collect();
        payees.extend(self.below(row).into_iter().flat_map(met_in).filter(capped));
        let part = |payee: PayeeId| {
            let slot = self.notices.get(&(id.partition(), payee))?.slot;
            let own = self.got_on(row, payee);
            let cap = Self::payee_cap(row, payee).map_or(Cap::NONE, |cap| Cap::of(Amount::from_nanos(cap)));
            // What is promised below counts in the caps above as if it were spent; what is promised here is told by the holds.
            let inside = || self.got(row, payee, Due::Held) - self.held_for(row, payee, Due::Held);
            let below = if cap.is_none() { 0 } else { inside() - own };
            let debit_count = self.debits_to(row, payee);
            let part =
                PayeePart { payee: slot, spent: nanos(own), spent_below: nanos(below), debit_count, cap };
            Some((payee, part))
        };
        let mut parts: Vec<(PayeeId, PayeePart)> = payees.into_iter().filter_map(part).collect();
        parts.sort_by_key(|(_, part)| part.payee);
        parts
    }

    fn approved<'a>(&'a self, session: &'a Session) -> impl Iterator<Item = &'a Debit> {
        let debits = session.debits.iter().filter_map(|seq| self.debits.get(seq));
        debits.filter(|debit| debit.decline.is_none() && debit.asked.spends())
    }

    fn paid_on(&self, session: &Session) -> Vec<PayeeId> {
        self.approved(session).map(|debit| debit.asked.payee).collect()
    }

    fn debits_to(&self, session: &Session, payee: PayeeId) -> u64 {
        self.approved(session).filter(|debit| debit.asked.payee == payee).count() as u64
    }

    fn below(&self, session: &Session) -> Vec<&Session> {
        let children: Vec<&Session> =
            session.children.iter().filter_map(|id| self.sessions.get(id)).collect();
        children.iter().flat_map(|child| std::iter::once(*child).chain(self.below(child))).collect()
    }

    /// Returns what a session owes each payee that was paid, in id order.
    pub(super) fn owed(&self, session: &Session) -> Vec<Line> {
        let payees: BTreeSet<PayeeId> = self.paid_on(session).into_iter().collect();
        let line = |payee| Line {
            payee,
            amount: nanos(self.got_on(session, payee)),
            debit_count: self.debits_to(session, payee),
        };
        payees.into_iter().map(line).collect()
    }

    /// Says what is left after a debit, of its session and of the payee.
    pub(super) fn left_after(&self, id: SessionId, payee: PayeeId) -> Left {
        let remaining = self.room(EnvelopeId::Session(id), Due::Held);
        let is_final = self.sessions.get(&id).is_none_or(|session| is_final(session, remaining));
        let payee_remaining = self.payee_left(id, payee, Due::Held).map(Amount::from_nanos);
        let held = self
            .sessions
            .get(&id)
            .map_or(0, |row| self.held_on(row, Due::Held) + self.taken(&row.children, Due::Held).held);
        Left { remaining: Amount::from_nanos(remaining), is_final, payee_remaining, held: nanos(held) }
    }

    /// Returns what is said of a debit that was decided before.
    pub(super) fn replay_of(&self, debit: &Debit) -> Option<DebitReplay> {
        let payee = self.notices.get(&(debit.asked.session.partition(), debit.asked.payee))?.slot;
        Some(DebitReplay {
            seq: debit.seq,
            amount: debit.asked.amount,
            taken: Amount::from_nanos(debit.taken),
            verdict: debit.decline.map(|decline| (decline.code, decline.level)),
            payee,
            kind: debit.asked.act.kind(),
            late: debit.late,
        })
    }

    /// Sums the books anew (I6). `Outside` has what is not inside.
    pub(super) fn totals(&self, seq: u64) -> Totals {
        let mut sums: BTreeMap<(Currency, Book), i128> = BTreeMap::new();
        let mut add = |currency, book, nanos: i128| *sums.entry((currency, book)).or_default() += nanos;
        for (id, row) in &self.accounts {
            let limit = if row.funding == Funding::Prepaid { 0 } else { i128::from(row.limit) };
            add(row.currency, row.funding.book(), self.left_of_account(*id, Due::Held) - limit);
            let pending = self.deposits_of(*id, DepositState::Pending).cast_signed();
            add(row.currency, Book::FundingPending, pending);
        }
        let open = || self.sessions.values().filter(|session| session.settled.is_none());
        for row in open() {
            if !row.shared {
                let left = self.left_of_session(row, Due::Held).cast_signed();
                // What a shared session below has spent or set aside comes out of this one's, too.
                add(row.currency, Book::Reserved, left);
            }
            add(row.currency, Book::Held, self.held_on(row, Due::Held).cast_signed());
            add(row.currency, Book::Unsettled, self.spent_on(row).cast_signed());
        }
        for line in &self.lines {
            let book = if line.posted { Book::PayeePayable } else { Book::InTransit };
            add(line.outgoing.currency, book, line.outgoing.line.amount.nanos().into());
        }
        let mut books: BTreeMap<Currency, [i128; BOOKS]> = BTreeMap::new();
        for ((currency, book), nanos) in sums {
            let all = books.entry(currency).or_insert([0; BOOKS]);
            if let Some(place) = all.get_mut(book as usize) {
                *place += nanos;
            }
            if let Some(outside) = all.first_mut() {
                *outside -= nanos;
            }
        }
        let open_sessions = open().count() as u64;
        Totals { whole_through_seq: seq, seq, open_sessions, books }
    }
}

pub(super) fn bounds(row: &Session) -> Bounds {
    Bounds {
        cap: Amount::from_nanos(row.cap),
        not_before: row.begins,
        ends_at: row.ends,
        default_payee_cap: Cap::from_nanos_or_none(row.default_cap),
        debit_min: Amount::from_nanos(row.min),
        debit_max: Cap::from_nanos_or_none(row.max),
        payees_restricted: row.allowed.is_some(),
    }
}

pub(super) fn mode(row: &Session) -> Mode {
    if row.shared { Mode::Shared } else { Mode::Reserved }
}
