//! Owns: making, revoking and showing credentials. Never: a key; only hashes come here.

use crate::{Answer, Engine, Fault, Ticket, asking::HOME, keyed::Done};
use tallystick_core::{
    CredentialId, Refusal,
    command::CreateCredential,
    credential::Credential,
    decide::{self, Decided},
    partition::Made,
    role::Act,
};

impl Engine {
    /// Makes a credential. It is heard from its record on: what is done with it waits for the record to be durable, too.
    pub fn create_credential(&self, command: &CreateCredential<'_>) -> Ticket<Answer<Credential>> {
        if let Some(refused) = self.turned_away(Act::CreateCredential) {
            return refused;
        }
        // What comes with the first start is nobody's to ask for.
        if command.is_development && !self.is_system() {
            return self.refuse(Refusal::Malformed { field: "development", rule: "must be left out" });
        }
        if let Some(payee) = command.payee
            && let Err(refusal) = self.lock(payee.partition()).partition(payee.partition()).payee(payee)
        {
            return self.refuse(refusal);
        }
        let (draw, actor) = (self.draw(), self.asked_for());
        let done = self
            .keyed(HOME, command, |p, filed, _| decide::create_credential(p, actor, command, filed, draw));
        match done {
            Ok(Done { made: Made::Credential(id), seq, replayed }) => {
                self.heard_from_now(id);
                self.credential(id).map(|value| Answer { value, seq, replayed })
            }
            Ok(_) => self.refuse(Refusal::UnknownCredential),
            Err((fault, seq)) => self.ticket(seq, Err(fault)),
        }
    }

    /// Revokes a credential. Once this is heard, nothing is done with it that was not asked before, on open streams neither.
    pub fn revoke_credential(&self, id: CredentialId) -> Ticket<Answer<Credential>> {
        if let Some(refused) = self.turned_away(Act::RevokeCredential) {
            return refused;
        }
        let mut shard = self.lock(HOME);
        let home = shard.partition(HOME);
        let at = home.decision_time(self.now());
        let replayed = match decide::revoke_credential(home, self.asked_for(), id) {
            Err(refusal) => return self.ticket(shard.last_seq, Err(refusal.into())),
            Ok(Decided::Replay(())) => true,
            Ok(Decided::Record(record)) => {
                self.write(&mut shard, HOME, at, &record);
                false
            }
        };
        let (row, seq) = (shard.partition(HOME).credential(self.asked_for(), id).cloned(), shard.last_seq);
        if let Ok(row) = &row {
            // ORDER: under the lock, so before anybody can hear that it is revoked.
            self.silence(row);
        }
        drop(shard);
        self.wake_committer();
        self.ticket(seq, row.map(|value| Answer { value, seq, replayed }).map_err(Fault::from))
    }

    /// Shows a credential. *Errors*: `UnknownCredential`.
    pub fn credential(&self, id: CredentialId) -> Ticket<Credential> {
        let shard = self.lock(HOME);
        let row = shard.partition(HOME).credential(self.asked_for(), id).cloned();
        self.ticket(shard.last_seq, row.map_err(Fault::from))
    }

    /// Lists credentials from a slot on, in the order in which they were made, with where the next page begins.
    pub fn credentials(&self, from: u32, most: usize) -> Ticket<(Vec<Credential>, Option<u32>)> {
        let (shard, actor) = (self.lock(HOME), self.asked_for());
        let in_view = |row: &&Credential| !actor.is_bounded() || row.front_end == actor.front_end;
        let mut later =
            shard.partition(HOME).credentials().filter(|row| row.id.slot() >= from).filter(in_view);
        let rows: Vec<Credential> = later.by_ref().take(most).cloned().collect();
        let next = later.next().map(|row| row.id.slot());
        self.ticket(shard.last_seq, Ok((rows, next)))
    }

    /// Makes a credential known. One that was revoked meanwhile is known as that.
    fn heard_from_now(&self, id: CredentialId) {
        let shard = self.lock(HOME);
        if let Ok(row) = shard.partition(HOME).credential(self.asked_for(), id) {
            self.hear(row);
        }
    }

    /// Returns whether there is any credential, revoked or not.
    pub fn has_credentials(&self) -> bool {
        self.lock(HOME).partition(HOME).credentials().next().is_some()
    }
}
