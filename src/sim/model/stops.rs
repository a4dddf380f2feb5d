//! Owns: control words: pausing, resuming, revoking, and which of them reach a session. Never: what stands below one is written.

use super::{
    ladder::{No, no},
    state::State,
    words::malformed,
    written::{Off, Written, other, same, wrong},
};
use crate::asked::Stopped;
use tallystick_core::{
    DeclineCode as Code, EnvelopeId, Level, Next, PARTITIONS, Record, Refusal, SessionId, Stamp, Time,
    control::{Control, FRONT_END_HOME, Promises, State as Word},
    record::ControlSet,
    settlement::Reason,
};

/// Is what is asked of a control word.
pub(super) type Asks<'a> = (&'a Stopped, Word, Option<u64>, &'a str);

/// Is what a control word is said to be, the least seq that says it, and whether nothing was changed.
pub(super) type Said = (Control, u64, bool);

impl State {
    fn word(&self, on: &Stopped) -> Control {
        self.controls.get(on).map(|(word, _)| word.clone()).unwrap_or_default()
    }

    /// Returns the words over a session, the nearest first, each with the envelope that it is told of: a front-end's is its
    /// account's. With each comes when it was revoked for the first time.
    fn words_over(&self, on: EnvelopeId) -> Vec<(EnvelopeId, Control, Option<Time>)> {
        let (sessions, account) = match on {
            EnvelopeId::Account(id) => (Vec::new(), Some(id)),
            EnvelopeId::Session(id) => {
                let path = self.path(id);
                let account = path.first().map(|(_, row)| row.account);
                (path.into_iter().map(|(id, _)| id).collect(), account)
            }
        };
        let mut names: Vec<(EnvelopeId, Stopped)> =
            sessions.into_iter().map(|id| (EnvelopeId::Session(id), Stopped::Session(id))).collect();
        if let Some(id) = account {
            names.push((EnvelopeId::Account(id), Stopped::Account(id)));
            let front_end = self.accounts.get(&id).map(|row| row.front_end.clone()).unwrap_or_default();
            names.push((EnvelopeId::Account(id), Stopped::FrontEnd(front_end)));
        }
        let found = |(of, name): (EnvelopeId, Stopped)| {
            self.controls.get(&name).map(|(word, first)| (of, word.clone(), *first))
        };
        names.into_iter().filter_map(found).collect()
    }

    /// Says what stops something: what is revoked, wherever above, then what is paused; of each, the nearest.
    pub(super) fn stop(&self, on: EnvelopeId) -> Result<(), No> {
        let words = self.words_over(on);
        let level = |of| match of {
            EnvelopeId::Account(_) => Level::Account,
            EnvelopeId::Session(_) => Level::Session,
        };
        if let Some((of, ..)) = words.iter().find(|(_, word, _)| word.state.is_revoked()) {
            return Err(no(Code::Revoked, level(*of), Next::Nothing, *of));
        }
        match words.iter().find(|(_, word, _)| word.state == Word::Paused) {
            Some((of, ..)) => Err(no(Code::Paused, level(*of), Next::NewKey, *of)),
            None => Ok(()),
        }
    }

    /// Says whether holds of a session can be captured: not where a revocation voids them.
    pub(super) fn promises(&self, id: SessionId) -> Result<(), No> {
        let words = self.words_over(EnvelopeId::Session(id));
        match words.into_iter().find(|(_, word, _)| word.state == Word::Revoked(Promises::Void)) {
            Some((of, ..)) => {
                let level =
                    if matches!(of, EnvelopeId::Account(_)) { Level::Account } else { Level::Session };
                Err(no(Code::Revoked, level, Next::Nothing, of))
            }
            None => Ok(()),
        }
    }

    /// Returns whether a session was revoked, or anything above it.
    pub(super) fn is_revoked(&self, id: SessionId) -> bool {
        let words = self.words_over(EnvelopeId::Session(id));
        words.iter().any(|(_, word, _)| word.state.is_revoked())
    }

    /// Returns whether a session was revoked before its end; `None` where it was, and was revoked anew since.
    pub(super) fn revoked_before(&self, id: SessionId, ends: Time) -> Option<bool> {
        let words = self.words_over(EnvelopeId::Session(id));
        let revoked = || words.iter().filter(|(_, word, _)| word.state.is_revoked());
        if revoked().any(|(_, word, _)| word.at < ends) {
            return Some(true);
        }
        if revoked().any(|(_, _, first)| first.is_some_and(|first| first < ends)) {
            None
        } else {
            Some(false)
        }
    }

    fn leads(from: Word, to: Word) -> bool {
        match (from, to) {
            (Word::Revoked(Promises::Honour), Word::Revoked(Promises::Void)) => true,
            (Word::Revoked(_), _) => false,
            (from, to) => from != to,
        }
    }

    fn is_so(word: Word, to: Word) -> bool {
        word == to || (word == Word::Revoked(Promises::Void) && to.is_revoked())
    }

    /// Predicts the answer to a pause, a resumption, a revocation.
    pub(super) fn set_control(
        &mut self,
        (on, to, epoch, note): Asks<'_>,
        w: &mut Written<'_>,
    ) -> Result<Result<Said, Refusal>, Off> {
        if let Stopped::FrontEnd(name) = on
            && (name.is_empty() || name.len() > 64 || name.contains(' '))
        {
            return Ok(Err(malformed("front_end")));
        }
        if to == Word::Open && epoch.is_none() {
            return Ok(Err(malformed("epoch")));
        }
        if note.len() > 128 {
            return Ok(Err(malformed("note")));
        }
        match on {
            Stopped::Account(id) if !self.accounts.contains_key(id) => {
                return Ok(Err(Refusal::UnknownAccount));
            }
            Stopped::Session(id) => match self.sessions.get(id).map(|row| row.settled.clone()) {
                None => return Ok(Err(Refusal::UnknownSession)),
                Some(Some(settled)) if to.is_revoked() && settled.reason == Reason::Revoked => {
                    let word = Control { state: to, at: settled.settled_at, ..Control::default() };
                    return Ok(Ok((word, settled.seq, true)));
                }
                Some(Some(_)) => return Ok(Err(Refusal::WrongState { state: "SETTLED" })),
                Some(None) => {}
            },
            Stopped::Account(_) | Stopped::FrontEnd(_) => {}
        }
        let before = self.word(on);
        if Self::is_so(before.state, to) {
            self.tell_control(on, w)?;
            return Ok(Ok((before, 0, true)));
        }
        if !Self::leads(before.state, to) {
            return Ok(Err(Refusal::WrongState { state: before.state.name() }));
        }
        if epoch.is_some_and(|epoch| epoch != before.epoch) {
            return Ok(Err(Refusal::ControlFenced { epoch: before.epoch }));
        }
        let partition = match on {
            Stopped::Account(id) => id.partition(),
            Stopped::Session(id) => id.partition(),
            Stopped::FrontEnd(_) => FRONT_END_HOME,
        };
        let took = self.take(w, partition, "the control word")?;
        let Record::ControlSet(is) = took.record else {
            return other("the control word", took.seq, took.record);
        };
        let control = Control { state: to, epoch: before.epoch + 1, by: 0, at: took.at, note: note.into() };
        same(took.seq, &ControlSet { on: on.named(), control: control.clone() }, is)?;
        let first = self.controls.get(on).and_then(|(_, first)| *first);
        let first = first.or(to.is_revoked().then_some(took.at));
        self.controls.insert(on.clone(), (control.clone(), first));
        self.tell_control(on, w)?;
        Ok(Ok((control, took.seq, false)))
    }

    /// A front-end's word is told to every partition that does not know it.
    fn tell_control(&mut self, on: &Stopped, w: &mut Written<'_>) -> Result<(), Off> {
        let Stopped::FrontEnd(name) = on else { return Ok(()) };
        for partition in (0..PARTITIONS).filter(|partition| *partition != FRONT_END_HOME) {
            if self.knows(partition, name) < self.word(on).epoch {
                let took = self.take(w, partition, "what a partition is told of a front-end")?;
                let Record::ControlSet(is) = took.record else {
                    return other("what a partition is told of a front-end", took.seq, took.record);
                };
                self.told_control(took.seq, partition, is)?;
            }
        }
        Ok(())
    }

    fn knows(&self, partition: u16, name: &str) -> u64 {
        self.told_controls.get(&(partition, name.to_owned())).copied().unwrap_or(0)
    }

    fn told_control(&mut self, seq: u64, partition: u16, is: &ControlSet<'_>) -> Result<(), Off> {
        let tallystick_core::control::ControlOf::FrontEnd(name) = is.on else {
            return wrong(format!("record {seq} sets a control word that nobody asked for: {is:?}"));
        };
        let word = self.word(&Stopped::FrontEnd(name.to_owned()));
        same(seq, &ControlSet { on: is.on, control: word.clone() }, is)?;
        if self.knows(partition, name) >= word.epoch || partition == FRONT_END_HOME {
            return wrong(format!("record {seq} tells partition {partition} what it knows"));
        }
        self.told_controls.insert((partition, name.to_owned()), word.epoch);
        Ok(())
    }

    /// Follows what a start tells of front-ends that a crash kept from a partition.
    pub(super) fn told_again(&mut self, seq: u64, stamp: &Stamp, is: &ControlSet<'_>) -> Result<(), Off> {
        self.check_time(seq, stamp, None)?;
        self.told_control(seq, stamp.partition, is)
    }

    /// Says which partition does not know a front-end's word, if one does not.
    pub(super) fn untold(&self) -> Option<String> {
        self.controls.iter().find_map(|(on, (word, _))| {
            let Stopped::FrontEnd(name) = on else { return None };
            let mut others = (0..PARTITIONS).filter(|partition| *partition != FRONT_END_HOME);
            let behind = others.find(|partition| self.knows(*partition, name) < word.epoch)?;
            Some(format!("partition {behind} was not told of {name}'s control word"))
        })
    }

    /// Returns a control word as it is shown.
    pub(super) fn shown_control(&self, on: &Stopped) -> Option<Box<Control>> {
        self.controls.get(on).map(|(word, _)| Box::new(word.clone()))
    }
}
