//! Owns: the ladder of a debit: early returns in published order, so that the first limit hit is the one that is named.
//! Never: writes. What is returned approved must succeed in `apply`.

use super::{
    Decided, bent,
    hold::{self, Ruled},
    velocity::{velocity_left, within_velocity},
};
use crate::{
    Amount, Currency, Decline, DeclineCode, EnvelopeId, Hit, Level, Next, Partition, Record, Refusal,
    SessionId, Time,
    command::{Act, ActKind, Debit, Intent, Scope},
    hash::KeyHash,
    keys::{Remembered, Said, Verdict},
    limits,
    payee::PayeeStatus,
    record::{Debited, StoredIntent},
    session::{Guards, SecretHash, Session},
    tree::At,
    writer::{Numbered, Turn},
};

/// Is the answer that was given before, under the same key or number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DebitReplay {
    /// The journal position of the decision.
    pub seq: u64,
    /// How much was asked.
    pub amount: Amount,
    /// What was taken.
    pub taken: Amount,
    /// What was decided.
    pub verdict: Verdict,
    /// The payee's notice.
    pub payee: u32,
    /// What was done.
    pub kind: ActKind,
    /// It captured a hold that had ended: a debit like any other.
    pub late: bool,
}

impl From<Remembered> for DebitReplay {
    fn from(debit: Remembered) -> Self {
        let Remembered { seq, said, verdict, taken } = debit;
        let (kind, late) = (said.how.kind(), said.how.is_late());
        Self { seq, amount: said.amount, taken, verdict, payee: said.payee, kind, late }
    }
}

/// Is what the ladder reads of a debit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    pub(crate) payee: u32,
    pub(crate) amount: Amount,
    pub(crate) currency: Currency,
    pub(crate) partial: bool,
}

/// Is a debit decided anew: what its record says that the command does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// What is done: a hold has its own end.
    pub act: Act,
    /// It captures a hold that has ended: a debit like any other.
    pub late: bool,
    /// The payee's notice.
    pub payee: u32,
    /// How it is recognised from now on.
    pub intent: StoredIntent,
    /// What is taken, or why not.
    pub ruling: Result<Amount, Hit>,
}

impl Judgement {
    /// Returns the record to write of the command that was judged.
    #[inline]
    pub fn record<'a>(&self, command: &Debit<'a>) -> Debited<'a> {
        Debited {
            session: command.session,
            act: self.act,
            asked_until: asked_until(command.act),
            late: self.late,
            payee: self.payee,
            amount: command.amount,
            currency: command.currency,
            partial: command.partial,
            verdict: self.ruling.err().map(|no| (no.decline.code, no.decline.level)),
            taken: self.ruling.unwrap_or(Amount::ZERO),
            intent: self.intent,
            reference: command.reference,
            evidence: command.evidence,
        }
    }
}

/// Returns the end that is asked for a hold.
fn asked_until(act: Act) -> Time {
    if let Act::Hold { until, .. } = act { until } else { Time::ZERO }
}

/// Is what judging a debit comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// Something new.
    New(Judgement),
    /// Nothing new: this was the answer.
    Replay(DebitReplay),
}

/// Decides one debit, and makes its record: `judge`, for whoever does not count its cost.
pub fn debit<'a>(
    partition: &Partition,
    command: &Debit<'a>,
    now: Time,
) -> Result<(Decided<'a, DebitReplay>, Option<Hit>), Refusal> {
    Ok(match judge(partition, command, now)? {
        Judged::New(new) => (Decided::Record(Record::Debited(new.record(command))), new.ruling.err()),
        Judged::Replay(replay) => (Decided::Replay(replay), None),
    })
}

/// Decides one debit. The record is left to be made where it is written: it is long, and would be copied on its way.
///
/// *Declines*, in this order: `Revoked`, `Paused`, `SessionEnded`, `NotYetValid`, `CurrencyMismatch`, `PayeeBlocked`,
/// `PayeeNotAllowed`, `TooManyPayees`, `BelowDebitMin`, `AboveDebitMax`, `VelocityRate`, `VelocityWindow`, `PayeeCap`, `Cap`,
/// `ApprovalRequired`; on each rung the nearest envelope first. A hold climbs the same ladder with its tolerance; a capture or a void meets its hold's tests alone.
/// *Errors*: `Malformed`, `UnknownSession`, `SecretWrong`, `PayeeNotHere`, then those of the key or number; `UnknownHold`.
/// *Cost*: two rows by slot, one small map; and one row for each level above that shares or counts.
pub fn judge(partition: &Partition, command: &Debit<'_>, now: Time) -> Result<Judged, Refusal> {
    command.check()?;
    let session = partition.session(command.session)?;
    if session.guards.has(Guards::SECRET.and(Guards::TOKEN)) {
        check_guards(session, command)?;
    }
    let (payee, _) = partition.notice(command.payee)?;
    let (intent, before) = recognise(partition, session, command)?;
    if let Some(before) = before {
        return replay(partition, command, payee, before);
    }
    let (amount, currency, partial) = (command.amount, command.currency, command.partial);
    let ask = Ask { payee, amount, currency, partial };
    if command.act != Act::Debit {
        let Ruled { act, late, ruling } = hold::rule_act(partition, session, command.act, &ask, now)?;
        return Ok(Judged::New(Judgement { act, late, payee, intent, ruling }));
    }
    let ruling = rule(partition, session, &ask, now);
    Ok(Judged::New(Judgement { act: Act::Debit, late: false, payee, intent, ruling }))
}

/// Refuses whoever does not know a session's secret, and what is asked of a standing mandate itself.
#[cold]
fn check_guards(session: &Session, command: &Debit<'_>) -> Result<(), Refusal> {
    if session.is_standing() {
        let rule = "must not be a standing mandate: refresh it, and debit its period's token";
        return Err(Refusal::malformed("session_id", rule));
    }
    check_secret(session, command.proof)
}

/// Refuses whoever does not know a session's secret. *Errors*: `SecretWrong`.
#[cold]
pub(crate) fn check_secret(session: &Session, proof: Option<&SecretHash>) -> Result<(), Refusal> {
    match session.guard().and_then(|guard| guard.secret.as_ref()) {
        Some(secret) if proof != Some(secret) => Err(Refusal::SecretWrong),
        Some(_) | None => Ok(()),
    }
}

/// Finds out whether this intent was decided before.
fn recognise(
    partition: &Partition,
    session: &Session,
    command: &Debit<'_>,
) -> Result<(StoredIntent, Option<Remembered>), Refusal> {
    match command.intent {
        Intent::Key(key) => {
            let hash = Scope::Debit.hash(partition.seed, command.session.bits(), key);
            let before = session.keyed(hash).copied();
            if before.is_none() && session.key_count() >= limits::KEYS_PER_SESSION {
                return Err(Refusal::KeysExhausted);
            }
            Ok((StoredIntent::Key(hash), before))
        }
        Intent::Number(at) => Ok((StoredIntent::Number(at), numbered(session, &at)?)),
    }
}

/// Gives the answer that was given before, or refuses an intent that said something else then (I3).
#[cold]
fn replay(
    partition: &Partition,
    command: &Debit<'_>,
    payee: u32,
    before: Remembered,
) -> Result<Judged, Refusal> {
    let said = Judgement {
        act: command.act,
        late: false,
        payee,
        intent: StoredIntent::Key(KeyHash(0)),
        ruling: Ok(Amount::ZERO),
    };
    let said = Said::of(&said.record(command), partition.seed);
    match before.said.differs_from(&said) {
        Some(field) => Err(Refusal::KeyReused { field }),
        None => Ok(Judged::Replay(before.into())),
    }
}

fn numbered(session: &Session, at: &Numbered) -> Result<Option<Remembered>, Refusal> {
    let turn = match session.window(at.writer) {
        Some(window) => window.turn(at)?,
        None if session.writer_count() >= limits::WRITERS_PER_SESSION => return Err(Refusal::TooManyWriters),
        None if at.number != 1 => return Err(Refusal::NumberGap { expected: 1 }),
        None => Turn::Next,
    };
    match turn {
        Turn::Next => Ok(None),
        Turn::Was(debit) => Ok(Some(debit)),
    }
}

/// Looks a debit of an open session up by its key's hash, or by its place in a writer's count. `None` says that it was
/// never decided. *Errors*: `UnknownSession`; `BelowWindow`, when it was and its answer is no longer in memory.
pub fn look_up(
    partition: &Partition,
    session: SessionId,
    by: Result<KeyHash, (crate::WriterId, u64)>,
) -> Result<Option<DebitReplay>, Refusal> {
    let session = partition.session(session)?;
    match by {
        Ok(key) => Ok(session.keyed(key).copied().map(DebitReplay::from)),
        Err((writer, number)) => match session.window(writer) {
            Some(window) if number <= window.last_number() => {
                let at = Numbered { writer, epoch: window.epoch(), number, acked_through: 0 };
                Ok(numbered(session, &at)?.map(DebitReplay::from))
            }
            Some(_) | None => Ok(None),
        },
    }
}

/// Climbs the ladder: how much is taken, or why not.
pub(crate) fn rule(partition: &Partition, session: &Session, ask: &Ask, now: Time) -> Result<Amount, Hit> {
    let own = climb(partition, session, ask, now);
    if partition.bent == 0 { own } else { bent::among(partition, session, ask, own) }
}

fn climb(partition: &Partition, session: &Session, ask: &Ask, now: Time) -> Result<Amount, Hit> {
    use DeclineCode as Code;
    let bounds = session.bounds();
    let own = EnvelopeId::Session(session.id);
    let level = session.id.level();
    let no = |code, level, next| Err(Hit { decline: Decline::new(code, level, next), limit_of: own });
    partition.goes_on(At::Session(session.id.slot()))?;
    if partition.has_ended(session, now) {
        return no(Code::SessionEnded, level, Next::Nothing);
    }
    if now < bounds.not_before {
        return no(Code::NotYetValid, level, Next::WaitUntil(bounds.not_before));
    }
    if !ask.currency.agrees_with(session.currency) {
        return no(Code::CurrencyMismatch, level, Next::Nothing);
    }
    if partition.payee_status(ask.payee) != PayeeStatus::Active {
        return no(Code::PayeeBlocked, Level::Payee, Next::Nothing);
    }
    if bounds.payees_restricted && session.part(ask.payee).is_none() {
        return no(Code::PayeeNotAllowed, level, Next::Nothing);
    }
    if let Some(limit_of) = full_of_payees(partition, session, ask.payee) {
        return Err(Hit {
            decline: Decline::new(Code::TooManyPayees, limit_of.level(), Next::Nothing),
            limit_of,
        });
    }
    if ask.amount < bounds.debit_min {
        return no(Code::BelowDebitMin, level, Next::Nothing);
    }
    if let Some(most) = bounds.debit_max.get()
        && ask.amount > most
    {
        let most = partition.payee_spendable(session, ask.payee).map_or(most, |left| most.min(left));
        let most = if session.guards.has(Guards::VELOCITY) {
            velocity_left(partition, session, &Ask { amount: most, ..*ask }, now)
        } else {
            most
        };
        return no(Code::AboveDebitMax, level, smaller(partition, session, most));
    }
    if session.guards.has(Guards::VELOCITY) {
        within_velocity(partition, session, ask, now)?;
    }
    let taken = within_payee_cap(partition, session, ask)?;
    let taken = within_cap(partition, session, ask, taken)?;
    if session.guards.has(Guards::APPROVAL) {
        needs_no_approval(session, taken)?;
    }
    // From here on the debit must succeed.
    Ok(taken)
}

/// Tests the threshold above which somebody has to approve a debit.
#[cold]
fn needs_no_approval(session: &Session, taken: Amount) -> Result<(), Hit> {
    let most = session.guard().and_then(|guard| guard.approval_above.get());
    if most.is_none_or(|most| taken <= most) {
        return Ok(());
    }
    let limit_of = EnvelopeId::Session(session.id);
    let decline = Decline::new(DeclineCode::ApprovalRequired, session.id.level(), Next::AskApproval);
    Err(Hit { decline, limit_of })
}

/// Returns whose list of payees has no place for this one: the session's own, or one above that must count it.
fn full_of_payees(partition: &Partition, session: &Session, payee: u32) -> Option<EnvelopeId> {
    let full = |session: &Session| session.is_full_of_payees() && session.part(payee).is_none();
    if full(session) {
        return Some(EnvelopeId::Session(session.id));
    }
    if !session.counted_above {
        return None;
    }
    let mut above = partition.sessions_above(session);
    above.find(|above| above.counts(payee) && full(above)).map(|above| EnvelopeId::Session(above.id))
}

fn within_payee_cap(partition: &Partition, session: &Session, ask: &Ask) -> Result<Amount, Hit> {
    let Some(left) = partition.payee_spendable(session, ask.payee) else { return Ok(ask.amount) };
    if ask.amount <= left {
        return Ok(ask.amount);
    }
    // The nearest cap that is short is the one that is named, though one above may leave still less.
    let short = partition.payee_rooms(session, ask.payee).find(|(left, _)| *left < ask.amount);
    let limit_of = EnvelopeId::Session(short.map_or(session.id, |(_, id)| id));
    if ask.partial && suffices(session, left) {
        return Ok(left);
    }
    let decline = Decline::new(DeclineCode::PayeeCap, Level::Payee, smaller(partition, session, left));
    Err(Hit { decline, limit_of })
}

fn within_cap(partition: &Partition, session: &Session, ask: &Ask, amount: Amount) -> Result<Amount, Hit> {
    let own = session.remaining();
    if amount <= own && !session.walks() {
        return Ok(amount);
    }
    let (left, limit_of) = partition.room(At::Session(session.id.slot()));
    if amount <= left {
        return Ok(amount);
    }
    if ask.partial && suffices(session, left) {
        return Ok(left);
    }
    // The nearest envelope that is short is the one that is named, though one above may leave still less.
    let short = partition.counting(At::Session(session.id.slot())).find(|above| above.remaining() < amount);
    let limit_of = short.map_or(limit_of, |short| short.id());
    let (level, could_add) = match limit_of {
        EnvelopeId::Account(_) => (Level::Account, Amount::ZERO),
        EnvelopeId::Session(id) => {
            (id.level(), partition.session(id).map_or(Amount::ZERO, |short| partition.can_add(short)))
        }
    };
    let next = if could_add.is_zero() {
        let most = partition.payee_spendable(session, ask.payee).map_or(left, |payee| payee.min(left));
        smaller(partition, session, most)
    } else {
        Next::TopUp(could_add)
    };
    Err(Hit { decline: Decline::new(DeclineCode::Cap, level, next), limit_of })
}

/// Returns whether an amount would pass the rung of the least debit.
fn suffices(session: &Session, amount: Amount) -> bool {
    !session.is_final_with(amount)
}

/// Offers what is left, where that would pass every rung.
pub(super) fn smaller(partition: &Partition, session: &Session, most: Amount) -> Next {
    let mut most = most.min(partition.spendable(session));
    if session.guards.has(Guards::APPROVAL)
        && let Some(above) = session.guard().and_then(|guard| guard.approval_above.get())
    {
        most = most.min(above);
    }
    if suffices(session, most) { Next::SmallerAmount(most) } else { Next::Nothing }
}

impl Partition {
    /// Returns whether nothing more can be approved on a session as things stand: the last unit is gone.
    pub fn is_final(&self, session: &Session) -> bool {
        session.is_final_with(self.spendable(session))
    }
}
