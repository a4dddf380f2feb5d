//! Owns: the invariants of a whole partition, tested from the rows alone, with code that `apply` does not share.
//! Never: repairs.

use crate::{
    Partition, Time, Total,
    account::{Account, Funding},
    books::Book,
    control::{Control, State},
    deposit::DepositState,
    payee::Notice,
    session::{Guards, Mode, Session},
    tree::At,
    velocity::Velocity,
};
use alloc::collections::BTreeMap;

/// Is what an envelope's children say of it.
#[derive(Debug, Default, Clone, Copy)]
struct Children {
    reserved: Total,
    spent_shared: Total,
    held_shared: Total,
    count: u32,
}

impl Partition {
    /// Says which invariant does not hold over the whole partition. *Cost*: walks every row.
    pub fn check_sound(&self) -> Result<(), &'static str> {
        self.check_ids()?;
        self.check_totals()?;
        self.sessions.iter().try_for_each(|(_, session)| self.check_session(session))?;
        self.check_tree()?;
        self.check_velocity()?;
        self.check_tokens()?;
        self.check_payees_below()?;
        self.check_deposits()?;
        self.check_books()?;
        let closing = self.sessions.iter().filter(|(_, session)| session.closing_at() != Time::ZERO);
        if closing.count() != self.closing as usize {
            return Err("other sessions are closing than are counted");
        }
        self.check_stops()?;
        let has_end = |session: &Session| self.ends.contains(&session.end());
        if self.ends.len() != self.sessions.len() as usize || !self.sessions.iter().all(|(_, s)| has_end(s)) {
            return Err("an open session has no end in the index, or a closed one has");
        }
        let newer =
            |notice: &Notice| self.payees.get(notice.id.slot()).is_some_and(|p| p.version < notice.version);
        if self.notices.iter().any(|(_, n)| n.id.partition() == self.number && newer(n)) {
            return Err("a notice is newer than its payee");
        }
        Ok(())
    }

    /// What is counted as stopped is, and nothing else; and what is known to be ready to be settled is.
    fn check_stops(&self) -> Result<(), &'static str> {
        let stopped = |word: Option<&Control>| word.is_some_and(|word| word.state != State::Open);
        let sessions = self.sessions.iter().filter(|(_, session)| stopped(session.control()));
        let accounts = self.accounts.iter().filter(|(_, account)| stopped(account.control.as_deref()));
        let front_ends = self.front_ends.values().filter(|word| stopped(Some(word)));
        if sessions.count() + accounts.count() + front_ends.count() != self.stops as usize {
            return Err("another number of stops is counted than there are");
        }
        let is_ready = |slot: &u32| {
            let session = self.sessions.get(*slot);
            session.is_some_and(|session| self.step_of_revoked(session.id, self.last_at).is_some())
        };
        if !self.unsettled.ready.iter().all(is_ready) {
            return Err("a session is to be settled that was not revoked, or has others or holds open");
        }
        Ok(())
    }

    /// A row's id says where the row is.
    fn check_ids(&self) -> Result<(), &'static str> {
        let here = |slot: u32, id: (u16, u32)| id == (self.number, slot);
        let at_home = self.accounts.iter().all(|(slot, a)| here(slot, (a.id.partition(), a.id.slot())))
            && self.sessions.iter().all(|(slot, s)| here(slot, (s.id.partition(), s.id.slot())))
            && self.payees.iter().all(|(slot, p)| here(slot, (p.id.partition(), p.id.slot())))
            && self.writers.iter().all(|(slot, w)| here(slot, (w.id.partition(), w.id.slot())))
            && self.deposits.iter().all(|(slot, d)| here(slot, (d.id.partition(), d.id.slot())))
            && self.credentials.iter().all(|(slot, c)| here(slot, (c.id.partition(), c.id.slot())));
        if at_home { Ok(()) } else { Err("a row's id says that it is elsewhere") }
    }

    /// No total comes near the edge of its type: what is added up below cannot leave it either.
    fn check_totals(&self) -> Result<(), &'static str> {
        let mut totals = self.accounts.iter().flat_map(|(_, a)| {
            [
                a.deposited,
                a.pending,
                a.withdrawn,
                a.limit,
                a.repaid,
                a.reserved_by_children,
                a.spent_below,
                a.held_below,
            ]
        });
        let mut payable = self.payees.iter().flat_map(|(_, p)| &p.ledgers).map(|ledger| ledger.payable);
        let is_beyond = |total: Total| total > Total::MAX;
        if totals.any(is_beyond) || payable.any(is_beyond) {
            return Err("a total is greater than the greatest there is");
        }
        Ok(())
    }

    fn check_session(&self, session: &Session) -> Result<(), &'static str> {
        let parts = session.payees();
        let spent: u128 = parts.clone().map(|part| u128::from(part.spent.nanos())).sum();
        if spent != u128::from(session.spent_own.nanos()) {
            return Err("a session's payees do not add up to what it spent");
        }
        let used = [session.spent_own, session.spent_below(), session.held(), session.reserved_by_children()];
        if used.iter().map(|amount| u128::from(amount.nanos())).sum::<u128>()
            > u128::from(session.cap().nanos())
        {
            return Err("a session is over its cap");
        }
        let got = |part: &crate::session::PayeePart| {
            let held = session.held_for(part.payee);
            part.spent.checked_add(part.spent_below).and_then(|got| got.checked_add(held))
        };
        if parts.clone().any(|part| part.cap.get().is_some_and(|cap| got(&part).is_none_or(|got| got > cap)))
        {
            return Err("a payee is over its cap");
        }
        if parts.map(|part| u128::from(part.debit_count)).sum::<u128>() != session.debit_count.into() {
            return Err("a session's payees do not count its debits");
        }
        if session.holds().is_some_and(|holds| !holds.add_up()) {
            return Err("a hold is not what was promised, less what was captured");
        }
        if self.accounts.get(session.account).is_none() {
            return Err("a session stands on no account");
        }
        let parent = session.parent().map(|slot| self.sessions.get(slot));
        match parent {
            Some(None) => Err("a session stands under a closed one"),
            Some(Some(parent)) if parent.depth.checked_add(1) != Some(session.depth) => {
                Err("a session is not below its parent")
            }
            Some(Some(parent)) if parent.account != session.account => Err("a tree has two accounts"),
            Some(Some(parent))
                if session.ends_at() > parent.ends_at() && !self.may_outlive(session, parent) =>
            {
                Err("a session outlives its parent")
            }
            Some(Some(parent)) if (parent.counts_payees || parent.counted_above) != session.counted_above => {
                Err("a session does not know that its payees are counted above")
            }
            None if session.depth != 1 => Err("a session straight on its account is not at depth 1"),
            Some(Some(_)) | None => Ok(()),
        }
    }

    /// A session that is carried may outlive its period's token, and every one a token that was narrowed since.
    fn may_outlive(&self, session: &Session, parent: &Session) -> bool {
        let standing = || self.sessions_above(parent).next();
        parent.is_bent()
            || (session.is_carried()
                && parent.is_period()
                && standing().is_some_and(|above| above.is_bent() || session.ends_at() <= above.ends_at()))
    }

    /// What makes a token of a session is there where the row says so, and agrees with where it stands.
    fn check_tokens(&self) -> Result<(), &'static str> {
        for (slot, session) in self.sessions.iter() {
            let is_token = session.guards.has(Guards::TOKEN);
            if is_token != session.token().is_some() || is_token != session.id.is_token() {
                return Err("a token's id, its row and its facts do not say alike that it is one");
            }
            let parent = session.parent().and_then(|slot| self.sessions.get(slot));
            if parent.is_some_and(Session::is_standing) != session.is_period() {
                return Err(
                    "a period's token does not stand under a standing mandate, or something else does",
                );
            }
            if session.is_period() && session.mode != Mode::Shared {
                return Err("a period's token is not shared");
            }
            if session.is_carried()
                && !(session.mode == Mode::Reserved && parent.is_some_and(Session::is_period))
            {
                return Err("a session is carried that no period's token reserved");
            }
            if session.is_standing() && !session.spent_own.is_zero() {
                return Err("a standing mandate was debited");
            }
            let spendable = self.children_of(slot).filter(|child| child.is_period());
            let open = spendable.filter(|child| child.closing_at() == Time::ZERO);
            if open.count() > 1 {
                return Err("two periods of a mandate can be spent at once");
            }
        }
        let bent = self.sessions.iter().filter(|(_, session)| session.is_bent());
        if bent.count() != self.bent as usize {
            return Err("other tokens are narrowed or revoked than are counted");
        }
        Ok(())
    }

    fn check_tree(&self) -> Result<(), &'static str> {
        let mut below: BTreeMap<(bool, u32), Children> = BTreeMap::new();
        for (_, session) in self.sessions.iter() {
            let key = match session.above() {
                At::Session(slot) => (true, slot),
                At::Account(slot) => (false, slot),
            };
            let children = below.entry(key).or_default();
            let (reserved, spent, held) = Self::taken_by(session);
            let add = |a: Total, b: Total| a.checked_add(b).ok_or("children pass the greatest total");
            children.reserved = add(children.reserved, reserved)?;
            children.spent_shared = add(children.spent_shared, spent)?;
            children.held_shared = add(children.held_shared, held)?;
            children.count += 1;
        }
        for (slot, session) in self.sessions.iter() {
            let children = below.get(&(true, slot)).copied().unwrap_or_default();
            if children.reserved != session.reserved_by_children().into()
                || children.count != session.open_children()
            {
                return Err("a session's reservation is not the sum of what its children take");
            }
            let held = children.held_shared.checked_add(session.held_own().into());
            if held != Some(session.held().into()) {
                return Err("what a session holds is not the sum of its holds and its shared children's");
            }
            if children.spent_shared > session.spent_below().into() {
                return Err("a session counts less than its shared children spent");
            }
        }
        for (slot, account) in self.accounts.iter() {
            let children = below.get(&(false, slot)).copied().unwrap_or_default();
            if children.reserved != account.reserved_by_children || children.count != account.open_children {
                return Err("an account's reservation is not the sum of its open sessions' caps");
            }
            if children.held_shared != account.held_below {
                return Err("what an account holds is not the sum of its shared sessions' holds");
            }
            if children.spent_shared > account.spent_below {
                return Err("an account counts less than its shared sessions spent");
            }
        }
        if self.children.len() != self.sessions.iter().filter(|(_, s)| s.parent().is_some()).count() {
            return Err("the index of children is not the tree");
        }
        Ok(())
    }

    /// Limits in time agree with what was taken of them, and whoever stands below one knows it.
    fn check_velocity(&self) -> Result<(), &'static str> {
        let of_accounts = self.accounts.iter().flat_map(|(_, account)| account.velocity.iter());
        let mut all = of_accounts.chain(self.sessions.iter().flat_map(|(_, session)| session.velocity()));
        if !all.all(Velocity::is_sound) {
            return Err("a limit in time does not add up");
        }
        let is_limited = |session: &Session| {
            let above = match session.parent() {
                Some(slot) => {
                    self.sessions.get(slot).is_some_and(|parent| parent.guards.has(Guards::VELOCITY))
                }
                None => self.accounts.get(session.account).is_some_and(|a| !a.velocity.is_empty()),
            };
            above || !session.velocity().is_empty()
        };
        if self
            .sessions
            .iter()
            .any(|(_, session)| is_limited(session) && !session.guards.has(Guards::VELOCITY))
        {
            return Err("a session does not know that it is limited in time");
        }
        Ok(())
    }

    /// What a payee got in open sessions, and what they hold for it, is counted by every session above that caps it. What it got in settled ones is,
    /// too, so that a count may be greater.
    fn check_payees_below(&self) -> Result<(), &'static str> {
        let mut below: BTreeMap<(u32, u32), u128> = BTreeMap::new();
        for (_, session) in self.sessions.iter().filter(|(_, session)| session.counted_above) {
            for part in session.payees() {
                let got = part.spent.nanos() + session.held_for(part.payee).nanos();
                for above in self.sessions_above(session).filter(|above| above.counts(part.payee)) {
                    *below.entry((above.id.slot(), part.payee)).or_default() += u128::from(got);
                }
            }
        }
        let counted = |slot: u32, payee: u32| {
            let part = self.sessions.get(slot).and_then(|session| session.part(payee));
            part.map_or(0, |part| u128::from(part.spent_below.nanos()))
        };
        if below.iter().any(|((slot, payee), sum)| *sum > counted(*slot, *payee)) {
            return Err("a session counts less for a payee than it got below");
        }
        Ok(())
    }

    fn check_deposits(&self) -> Result<(), &'static str> {
        let mut available: BTreeMap<u32, u128> = BTreeMap::new();
        let mut pending: BTreeMap<u32, u128> = BTreeMap::new();
        for (_, deposit) in self.deposits.iter() {
            let sums = match deposit.state {
                DepositState::Available => &mut available,
                DepositState::Pending => &mut pending,
                DepositState::Returned | DepositState::Failed => continue,
            };
            if self.accounts.get(deposit.account).is_none() {
                return Err("a deposit is in no account");
            }
            *sums.entry(deposit.account).or_default() += u128::from(deposit.amount.nanos());
        }
        for (slot, account) in self.accounts.iter() {
            let sum = |sums: &BTreeMap<u32, u128>| sums.get(&slot).copied().unwrap_or_default();
            // Deposits made before they had ids are in the account alone.
            if sum(&available) > account.deposited.nanos() || sum(&pending) != account.pending.nanos() {
                return Err("an account's deposits are not what it holds of them");
            }
            if account.funding != Funding::Prepaid
                && account.deposited.nanos() + account.withdrawn.nanos() > 0
            {
                return Err("an account that is not prepaid has deposits");
            }
        }
        Ok(())
    }

    fn check_books(&self) -> Result<(), &'static str> {
        if !self.books.sum_to_zero() {
            return Err("the books do not sum to zero");
        }
        for (currency, _) in self.books.iter() {
            let accounts = || self.accounts.iter().map(|(_, a)| a).filter(|a| a.currency == *currency);
            let sessions = || self.sessions.iter().map(|(_, s)| s).filter(|s| s.currency == *currency);
            let ledgers =
                self.payees.iter().flat_map(|(_, p)| &p.ledgers).filter(|l| l.currency == *currency);
            let signed = |nanos: u128| i128::try_from(nanos).unwrap_or(i128::MAX);
            let in_book = |book| {
                accounts().filter(move |a| a.funding.book() == book).map(Account::book_nanos).sum::<i128>()
            };
            let reserved = sessions().filter(|s| s.mode == Mode::Reserved);
            let pairs = [
                (Book::FundingPending, accounts().map(|a| signed(a.pending.nanos())).sum()),
                (Book::PayerAvailable, in_book(Book::PayerAvailable)),
                (Book::PayerReceivable, in_book(Book::PayerReceivable)),
                (Book::Reserved, reserved.map(|s| i128::from(s.remaining().nanos())).sum()),
                (Book::Held, sessions().map(|s| i128::from(s.held_own().nanos())).sum()),
                (Book::Unsettled, sessions().map(|s| i128::from(s.spent_own.nanos())).sum()),
                (Book::PayeePayable, ledgers.map(|l| signed(l.payable.nanos())).sum()),
            ];
            for (book, nanos) in pairs {
                if self.books.get(*currency, book) != nanos {
                    return Err("a book is not what its rows hold");
                }
            }
        }
        Ok(())
    }
}
