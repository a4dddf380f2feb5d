//! Owns: what records do to tokens: amended, refreshed, consumed, their families revoked; and how sessions are carried from one
//! period into the next. Never: decides.

use super::{found, sure};
use crate::{
    Amount, Partition, SessionId, Stamp, Time,
    books::Book,
    command::Act,
    partition::Made,
    record::{Amended, Debited, FamilyRevoked, PeriodBegun, RefreshSeen, TokenAmended, TokenPart},
    session::{About, Authority, Family, Guard, Guards, Mode, PayeePart, Plain, Role, Session, Token},
    tree::{At, EnvelopeMut},
};
use alloc::{boxed::Box, vec::Vec};

/// Makes what is kept of a token's part.
pub(super) fn token(part: &TokenPart<'_>) -> Token {
    let family = |renewal: &crate::record::RenewalFacts| Family {
        rule: renewal.rule.clone(),
        each: renewal.each.clone(),
        rollover: renewal.rollover,
        refresh: renewal.refresh,
        previous: None,
        generation: 0,
        rotated_at: Time::ZERO,
        seen: false,
        spent: Vec::new(),
        current: None,
        last: crate::period::Period::default(),
        left: Amount::ZERO,
        revoked_at: Time::ZERO,
    };
    Token {
        role: part.renewal.as_ref().map_or(Role::Single, |renewal| Role::Standing(Box::new(family(renewal)))),
        one_time: part.one_time,
        prefix: part.prefix,
        derived: part.derived,
        agreement: part.agreement.into(),
        ..Token::default()
    }
}

impl Partition {
    /// Changes a session, and keeps its place in the order of ends and among those that are looked at from below.
    pub(super) fn change_session(&mut self, slot: u32, change: impl FnOnce(&mut Session)) {
        let session = found(self.sessions.get_mut(slot), "a change of no session");
        let (end, bent) = (session.end(), session.is_bent());
        change(session);
        let (after, is_bent) = (session.end(), session.is_bent());
        if end != after {
            self.ends.remove(&end);
            self.ends.insert(after);
        }
        self.bent = self.bent + u32::from(is_bent) - u32::from(bent);
    }

    fn change_family(&mut self, standing: SessionId, change: impl FnOnce(&mut Family)) {
        let session = found(self.sessions.get(standing.slot()), "a refresh of no mandate");
        assert_eq!(session.id, standing, "bug: a refresh names another mandate");
        self.change_session(standing.slot(), |session| {
            let token = found(session.token_mut(), "a refresh of no token");
            change(found(token.family_mut(), "a refresh of no standing mandate"));
        });
    }

    pub(super) fn token_amended(&mut self, seq: u64, stamp: &Stamp, amended: &TokenAmended<'_>) {
        self.amend(amended.token, &amended.own, stamp.at);
        if let Some((id, own)) = &amended.current {
            self.amend(*id, own, stamp.at);
        }
        if let Some(each) = &amended.each {
            self.change_family(amended.token, |family| family.each = each.clone());
        }
        if let Some(facts) = &amended.authority {
            let authority = Authority {
                principal: facts.principal.into(),
                method: facts.method.into(),
                evidence_hash: facts.evidence_hash,
                approved_at: facts.approved_at,
            };
            self.change_session(amended.token.slot(), |session| {
                session.set_authority(authority, facts.agreement);
            });
        }
        self.remember_command(seq, &amended.keyed, Made::Session(amended.token));
    }

    fn amend(&mut self, id: SessionId, amended: &Amended, at: Time) {
        let session = found(self.sessions.get(id.slot()), "an amendment of no token");
        assert_eq!(session.id, id, "bug: an amendment names another token");
        let (mode, above, currency, before) =
            (session.mode, session.above(), session.currency, session.cap());
        let after = amended.bounds.cap;
        if mode == Mode::Reserved && after < before {
            let less = sure(before.checked_sub(after));
            let book = self.change_counting(above, |envelope| match envelope {
                EnvelopeMut::Session(session) => session.release(less, Amount::ZERO),
                EnvelopeMut::Account(account) => account.release(less, Amount::ZERO),
            });
            self.move_money(currency, Book::Reserved, book, less);
        }
        self.change_session(id.slot(), |session| session.amend(amended, at));
        if mode == Mode::Reserved && after > before {
            let more = sure(after.checked_sub(before));
            let book = self.set_aside(above, more);
            self.move_money(currency, book, Book::Reserved, more);
        }
    }

    pub(super) fn period_begun(&mut self, seq: u64, stamp: &Stamp, begun: &PeriodBegun) {
        let standing = found(self.sessions.get(begun.standing.slot()), "a period of no mandate");
        assert_eq!(standing.id, begun.standing, "bug: record {seq} names another mandate");
        let mut session = period_token(standing, begun, stamp.at);
        session.guards = session.guards.and(Guards::VELOCITY.if_so(self.is_limited(session.above())));
        self.admit(session);
        if let Some(old) = begun.closed {
            for id in &begun.carried {
                self.carry(*id, old, begun.id);
            }
            self.close_old(old, stamp.at);
        }
        let old_current = begun.closed;
        self.change_family(begun.standing, |family| {
            assert!(begun.period.begins_at >= family.last.ends_at, "bug: record {seq} begins a period again");
            assert!(
                old_current.is_none() || family.current == old_current,
                "bug: record {seq} closes another token"
            );
            family.rotate(begun.refresh, stamp.at);
            assert_eq!(family.generation, begun.generation, "bug: record {seq} is another generation");
            (family.current, family.last, family.left) = (Some(begun.id), begun.period, Amount::ZERO);
        });
    }

    fn close_old(&mut self, old: SessionId, at: Time) {
        let session = found(self.sessions.get(old.slot()), "a period after no token");
        assert_eq!(session.id, old, "bug: a period names another token before it");
        if session.closing_at() == Time::ZERO {
            self.closing += 1;
            self.change_session(old.slot(), |session| session.begin_closing(at));
        }
    }

    /// Moves a session from the last period's token under the next one's, with its whole cap, and what it paid.
    fn carry(&mut self, id: SessionId, old: SessionId, new: SessionId) {
        let (slot, from, to) = (id.slot(), old.slot(), new.slot());
        let session = found(self.sessions.get(slot), "nothing to carry");
        assert_eq!(session.id, id, "bug: another session would be carried");
        assert_eq!(
            (session.parent(), session.mode),
            (Some(from), Mode::Reserved),
            "bug: {id} cannot be carried"
        );
        let (cap, ends_at, paid) = (session.cap(), session.ends_at(), self.paid_below(session));
        self.change_session(slot, |session| session.set_parent(to));
        self.children.remove(&(from, slot));
        self.children.insert((to, slot));
        self.change_session(from, |token| {
            token.release(cap, Amount::ZERO);
            token.count_children(|children| children.checked_sub(1));
            for (payee, amount) in &paid {
                if token.counts(*payee) {
                    token.uncount_below(*payee, *amount);
                }
            }
        });
        self.change_session(to, |token| {
            token.reserve(cap);
            token.count_children(|children| children.checked_add(1));
            for (payee, amount) in &paid {
                if token.counts(*payee) {
                    token.count_below(*payee, *amount);
                }
            }
            token.wait_until(ends_at);
        });
    }

    pub(super) fn family_revoked(&mut self, stamp: &Stamp, revoked: &FamilyRevoked) {
        self.change_family(revoked.standing, |family| {
            assert_eq!(family.revoked_at, Time::ZERO, "bug: a family is revoked twice");
            family.revoked_at = stamp.at;
        });
    }

    pub(super) fn refresh_seen(&mut self, seen: &RefreshSeen) {
        self.change_family(seen.standing, |family| family.seen = true);
    }

    /// Counts what was asked of a token as a use of it, and what was approved as its one use, if it has but one.
    #[cold]
    pub(super) fn token_used(&mut self, stamp: &Stamp, debit: &Debited<'_>) {
        let taken = debit.verdict.is_none();
        self.change_session(debit.session.slot(), |session| {
            let has_holds = session.open_holds() > 0;
            let Some(token) = session.token_mut() else { return };
            token.used = true;
            let is_use = taken && (debit.late || matches!(debit.act, Act::Debit | Act::Hold { .. }));
            if token.one_time && is_use && !token.is_consumed() {
                token.consumed_at = stamp.at;
            }
            if !has_holds {
                token.linger(stamp.at);
            }
        });
    }

    /// As `token_used`, of the end of a hold that nobody asked for.
    pub(super) fn token_hold_lapsed(&mut self, at: Time, slot: u32) {
        self.change_session(slot, |session| {
            let has_holds = session.open_holds() > 0;
            if let Some(token) = session.token_mut().filter(|_| !has_holds) {
                token.linger(at);
            }
        });
    }

    /// As `token_used`, of what was opened under a token.
    pub(super) fn token_used_by_child(&mut self, stamp: &Stamp, above: At, carried_until: Option<Time>) {
        let At::Session(slot) = above else { return };
        if !self.sessions.get(slot).is_some_and(|session| session.guards.has(Guards::TOKEN)) {
            return;
        }
        self.change_session(slot, |session| {
            let Some(token) = session.token_mut() else { return };
            token.used = true;
            token.due_at = token.due_at.max(carried_until.unwrap_or(Time::ZERO));
            if token.one_time && !token.is_consumed() {
                token.consumed_at = stamp.at;
            }
        });
    }

    /// Settles what hangs on a session's settlement: a token that was consumed by it is over, one that waited for it as carried
    /// waits for the others, and a mandate remembers what was left of its period.
    pub(super) fn token_after_child(&mut self, at: Time, child: &Session) {
        let At::Session(slot) = child.above() else { return };
        if !self.sessions.get(slot).is_some_and(|session| session.guards.has(Guards::TOKEN)) {
            return;
        }
        let carried =
            self.children_of(slot).filter(|session| session.is_carried()).map(Session::ends_at).max();
        let (is_current, left) = (child.is_period(), child.remaining());
        self.change_session(slot, |parent| {
            let open_children = parent.open_children();
            let Some(token) = parent.token_mut() else { return };
            if token.is_consumed() && open_children == 0 {
                token.due_at = at;
            }
            if token.role == Role::Period {
                token.due_at = carried.unwrap_or(Time::ZERO);
            }
            if let Some(family) = token.family_mut()
                && is_current
                && family.current == Some(child.id)
            {
                family.left = left;
            }
        });
    }
}

/// Makes the token of a period.
fn period_token(standing: &Session, begun: &PeriodBegun, at: Time) -> Session {
    let part = |(payee, cap): &(u32, crate::Cap)| PayeePart::new(*payee, *cap);
    let counts_payees =
        !begun.bounds.default_payee_cap.is_none() || begun.payees.iter().any(|(_, cap)| !cap.is_none());
    let token = Token {
        role: Role::Period,
        prefix: begun.secret.prefix,
        derived: begun.secret.derived,
        ..Token::default()
    };
    let guard = Guard {
        secret: Some(begun.secret.hash),
        approval_above: begun.approval_above,
        token: Some(Box::new(token)),
        ..Guard::default()
    };
    let guards =
        Guards::SECRET.and(Guards::TOKEN).and(Guards::APPROVAL.if_so(!begun.approval_above.is_none()));
    Session::from(Plain {
        id: begun.id,
        account: standing.account,
        parent: Some(standing.id.slot()),
        mode: Mode::Shared,
        depth: standing.depth + 1,
        counts_payees,
        counted_above: standing.counts_payees || standing.counted_above,
        currency: standing.currency,
        bounds: begun.bounds,
        closing_at: Time::ZERO,
        spent_own: Amount::ZERO,
        spent_below: Amount::ZERO,
        held: Amount::ZERO,
        reserved_by_children: Amount::ZERO,
        open_children: 0,
        debit_count: 0,
        opened_at: at,
        payees: begun.payees.iter().map(part).collect(),
        writers: Vec::new(),
        keys: crate::keys::Keys::default(),
        about: About::default(),
        guards,
        guard: Some(guard),
        // The mandate's stand on the mandate, so that no period begins them anew.
        velocity: Box::default(),
    })
}
