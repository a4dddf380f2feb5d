//! Owns: the decision to raise a session's cap or move its end. Never: writes; gives more than what is above can.

use super::{Decided, check_secret, declined, open::room_for};
use crate::{
    Amount, Decline, DeclineCode, EnvelopeId, Next, Partition, Record, Refusal, Time,
    command::{Command as _, Scope, TopUp},
    limits,
    partition::CommandKey,
    record::ToppedUp,
    session::{Mode, Session},
    tree::At,
};

/// Decides on a top-up.
///
/// *Declines*: `Revoked`, `Paused`, `SessionEnded`, `Cap` (what is above a reserved session cannot give that much).
/// What is given comes from above, so it takes the secret of what is above, if that has one: whoever knows a session's own
/// can never raise what bounds it.
///
/// *Errors*: `Malformed` (past the greatest cap, or the end past the parent's, too), `UnknownSession`, `KeyReused`.
pub fn top_up<'a>(
    partition: &Partition,
    command: &TopUp<'a>,
    filed: Option<&CommandKey>,
    now: Time,
) -> Result<Decided<'a, CommandKey>, Refusal> {
    command.check()?;
    let keyed = match partition.recognise(command, filed)? {
        Ok(keyed) => keyed,
        Err(before) => return Ok(Decided::Replay(before)),
    };
    let session = partition.session(command.session)?;
    let on = EnvelopeId::Session(command.session);
    if let Some(parent) = session.parent().and_then(|slot| partition.sessions.get(slot)) {
        check_secret(parent, command.parent_proof)?;
    }
    if let Err(hit) = partition.goes_on(At::Session(command.session.slot())) {
        return Ok(declined(Scope::TopUp, on, hit.decline, keyed));
    }
    if partition.has_ended(session, now) {
        let decline = Decline::new(DeclineCode::SessionEnded, on.level(), Next::Nothing);
        return Ok(declined(Scope::TopUp, on, decline, keyed));
    }
    let ends_at = end(partition, session, command, now)?;
    let raised = session.cap().checked_add(command.add).filter(|cap| *cap <= Amount::MAX);
    raised.ok_or(Refusal::malformed("add_nanos", "must keep the cap at most 2^63-1 nanos"))?;
    if session.mode == Mode::Reserved
        && let Err(decline) = room_for(partition, session.above(), command.add)
    {
        return Ok(declined(Scope::TopUp, on, decline, keyed));
    }
    let (session, add) = (command.session, command.add);
    Ok(Decided::Record(Record::ToppedUp(ToppedUp { session, add, ends_at, keyed })))
}

fn end(partition: &Partition, session: &Session, command: &TopUp<'_>, now: Time) -> Result<Time, Refusal> {
    let before = session.ends_at();
    if command.extend_by.ns() == 0 {
        return Ok(before);
    }
    let ends_at = before.checked_add(command.extend_by).filter(|at| at.since(now) <= limits::SESSION_LIFE);
    let ends_at =
        ends_at.ok_or(Refusal::malformed("extend_by", "must end the session within 30 days from now"))?;
    let parent = session.parent().and_then(|slot| partition.sessions.get(slot));
    // What is carried into the next period ends with the standing mandate at the latest.
    let by = if session.is_carried() { partition.sessions_above(session).nth(1) } else { parent };
    if by.is_some_and(|parent| ends_at > parent.ends_at()) {
        return Err(Refusal::malformed("extend_by", "must end the session no later than its parent"));
    }
    let account = partition.accounts.get(session.account);
    let authority = account.and_then(|account| account.terms.external.as_ref());
    if authority.is_some_and(|external| ends_at > external.sessions_end_by()) {
        let rule = "must end the session the authority's margin before it can no longer be used";
        return Err(Refusal::malformed("extend_by", rule));
    }
    Ok(ends_at)
}

impl Partition {
    /// Returns what a top-up could add to a session's cap now.
    pub fn top_up_at_most(&self, session: &Session) -> Amount {
        if self.has_ended(session, self.last_at) { Amount::ZERO } else { self.can_add(session) }
    }
}
