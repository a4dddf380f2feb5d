//! Owns: the decision to issue a token: a session's ladder, and what makes a token of it. Never: writes; a secret in clear.

use super::{Decided, declined, open};
use crate::{
    Amount, Cap, Decline, DeclineCode, Level, Next, Partition, Record, Refusal, SessionId, Time,
    command::{AskRenewal, Command as _, IssueToken, OpenSession, Scope},
    limits,
    partition::CommandKey,
    period::{Rolling, Rule},
    record::{RenewalFacts, SessionOpened, TokenPart},
    seal::{Purpose, Seal, SecretName, keep},
    session::{Clauses, Each},
};
use alloc::vec::Vec;

/// Decides whether a token is issued: `draw` is the unguessable part of its id, `seal` derives its secret if none is given.
///
/// *Declines* and *Errors*: as `open_session`, and `TooDeep` for a standing mandate with no room for its tokens below it.
pub fn issue_token<'a>(
    partition: &Partition,
    command: &IssueToken<'a>,
    filed: Option<&CommandKey>,
    (now, draw): (Time, u64),
    seal: &dyn Seal,
) -> Result<Decided<'a, CommandKey>, Refusal> {
    command.check()?;
    let keyed = match partition.recognise(command, filed)? {
        Ok(keyed) => keyed,
        Err(before) => return Ok(Decided::Replay(before)),
    };
    let on = command.open.parent;
    let own = command.renewal.as_ref().map(|renewal| standing(&command.open, renewal));
    let opened = open::opening(partition, own.as_ref().unwrap_or(&command.open), (now, draw), true)?;
    let opened = match opened {
        Ok(opened) if command.renewal.is_some() && is_deepest(partition, &opened) => {
            let decline = Decline::new(DeclineCode::TooDeep, Level::Token, Next::Nothing);
            return Ok(declined(Scope::IssueToken, on, decline, keyed));
        }
        Ok(opened) => opened,
        Err(decline) => return Ok(declined(Scope::IssueToken, on, decline, keyed)),
    };
    let renewal = match &command.renewal {
        None => None,
        Some(renewal) => Some(facts(partition, command, renewal, (opened.id, now), seal)?),
    };
    let (clauses, prefix, derived) = match &renewal {
        Some(renewal) => (opened.clauses, renewal.refresh.prefix, renewal.refresh.derived),
        None => {
            let given = opened.clauses.secret.map(|hash| (hash, command.prefix));
            let name = SecretName { token: opened.id, generation: 0, purpose: Purpose::Token };
            let kept = keep(seal, given, &name);
            (Clauses { secret: Some(kept.hash), ..opened.clauses }, kept.prefix, kept.derived)
        }
    };
    let (one_time, agreement) = (command.one_time, command.agreement);
    let token = Some(TokenPart { one_time, prefix, derived, agreement, renewal });
    Ok(Decided::Record(Record::SessionOpened(SessionOpened { clauses, token, keyed, ..opened })))
}

/// Returns what a standing mandate is itself opened with: what is said of each period is not said of all together.
fn standing<'a>(open: &OpenSession<'a>, renewal: &AskRenewal) -> OpenSession<'a> {
    let cap = if renewal.total_cap.is_zero() { Amount::MAX } else { renewal.total_cap };
    OpenSession { cap, payee_caps: Vec::new(), default_payee_cap: Amount::ZERO, ..open.clone() }
}

fn is_deepest(partition: &Partition, opened: &SessionOpened<'_>) -> bool {
    let parent = opened.parent.and_then(|id| partition.session(id).ok());
    parent.map_or(1, |parent| parent.depth + 1) >= limits::DEPTH
}

fn facts(
    partition: &Partition,
    command: &IssueToken<'_>,
    renewal: &AskRenewal,
    (id, now): (SessionId, Time),
    seal: &dyn Seal,
) -> Result<RenewalFacts, Refusal> {
    let default_payee_cap = Cap::from_nanos_or_none(command.open.default_payee_cap.nanos());
    let each = Each {
        cap: command.open.cap,
        default_payee_cap,
        payees: open::listed_payees(partition, &command.open, default_payee_cap)?,
    };
    let rule = match &renewal.rule {
        Rule::Rolling(Rolling { every, anchor: Time::ZERO }) => {
            let anchor = now.max(command.open.not_before);
            Rule::Rolling(Rolling { every: *every, anchor })
        }
        rule => rule.clone(),
    };
    let name = SecretName { token: id, generation: 0, purpose: Purpose::Refresh };
    let refresh = keep(seal, renewal.refresh, &name);
    Ok(RenewalFacts { rule, each, rollover: renewal.rollover, refresh })
}
