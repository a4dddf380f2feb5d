//! Owns: tokens as operations: issue, amend, refresh, show, list; and the tree of an account with what its limits leave.
//! Never: a secret in clear; which period an instant lies in: whoever asks works that out.

use crate::{Answer, Cursor, Engine, Fault, Page, Ticket, keyed::Done, shard::Shard, sync::MutexGuard};
use tallystick_core::{
    AccountId, Amount, Decline, EnvelopeId, Partition, PayeeId, Refusal, SessionId, Time,
    command::{AmendToken, Command as _, IssueToken, RefreshToken},
    decide::{self, Refreshed},
    node::Node,
    partition::{Made, SessionView},
    period::{Period, Rule},
    role::Act,
    seal::Seal,
    settlement::Settlement,
};

/// Works out which period of a rule contains an instant.
pub type Periods<'a> = &'a dyn Fn(&Rule, Time) -> Option<Period>;

/// Is a token as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenShown {
    /// The token.
    pub session: SessionView,
    /// What can still be spent, everything above it considered.
    pub available: Amount,
    /// When it was looked at.
    pub as_of: Time,
}

/// Is what became of an issue or an amendment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "short-lived, and mostly the token")]
pub enum TokenAnswer {
    /// The token as it is now.
    Open(TokenShown),
    /// It is settled since.
    Settled(Settlement),
    /// It was declined.
    Declined(Decline),
}

/// Is what a refresh yielded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "short-lived, and mostly the token")]
pub enum RefreshAnswer {
    /// The period's token.
    Yielded {
        /// The token as it is now.
        token: TokenShown,
        /// The standing mandate.
        standing: SessionId,
        /// Which refresh it was.
        generation: u32,
        /// Sessions that go on in the period.
        carried: usize,
        /// Sessions that were to, and found no room in it.
        dropped: usize,
    },
    /// Nothing was changed.
    Declined(Decline),
}

/// Returns whether a token is for a payee, if only one's are in view.
fn is_for(token: &SessionView, payee: Option<PayeeId>) -> bool {
    let listed = |payee| token.bounds.payees_restricted && token.payees.iter().any(|(id, _)| *id == payee);
    payee.is_none_or(listed)
}

impl Engine {
    /// Issues a token. Payees that the partition does not know yet are told to it first.
    pub fn issue_token(&self, command: &IssueToken<'_>, seal: &dyn Seal) -> Ticket<Answer<TokenAnswer>> {
        if let Some(refused) = self.turned_away_from(Act::IssueToken, command.open.parent) {
            return refused;
        }
        // Long lists are checked before the lock; core checks again, since it trusts nobody.
        if let Err(refusal) = command.check() {
            return self.refuse(refusal);
        }
        let (partition, draw) = (command.open.parent.partition(), self.draw());
        let capped = command.open.payee_caps.iter().map(|(payee, _)| *payee);
        let payees: Vec<PayeeId> = command.open.payees.iter().copied().chain(capped).collect();
        loop {
            let done = self.keyed(partition, command, |p, filed, now| {
                decide::issue_token(p, command, filed, (now, draw), seal)
            });
            match (done, command.open.parent) {
                (Ok(done), _) => return self.token_done(&done, None),
                (Err((Fault::Refused(Refusal::PayeeNotHere), _)), _) => {
                    if let Err(refusal) = payees.iter().try_for_each(|payee| self.tell(partition, *payee)) {
                        return self.refuse(refusal);
                    }
                }
                (Err((Fault::Refused(Refusal::UnknownSession), seq)), EnvelopeId::Session(id)) => {
                    return self.retired_or_unknown(id, seq);
                }
                (Err((fault, seq)), _) => return self.ticket(seq, Err(fault)),
            }
        }
    }

    /// Narrows a token, or widens it.
    pub fn amend_token(&self, command: &AmendToken<'_>) -> Ticket<Answer<TokenAnswer>> {
        if let Some(refused) = self.turned_away_from(Act::AmendToken, command.token.into()) {
            return refused;
        }
        if let Err(refusal) = command.check() {
            return self.refuse(refusal);
        }
        let partition = command.token.partition();
        let capped = command.payee_caps.iter().map(|(payee, _)| *payee);
        let payees: Vec<PayeeId> = command.add.iter().chain(&command.remove).copied().chain(capped).collect();
        loop {
            let done =
                self.keyed(partition, command, |p, filed, now| decide::amend_token(p, command, filed, now));
            match done {
                Ok(done) => return self.token_done(&done, Some(command.token)),
                Err((Fault::Refused(Refusal::PayeeNotHere), _)) => {
                    if let Err(refusal) = payees.iter().try_for_each(|payee| self.tell(partition, *payee)) {
                        return self.refuse(refusal);
                    }
                }
                Err((Fault::Refused(Refusal::UnknownToken), seq)) => {
                    return self.retired_or_unknown_token(command.token, seq);
                }
                Err((fault, seq)) => return self.ticket(seq, Err(fault)),
            }
        }
    }

    /// Answers a command on a token, new or repeated, with what has become of it.
    fn token_done(&self, done: &Done, token: Option<SessionId>) -> Ticket<Answer<TokenAnswer>> {
        let (seq, replayed) = (done.seq, done.replayed);
        let answer = move |value| Answer { value, seq, replayed };
        let id = match (done.made, token) {
            (Made::Declined(decline), _) => {
                return self.ticket(seq, Ok(answer(TokenAnswer::Declined(decline))));
            }
            (Made::Session(id), _) | (_, Some(id)) => id,
            (_, None) => return self.refuse(Refusal::UnknownToken),
        };
        let shard = self.lock(id.partition());
        let (shown, last_seq) = (self.show(&shard, id), shard.last_seq);
        drop(shard);
        match shown {
            Ok(shown) => self.ticket(last_seq, Ok(answer(TokenAnswer::Open(shown)))),
            Err(_) => {
                let found = self.find_settlement(id);
                let found = found.and_then(|found| found.ok_or(Refusal::UnknownToken.into()));
                self.ticket(last_seq, found.map(|settlement| answer(TokenAnswer::Settled(settlement))))
            }
        }
    }

    /// Yields the token of the period that it is now.
    ///
    /// The period is worked out without a lock, for the time at which the mandate was looked at; if it is another one by the time of
    /// the decision, all begins again. What has ended in the last period is settled first: it counts in what was left of it.
    pub fn refresh_token(
        &self,
        command: &RefreshToken,
        seal: &dyn Seal,
        periods: Periods<'_>,
    ) -> Ticket<Answer<RefreshAnswer>> {
        if let Some(refused) = self.turned_away_from(Act::RefreshToken, command.token.into()) {
            return refused;
        }
        let (partition, draw) = (command.token.partition(), self.draw());
        loop {
            let shard = self.lock(partition);
            let home = shard.partition(partition);
            let now = home.decision_time(self.now());
            let found =
                home.standing_of(command.token).map(|(standing, family)| (standing.id, family.rule.clone()));
            let due = found.as_ref().ok().and_then(|(standing, _)| home.ended_in_period(*standing, now));
            let last_seq = shard.last_seq;
            drop(shard);
            let Ok((standing, rule)) = found else {
                return self.retired_or_unknown_token(command.token, last_seq);
            };
            if let Some(due) = due {
                self.settle_due(due);
                continue;
            }
            let command = RefreshToken { period: periods(&rule, now), ..*command };
            if let Some(ticket) = self.refreshed(standing, &command, draw, seal) {
                return ticket;
            }
        }
    }

    /// Decides a refresh under the lock; `None` when its period has passed meanwhile.
    fn refreshed(
        &self,
        standing: SessionId,
        command: &RefreshToken,
        draw: u64,
        seal: &dyn Seal,
    ) -> Option<Ticket<Answer<RefreshAnswer>>> {
        let partition = standing.partition();
        let mut shard = self.lock(partition);
        let home = shard.partition(partition);
        let now = home.decision_time(self.now());
        let waiting = home.carried_in_period(standing, now);
        Some(match decide::refresh_token(home, command, (now, draw), seal) {
            Err(refusal) => self.ticket(shard.last_seq, Err(refusal.into())),
            Ok(Refreshed::Elsewhen) => return None,
            Ok(Refreshed::Same) => self.yielded(&shard, standing, (shard.last_seq, true), (0, 0)),
            Ok(Refreshed::Begun(record)) => {
                let seq = self.write(&mut shard, partition, now, &record);
                let carried = record.carried_count();
                let ticket = self.yielded(&shard, standing, (seq, false), (carried, waiting - carried));
                drop(shard);
                self.wake_committer();
                ticket
            }
            Ok(Refreshed::Declined(decline, seen)) => {
                let seq =
                    seen.map_or(shard.last_seq, |record| self.write(&mut shard, partition, now, &record));
                drop(shard);
                self.wake_committer();
                self.ticket(seq, Ok(Answer { value: RefreshAnswer::Declined(decline), seq, replayed: false }))
            }
            Ok(Refreshed::Reused(record)) => {
                let seq = self.write(&mut shard, partition, now, &record);
                drop(shard);
                self.wake_committer();
                self.events.family_revoked(standing);
                self.ticket(seq, Err(Refusal::FamilyRevoked.into()))
            }
        })
    }

    fn yielded(
        &self,
        shard: &MutexGuard<'_, Shard>,
        standing: SessionId,
        (seq, replayed): (u64, bool),
        (carried, dropped): (usize, usize),
    ) -> Ticket<Answer<RefreshAnswer>> {
        let found = shard.partition(standing.partition()).standing_of(standing);
        let found = found.map(|(_, family)| (family.generation, family.current));
        let answer = found.and_then(|(generation, current)| {
            let token = self.show(shard, current.ok_or(Refusal::UnknownToken)?)?;
            let value = RefreshAnswer::Yielded { token, standing, generation, carried, dropped };
            Ok(Answer { value, seq, replayed })
        });
        self.ticket(seq, answer.map_err(Fault::from))
    }

    fn show(&self, shard: &MutexGuard<'_, Shard>, id: SessionId) -> Result<TokenShown, Refusal> {
        let home = shard.partition(id.partition());
        let session = home.session(id).map_err(|_| Refusal::UnknownToken)?;
        session.token().ok_or(Refusal::UnknownToken)?;
        let as_of = home.decision_time(self.now());
        Ok(TokenShown { session: home.view(session, as_of), available: home.spendable(session), as_of })
    }

    /// Shows an open token. *Errors*: `UnknownToken`, `SessionRetired` for a settled one.
    pub fn token(&self, id: SessionId) -> Ticket<TokenShown> {
        if let Err(fault) = self.check_view(id.into()) {
            return self.ticket(0, Err(fault));
        }
        let shard = self.lock(id.partition());
        let (shown, last_seq) = (self.show(&shard, id), shard.last_seq);
        drop(shard);
        match shown {
            // A payee sees the tokens that are for it, and for those on a list with it.
            Ok(shown) if !is_for(&shown.session, self.asked_for().payee) => {
                self.refuse(Refusal::UnknownToken)
            }
            Ok(shown) => self.ticket(last_seq, Ok(shown)),
            Err(_) => self.retired_or_unknown_token(id, last_seq),
        }
    }

    fn retired_or_unknown_token<T>(&self, id: SessionId, last_seq: u64) -> Ticket<T> {
        let fault = self.retired(id).map_or_else(
            |fault| fault,
            |refusal| match refusal {
                Refusal::UnknownSession => Refusal::UnknownToken.into(),
                retired => retired.into(),
            },
        );
        self.ticket(last_seq, Err(fault))
    }

    /// Lists the open tokens of an account. *Errors*: `UnknownAccount`.
    pub fn tokens(&self, account: AccountId, from: Cursor, most: usize) -> Ticket<Page<TokenShown>> {
        self.walk_account(account, from, most, |partition, slot, limit, now| {
            let rows =
                partition.sessions_from(account, slot, limit).filter(|session| session.token().is_some());
            let shown = rows.map(|session| TokenShown {
                session: partition.view(session, now),
                available: partition.spendable(session),
                as_of: now,
            });
            shown.map(|shown| (shown.session.id.slot(), shown)).collect()
        })
    }

    /// Lists what is open below an envelope, each with what its limits leave. *Errors*: `UnknownAccount`, `UnknownSession`.
    pub fn tree(&self, root: EnvelopeId, from: Cursor, most: usize) -> Ticket<Page<Node>> {
        let home = root.partition();
        let account = match root {
            EnvelopeId::Account(id) => Ok(id),
            EnvelopeId::Session(id) => {
                let shard = self.lock(home);
                let partition = shard.partition(home);
                let found = partition.session(id).and_then(|session| partition.account_at(session.account));
                found.map(|account| account.id)
            }
        };
        let account = match account {
            Ok(account) => account,
            Err(refusal) => return self.refuse(refusal),
        };
        self.walk_account(account, from, most, |partition, slot, limit, now| {
            let rows = partition.sessions_from(account, slot, limit);
            let below = rows.filter(|session| partition.is_below(session, root));
            below.map(|session| (session.id.slot(), partition.node(session, now))).collect()
        })
    }

    fn walk_account<T>(
        &self,
        account: AccountId,
        from: Cursor,
        most: usize,
        read: impl Fn(&Partition, u32, u32, Time) -> Vec<(u32, T)>,
    ) -> Ticket<Page<T>> {
        let home = account.partition();
        if let Err(fault) = self.check_view(account.into()) {
            return self.ticket(0, Err(fault));
        }
        if let Err(refusal) = self.lock(home).partition(home).account(account) {
            return self.refuse(refusal);
        }
        let from = Cursor { partition: home, slot: from.slot };
        self.walk(from, home + 1, most, |partition, slot, limit| {
            let now = partition.decision_time(self.now());
            (read(partition, slot, limit, now), partition.slot_counts().2)
        })
    }
}
