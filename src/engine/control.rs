//! Owns: pausing, resuming and revoking. A front-end's control word is decided at its home and told to every partition.
//! Never: looks at what stands below; debits read the word on their way up, and the sweeper settles what was revoked.

use crate::{Answer, Engine, Fault, Ticket};
use tallystick_core::{
    EnvelopeId, PARTITIONS, Refusal, SessionId,
    command::SetControl,
    control::{Control, ControlOf, FRONT_END_HOME},
    decide::{self, Decided},
    settlement::Reason,
};

/// Is a control word that was set or found so, the last seq that says it, and whether nothing was changed.
type Set = (Control, u64, bool);

impl Engine {
    /// Sets a control word. Once a stop is heard, nothing below is approved that comes after the answer's seq (I10). What is
    /// so already is a replay; so is the revocation of a session that has been settled for that reason.
    pub fn set_control(&self, command: &SetControl<'_>) -> Ticket<Answer<Control>> {
        let refused = match command.on {
            ControlOf::Envelope(id) => self.turned_away_from(command.act(), id),
            ControlOf::FrontEnd(_) => self.turned_away(command.act()),
        };
        if let Some(refused) = refused {
            return refused;
        }
        let set = match command.on {
            ControlOf::Envelope(id) => self.set_word(id.partition(), command),
            ControlOf::FrontEnd(name) => self.set_front_end(name, command),
        };
        self.wake_committer();
        match (set, command.on) {
            (Ok((value, seq, replayed)), _) => self.ticket(seq, Ok(Answer { value, seq, replayed })),
            (Err((Refusal::UnknownSession, seq)), ControlOf::Envelope(EnvelopeId::Session(id))) => {
                self.control_of_settled(id, command, seq)
            }
            (Err((refusal, seq)), _) => self.ticket(seq, Err(refusal.into())),
        }
    }

    /// Decides and writes a control word in a partition. A refusal comes with the shard's last seq.
    fn set_word(&self, partition: u16, command: &SetControl<'_>) -> Result<Set, (Refusal, u64)> {
        let mut shard = self.lock(partition);
        let home = shard.partition(partition);
        let now = home.decision_time(self.now());
        match decide::set_control(home, command, (now, self.asked_for().number)) {
            Err(refusal) => Err((refusal, shard.last_seq)),
            Ok(Decided::Replay(control)) => Ok((control, shard.last_seq, true)),
            Ok(Decided::Record(record)) => {
                let seq = self.write(&mut shard, partition, now, &record);
                let control = shard.partition(partition).control(command.on);
                let control = control.map_err(|refusal| (refusal, seq))?.cloned().unwrap_or_default();
                Ok((control, seq, false))
            }
        }
    }

    /// Sets a front-end's word: its home first, then every other partition. A replay tells everybody again: the first call may
    /// still be at it, and this answer promises the same.
    fn set_front_end(&self, name: &str, command: &SetControl<'_>) -> Result<Set, (Refusal, u64)> {
        let actor = self.asked_for();
        if actor.is_bounded() && *actor.front_end != *name {
            let rule = "must be that of the credential it is asked with";
            return Err((Refusal::Malformed { field: "front_end", rule }, 0));
        }
        let (control, seq, replayed) = self.set_word(FRONT_END_HOME, command)?;
        Ok((control.clone(), seq.max(self.tell_control(name, &control)), replayed))
    }

    /// Tells every partition a front-end's word. Returns a seq that is durable only when all of them know it.
    /// ORDER: after its record at home, so that a crash in between leaves it for the next start to finish.
    fn tell_control(&self, name: &str, control: &Control) -> u64 {
        let tell = |partition: u16| {
            let mut shard = self.lock(partition);
            let here = shard.partition(partition);
            let now = here.decision_time(self.now());
            if let Decided::Record(record) = decide::take_control(here, name, control) {
                self.write(&mut shard, partition, now, &record);
            }
            shard.last_seq
        };
        (0..PARTITIONS).map(tell).max().unwrap_or(0)
    }

    /// Tells every partition what a crash may have kept from it.
    pub(crate) fn tell_controls_again(&self) {
        let home = self.lock(FRONT_END_HOME);
        let words = home.partition(FRONT_END_HOME).front_end_controls();
        let words: Vec<(Box<str>, Control)> = words.map(|(name, word)| (name.into(), word.clone())).collect();
        drop(home);
        for (name, word) in words {
            self.tell_control(&name, &word);
        }
    }

    /// Answers for a session that is not open. What was settled because it was revoked is as it was asked to be; its word is
    /// not kept, so the answer's epoch is zero.
    fn control_of_settled(
        &self,
        id: SessionId,
        command: &SetControl<'_>,
        last_seq: u64,
    ) -> Ticket<Answer<Control>> {
        let found = self.find_settlement(id).and_then(|found| match found {
            Some(settled) if command.to.is_revoked() && settled.reason == Reason::Revoked => {
                let value = Control { state: command.to, at: settled.settled_at, ..Control::default() };
                Ok(Answer { value, seq: settled.seq, replayed: true })
            }
            Some(_) => Err(Fault::from(Refusal::WrongState { state: "SETTLED" })),
            None => Err(Refusal::UnknownSession.into()),
        });
        self.ticket(last_seq, found)
    }
}
