//! Owns: deciding again. Recovery applies what was recorded; an audit also asks whether the rules would say the same now, of
//! the same state, and names the first record about which they would not.
//! Never: changes anything.

use crate::{
    Amount, Cap, Decline, DeclineCode, EnvelopeId, Partition, Record, Refusal, Stamp, Time, Total,
    account::Funding,
    command::{Act, SetControl},
    control::{Control, ControlOf},
    decide::{self, Ask, Decided, Ruled, room_for, rule_act},
    deposit::DepositState,
    limits,
    record::{
        CommandDeclined, ControlSet, Debited, DepositMade, FamilyRevoked, PeriodBegun, RefreshSeen,
        SessionOpened, SessionSettled, TokenAmended, ToppedUp, Withdrawn,
    },
    session::{Mode, Session},
    tree::At,
};
use core::fmt;

/// Says what the rules say of a record's state that the record does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// What a record is about is not there.
    Missing(&'static str),
    /// A debit was decided in another way.
    Debit {
        /// What was taken, or why not, as recorded.
        recorded: Result<Amount, DeclineCode>,
        /// What the rules say.
        decided: Result<Amount, DeclineCode>,
    },
    /// Another decline, or none.
    Decline {
        /// As recorded.
        recorded: Option<DeclineCode>,
        /// What the rules say.
        decided: Option<DeclineCode>,
    },
    /// A settlement says something else than its session.
    Settlement,
    /// A sum is another one.
    Sum {
        /// Of what.
        of: &'static str,
        /// As recorded. *Units*: nanos.
        recorded: u128,
        /// What the rules say. *Units*: nanos.
        decided: u128,
    },
    /// A rule that holds for such records does not hold for this one.
    Broken(&'static str),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = |f: &mut fmt::Formatter<'_>, outcome: &Result<Amount, DeclineCode>| match outcome {
            Ok(amount) => write!(f, "{amount} approved"),
            Err(code) => write!(f, "declined {}", code.name()),
        };
        let name = |code: &Option<DeclineCode>| code.map_or("no decline", DeclineCode::name);
        match self {
            Self::Missing(what) => write!(f, "there is no {what} that it could be about"),
            Self::Debit { recorded, decided } => {
                outcome(f, recorded)?;
                f.write_str(" was recorded, but the rules say ")?;
                outcome(f, decided)
            }
            Self::Decline { recorded, decided } => {
                write!(f, "{} was recorded, but the rules say {}", name(recorded), name(decided))
            }
            Self::Settlement => f.write_str("the settlement is not what its session comes to"),
            Self::Sum { of, recorded, decided } => {
                write!(f, "{of} was recorded as {recorded} nanos, but comes to {decided}")
            }
            Self::Broken(rule) => f.write_str(rule),
        }
    }
}

impl core::error::Error for Difference {}

/// Decides again what a record says, on the state that it met.
/// *Errors*: the first thing that the rules see otherwise.
/// *Ordering*: before the record is applied.
pub fn decide_again(partition: &Partition, stamp: &Stamp, record: &Record<'_>) -> Result<(), Difference> {
    match record {
        Record::Debited(debit) => debited(partition, debit, stamp.at),
        Record::SessionOpened(opened) => session_opened(partition, opened, stamp.at),
        Record::CommandDeclined(declined) => command_declined(partition, declined, stamp.at),
        Record::ToppedUp(topped) => topped_up(partition, topped, stamp.at),
        Record::SessionSettled(settled) => session_settled(partition, settled, stamp.at),
        Record::Withdrawn(withdrawn) => self::withdrawn(partition, withdrawn),
        Record::DepositMade(made) => deposit_made(partition, made),
        Record::DepositMoved(moved) => match decide::move_deposit(partition, moved.id, moved.to) {
            Ok(Decided::Record(again)) if again == *record => Ok(()),
            Ok(_) | Err(_) => Err(Difference::Broken("the deposit cannot come into this state")),
        },
        Record::Repaid(repaid) => {
            let account = partition.account(repaid.account).map_err(|_| Difference::Missing("account"))?;
            if Total::from(repaid.amount) > account.outstanding() {
                return Err(Difference::Broken("more was repaid than was outstanding"));
            }
            Ok(())
        }
        Record::Reversed(reversed) => {
            let session = partition.session(reversed.session).map_err(|_| Difference::Missing("session"))?;
            if session.part(reversed.payee).is_none_or(|part| reversed.amount > part.spent) {
                return Err(Difference::Broken("more was taken back than the payee got"));
            }
            let before = session.reversed(reversed.debit_seq).unwrap_or_default();
            let after = before.nanos() + reversed.amount.nanos();
            same_sum("what is reversed", reversed.reversed_after.nanos().into(), after.into())
        }
        Record::HoldLapsed(lapsed) => match decide::lapse(partition, lapsed.session, stamp.at) {
            Ok(again) if again == *record => Ok(()),
            Ok(_) | Err(_) => Err(Difference::Broken("the hold's time was not over")),
        },
        Record::ControlSet(set) => control_set(partition, set, stamp.at),
        Record::TokenAmended(amended) => token_amended(partition, amended),
        Record::PeriodBegun(begun) => period_begun(partition, begun, stamp.at),
        Record::FamilyRevoked(FamilyRevoked { standing }) | Record::RefreshSeen(RefreshSeen { standing }) => {
            match partition.standing_of(*standing) {
                Ok((_, family)) if family.revoked_at == Time::ZERO => Ok(()),
                Ok(_) => Err(Difference::Broken("the family was revoked already")),
                Err(_) => Err(Difference::Missing("standing mandate")),
            }
        }
        Record::SessionClosing(closing) => match partition.session(closing.session) {
            Ok(session) if session.closing_at() == Time::ZERO => Ok(()),
            Ok(_) => Err(Difference::Broken("the session was closing already")),
            Err(_) => Err(Difference::Missing("session")),
        },
        // Of these the record is the decision: there is no limit that could have said no. `apply` asserts what they name.
        Record::Genesis(_)
        | Record::CredentialMade(_)
        | Record::CredentialRevoked(_)
        | Record::AccountCreated(_)
        | Record::Deposited(_)
        | Record::CreditLimitSet(_)
        | Record::PayeeCreated(_)
        | Record::PayeeStatusSet(_)
        | Record::PayeeShared(_)
        | Record::PayeeNoticed(_)
        | Record::OpenDeclined(_)
        | Record::WriterOpened(_)
        | Record::WriterPositioned(_)
        | Record::SettlementPosted(_)
        | Record::OutboxDelivered(_) => Ok(()),
    }
}

fn same_sum(of: &'static str, recorded: u128, decided: u128) -> Result<(), Difference> {
    if recorded == decided { Ok(()) } else { Err(Difference::Sum { of, recorded, decided }) }
}

fn debited(partition: &Partition, debit: &Debited<'_>, at: Time) -> Result<(), Difference> {
    let session = partition.session(debit.session).map_err(|_| Difference::Missing("open session"))?;
    let Debited { payee, amount, currency, partial, .. } = *debit;
    let act = match debit.act {
        Act::Hold { tolerance, .. } => Act::Hold { tolerance, until: debit.asked_until },
        act => act,
    };
    let ruled = rule_act(partition, session, act, &Ask { payee, amount, currency, partial }, at);
    let Ok(Ruled { act, late, ruling }) = ruled else {
        return Err(Difference::Broken("the hold cannot be placed, or is not there"));
    };
    if (act, late) != (debit.act, debit.late) {
        return Err(Difference::Broken("something else was done than was asked"));
    }
    let recorded = debit.verdict.map_or(Ok(debit.taken), |(code, _)| Err(code));
    let decided = ruling.map_err(|hit| hit.decline.code);
    let levels = (debit.verdict.map(|(_, level)| level), ruling.err().map(|hit| hit.decline.level));
    match (recorded == decided, levels.0 == levels.1) {
        (true, true) => Ok(()),
        (true, false) => Err(Difference::Broken("the decline names another level")),
        (false, _) => Err(Difference::Debit { recorded, decided }),
    }
}

/// Decides a control word again: at home as it was asked, elsewhere as it was taken over.
fn control_set(partition: &Partition, set: &ControlSet<'_>, at: Time) -> Result<(), Difference> {
    let Control { state, epoch, by, note, .. } = &set.control;
    let again = match set.on {
        ControlOf::FrontEnd(name) if !partition.is_home_of(set.on) => {
            Ok(decide::take_control(partition, name, &set.control))
        }
        on => {
            let command = SetControl { on, to: *state, epoch: epoch.checked_sub(1), note };
            decide::set_control(partition, &command, (at, *by)).map(Decided::without_answer)
        }
    };
    match again {
        Ok(Decided::Record(Record::ControlSet(again))) if again == *set => Ok(()),
        Ok(_) => Err(Difference::Broken("the control word cannot be set so")),
        Err(Refusal::UnknownAccount | Refusal::UnknownSession) => Err(Difference::Missing("envelope")),
        Err(_) => Err(Difference::Broken("the control word cannot come to this")),
    }
}

fn token_amended(partition: &Partition, amended: &TokenAmended<'_>) -> Result<(), Difference> {
    let both = [Some((amended.token, &amended.own)), amended.current.as_ref().map(|(id, own)| (*id, own))];
    for (id, own) in both.into_iter().flatten() {
        let session = partition.session(id).map_err(|_| Difference::Missing("token"))?;
        session.token().ok_or(Difference::Missing("token"))?;
        let used = session.cap().minus_or_zero(session.remaining());
        if own.bounds.cap < used {
            return Err(Difference::Broken("the token's cap is below what is used of it"));
        }
        if let (Mode::Reserved, Some(more)) = (session.mode, own.bounds.cap.checked_sub(session.cap())) {
            room_again(partition, session.above(), more)?;
        }
    }
    Ok(())
}

fn period_begun(partition: &Partition, begun: &PeriodBegun, at: Time) -> Result<(), Difference> {
    let found = partition.standing_of(begun.standing).map_err(|_| Difference::Missing("standing mandate"))?;
    let (standing, family) = found;
    let old =
        begun.closed.map(|id| partition.session(id).map_err(|_| Difference::Missing("last period's token")));
    let old = old.transpose()?;
    let may_carry = |id: &crate::SessionId| {
        let session = partition.session(*id).ok();
        session
            .is_some_and(|session| session.is_carried() && session.parent() == old.map(|old| old.id.slot()))
    };
    let rules = [
        (family.revoked_at == Time::ZERO, "the family was revoked"),
        (!partition.has_ended(standing, at), "the mandate had ended"),
        (begun.period.contains(at), "it was not this period when it began"),
        (begun.period.begins_at >= family.last.ends_at, "the period before was not over"),
        (begun.bounds.ends_at <= standing.ends_at(), "the period's token outlives its mandate"),
        (begun.generation == family.generation + 1, "it is another generation"),
        (begun.carried.iter().all(may_carry), "a session was carried that was not opened so"),
    ];
    match rules.into_iter().find(|(holds, _)| !holds) {
        Some((_, broken)) => Err(Difference::Broken(broken)),
        None => Ok(()),
    }
}

fn room_again(partition: &Partition, at: At, cap: Amount) -> Result<(), Difference> {
    let decided = room_for(partition, at, cap).err().map(|decline| decline.code);
    if decided.is_some() { Err(Difference::Decline { recorded: None, decided }) } else { Ok(()) }
}

fn session_opened(partition: &Partition, opened: &SessionOpened<'_>, at: Time) -> Result<(), Difference> {
    if opened.bounds.ends_at <= at {
        return Err(Difference::Broken("the session was over when it was opened"));
    }
    let above = match opened.parent {
        None => At::Account(opened.account.slot()),
        Some(id) => {
            let parent = partition.session(id).map_err(|_| Difference::Missing("parent session"))?;
            narrower(opened, parent)?;
            if partition.has_ended(parent, at) {
                let decided = Some(DeclineCode::SessionEnded);
                return Err(Difference::Decline { recorded: None, decided });
            }
            At::Session(id.slot())
        }
    };
    not_stopped(partition, above)?;
    let account = partition.account(opened.account).map_err(|_| Difference::Missing("account"))?;
    let authority = account.terms.external.as_ref();
    if authority.is_some_and(|external| opened.bounds.ends_at > external.sessions_end_by()) {
        return Err(Difference::Broken("the session outlives its account's authority"));
    }
    match opened.mode {
        Mode::Reserved => room_again(partition, above, opened.bounds.cap),
        Mode::Shared => Ok(()),
    }
}

/// Tests that a session is nowhere wider than its parent, and not too deep.
fn narrower(opened: &SessionOpened<'_>, parent: &Session) -> Result<(), Difference> {
    let (bounds, above) = (&opened.bounds, &parent.bounds());
    let most = |cap: Cap| cap.get().unwrap_or(Amount::from_nanos(u64::MAX));
    let listed = |payee: u32| parent.part(payee).is_some();
    let rules = [
        (bounds.ends_at <= above.ends_at || opened.clauses.carry, "the session outlives its parent"),
        (bounds.not_before >= above.not_before, "the session begins before its parent"),
        (bounds.debit_min >= above.debit_min, "the session's least debit is below its parent's"),
        (
            most(bounds.debit_max) <= most(above.debit_max),
            "the session's greatest debit is above its parent's",
        ),
        (bounds.payees_restricted || !above.payees_restricted, "the session lost its parent's allow-list"),
        (
            !above.payees_restricted || opened.payees.iter().all(|(payee, _)| listed(*payee)),
            "the session lists a payee that its parent does not",
        ),
        (parent.depth < limits::DEPTH, "the session lies too deep"),
        (parent.open_children() < limits::SESSION_CHILDREN, "its parent had as many sessions as one may"),
    ];
    match rules.into_iter().find(|(holds, _)| !holds) {
        Some((_, broken)) => Err(Difference::Broken(broken)),
        None => Ok(()),
    }
}

/// A decline does not record what was asked, so only those that depend on the state alone can be decided again.
fn command_declined(partition: &Partition, declined: &CommandDeclined, at: Time) -> Result<(), Difference> {
    let Decline { code, .. } = declined.decline;
    if matches!(code, DeclineCode::Revoked | DeclineCode::Paused) {
        let at = match declined.on {
            EnvelopeId::Account(id) => At::Account(id.slot()),
            EnvelopeId::Session(id) => At::Session(id.slot()),
        };
        let decided = partition.goes_on(at).err().map(|hit| hit.decline.code);
        let differs = decided != Some(code);
        return if differs { Err(Difference::Decline { recorded: Some(code), decided }) } else { Ok(()) };
    }
    match (declined.on, code) {
        (EnvelopeId::Session(id), DeclineCode::SessionEnded) => {
            let session = partition.session(id).map_err(|_| Difference::Missing("session"))?;
            if partition.has_ended(session, at) {
                Ok(())
            } else {
                Err(Difference::Decline { recorded: Some(code), decided: None })
            }
        }
        (EnvelopeId::Session(id), _) => {
            partition.session(id).map(|_| ()).map_err(|_| Difference::Missing("session"))
        }
        (EnvelopeId::Account(id), _) => {
            partition.account(id).map(|_| ()).map_err(|_| Difference::Missing("account"))
        }
    }
}

/// Tests that nothing stopped what a record did.
fn not_stopped(partition: &Partition, at: At) -> Result<(), Difference> {
    let decided = partition.goes_on(at).err().map(|hit| hit.decline.code);
    if decided.is_some() { Err(Difference::Decline { recorded: None, decided }) } else { Ok(()) }
}

fn topped_up(partition: &Partition, topped: &ToppedUp, at: Time) -> Result<(), Difference> {
    let session = partition.session(topped.session).map_err(|_| Difference::Missing("session"))?;
    not_stopped(partition, At::Session(topped.session.slot()))?;
    if partition.has_ended(session, at) {
        let decided = Some(DeclineCode::SessionEnded);
        return Err(Difference::Decline { recorded: None, decided });
    }
    let parent = session.parent().and_then(|slot| partition.sessions.get(slot));
    let by = if session.is_carried() { partition.sessions_above(session).nth(1) } else { parent };
    if by.is_some_and(|parent| topped.ends_at > parent.ends_at()) {
        return Err(Difference::Broken("the session outlives its parent"));
    }
    match session.mode {
        Mode::Reserved => room_again(partition, session.above(), topped.add),
        Mode::Shared => Ok(()),
    }
}

fn session_settled(partition: &Partition, settled: &SessionSettled, at: Time) -> Result<(), Difference> {
    let cascading = settled.reason == crate::settlement::Reason::Cascade;
    match decide::settle(partition, settled.session, at, cascading) {
        Ok(Record::SessionSettled(again)) if again == *settled => Ok(()),
        Ok(_) => Err(Difference::Settlement),
        Err(Refusal::OpenChildren) => {
            Err(Difference::Broken("sessions were open below the one that was settled"))
        }
        Err(_) => Err(Difference::Missing("open session")),
    }
}

fn withdrawn(partition: &Partition, withdrawn: &Withdrawn) -> Result<(), Difference> {
    let account = partition.account(withdrawn.account).map_err(|_| Difference::Missing("account"))?;
    if account.funding != Funding::Prepaid {
        return Err(Difference::Broken("only prepaid money can be withdrawn"));
    }
    if Total::from(withdrawn.amount) > account.available() {
        let decided = Some(DeclineCode::Cap);
        return Err(Difference::Decline { recorded: None, decided });
    }
    Ok(())
}

fn deposit_made(partition: &Partition, made: &DepositMade) -> Result<(), Difference> {
    let account = partition.account(made.account).map_err(|_| Difference::Missing("account"))?;
    let before = match made.state {
        DepositState::Available => account.deposited,
        DepositState::Pending => account.pending,
        DepositState::Returned | DepositState::Failed => {
            return Err(Difference::Broken("a deposit begins pending or available"));
        }
    };
    let after = before.nanos() + u128::from(made.amount.nanos());
    same_sum("what is deposited", made.total_after.nanos(), after)
}
