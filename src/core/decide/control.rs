//! Owns: the decisions about control words, and the first two rungs of the ladder: what is revoked, then what is paused.
//! Never: writes; looks at what stands below.

use super::Decided;
use crate::{
    Decline, DeclineCode, EnvelopeId, Hit, Next, Partition, Record, Refusal, Time,
    command::SetControl,
    control::{Control, ControlOf, FRONT_END_HOME, Promises, State},
    record::ControlSet,
    tree::At,
};

/// Decides on a control word: of an envelope here, or of a front-end at its home. Replays when it is so already, whatever
/// epoch is named: nothing is changed by that.
/// *Errors*: `Malformed`, `UnknownAccount`, `UnknownSession`, for a settled one too; `WrongState`, when it is revoked for good;
/// `ControlFenced`.
pub fn set_control<'a>(
    partition: &Partition,
    command: &SetControl<'a>,
    (now, by): (Time, u32),
) -> Result<Decided<'a, Control>, Refusal> {
    command.check()?;
    let before = partition.control(command.on)?;
    let (state, epoch) = before.map_or((State::Open, 0), |word| (word.state, word.epoch));
    if state.is_as_asked(command.to) {
        return Ok(Decided::Replay(before.cloned().unwrap_or_default()));
    }
    if !state.leads_to(command.to) {
        return Err(Refusal::WrongState { state: state.name() });
    }
    if command.epoch.is_some_and(|named| named != epoch) {
        return Err(Refusal::ControlFenced { epoch });
    }
    let epoch = epoch.checked_add(1).ok_or(Refusal::ControlFenced { epoch })?;
    let control = Control { state: command.to, epoch, by, at: now, note: command.note.into() };
    Ok(Decided::Record(Record::ControlSet(ControlSet { on: command.on, control })))
}

/// Decides whether a partition takes over a front-end's word as it is at home; replays when it knows as much already.
pub fn take_control<'a>(partition: &Partition, name: &'a str, at_home: &Control) -> Decided<'a, ()> {
    let here = partition.front_ends.get(name).map_or(0, |word| word.epoch);
    if here >= at_home.epoch {
        return Decided::Replay(());
    }
    let on = ControlOf::FrontEnd(name);
    Decided::Record(Record::ControlSet(ControlSet { on, control: at_home.clone() }))
}

impl Partition {
    /// Finds a control word; `None` where nobody ever set one. *Errors*: `UnknownAccount`, `UnknownSession`.
    pub fn control(&self, on: ControlOf<'_>) -> Result<Option<&Control>, Refusal> {
        Ok(match on {
            ControlOf::Envelope(EnvelopeId::Account(id)) => self.account(id)?.control.as_deref(),
            ControlOf::Envelope(EnvelopeId::Session(id)) => self.session(id)?.control(),
            ControlOf::FrontEnd(name) => self.front_ends.get(name),
        })
    }

    /// Returns the control words of all front-ends that ever had one, as this partition knows them.
    pub fn front_end_controls(&self) -> impl Iterator<Item = (&str, &Control)> {
        self.front_ends.iter().map(|(name, word)| (&**name, word))
    }

    /// Tests that nothing over `at` is stopped. *Declines*: `Revoked`, wherever above it was, then `Paused`; of each, the
    /// nearest. A front-end's is named as its account's.
    /// *Cost*: reads one count, unless something in the partition is stopped.
    #[inline]
    pub(crate) fn goes_on(&self, at: At) -> Result<(), Hit> {
        if self.stops == 0 { Ok(()) } else { self.stop_over(at).map_or(Ok(()), Err) }
    }

    /// Says what stops `at`, if anything does.
    #[cold]
    pub(crate) fn stop_over(&self, at: At) -> Option<Hit> {
        let mut paused = None;
        for (limit_of, word) in self.stops_over(at) {
            match word.state {
                State::Revoked(_) => return Some(hit(DeclineCode::Revoked, limit_of, Next::Nothing)),
                State::Paused => {
                    paused = paused.or(Some(hit(DeclineCode::Paused, limit_of, Next::NewKey)));
                }
                State::Open => {}
            }
        }
        paused
    }

    /// Tests that holds at `at` can be captured. *Declines*: `Revoked`, where that voids them.
    #[inline]
    pub(crate) fn keeps_promises(&self, at: At) -> Result<(), Hit> {
        if self.stops == 0 {
            return Ok(());
        }
        let mut stops = self.stops_over(at);
        match stops.find(|(_, word)| word.state == State::Revoked(Promises::Void)) {
            Some((limit_of, _)) => Err(hit(DeclineCode::Revoked, limit_of, Next::Nothing)),
            None => Ok(()),
        }
    }

    /// Returns whether a front-end's control is decided here.
    pub(crate) fn is_home_of(&self, on: ControlOf<'_>) -> bool {
        !matches!(on, ControlOf::FrontEnd(_)) || self.number == FRONT_END_HOME
    }
}

fn hit(code: DeclineCode, limit_of: EnvelopeId, next: Next) -> Hit {
    Hit { decline: Decline::new(code, limit_of.level(), next), limit_of }
}
