//! Owns: on whose behalf an engine is asked: the askers that are heard, found by their key's hash, and the tests that come
//! before every command: is whoever asks still heard, do their roles allow it, is what they name in their view.
//! Never: a rule about roles; that is core's. Never: a key.
//!
//! What is in whose view never changes: an account keeps its front-end, a session its account. So it is looked up before the
//! command's own lock is taken, and only for those who see a part.

use crate::{
    Engine, Fault, Ticket,
    sync::atomic::{AtomicBool, Ordering},
};
use dashmap::DashMap;
use std::sync::Arc;
use tallystick_core::{
    AccountId, EnvelopeId, Partition, Refusal, SessionId,
    credential::{self, Credential},
    role::{Act, Actor},
    session::SecretHash,
};

/// Is whoever asks, until their credential is revoked.
#[derive(Debug)]
pub struct Asker {
    actor: Actor,
    is_development: bool,
    is_revoked: AtomicBool,
}

impl Asker {
    /// Knows an actor without a credential: the system, or whoever asks without a key where that is allowed.
    pub fn without_credential(actor: Actor) -> Self {
        Self { actor, is_development: false, is_revoked: AtomicBool::new(false) }
    }

    fn of(credential: &Credential) -> Self {
        Self {
            actor: credential.actor(),
            is_development: credential.is_development,
            is_revoked: AtomicBool::new(credential.is_revoked()),
        }
    }

    /// Returns who it is.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Returns whether it is heard from this machine only.
    pub fn is_development(&self) -> bool {
        self.is_development
    }

    /// Returns whether it is heard no more. *Cost*: a load.
    pub fn is_revoked(&self) -> bool {
        self.is_revoked.load(Ordering::Acquire)
    }
}

/// Keeps who is heard with which key.
#[derive(Debug, Default)]
pub(crate) struct Askers(DashMap<u128, (SecretHash, Arc<Asker>)>);

/// Returns what an entry is found by: half of the hash, which nobody can aim at.
fn place(hash: &[u8; 32]) -> u128 {
    let mut half = [0; 16];
    half.iter_mut().zip(hash).for_each(|(to, from)| *to = *from);
    u128::from_le_bytes(half)
}

impl Askers {
    /// Knows every credential there is.
    pub(crate) fn of(home: Option<&Partition>) -> Self {
        let askers = Self::default();
        home.into_iter().flat_map(Partition::credentials).for_each(|row| askers.learn(row));
        askers
    }

    fn learn(&self, credential: &Credential) {
        let known = || (SecretHash(credential.hash), Arc::new(Asker::of(credential)));
        self.0.entry(place(&credential.hash)).or_insert_with(known);
    }

    fn find(&self, hash: &[u8; 32]) -> Option<Arc<Asker>> {
        let entry = self.0.get(&place(hash))?;
        // Compared whole and in constant time.
        (entry.0 == SecretHash(*hash)).then(|| Arc::clone(&entry.1))
    }
}

impl Engine {
    /// Returns who is heard with the key of this hash; nobody once it is revoked.
    pub fn asker(&self, key_hash: &[u8; 32]) -> Option<Arc<Asker>> {
        self.askers.find(key_hash).filter(|asker| !asker.is_revoked())
    }

    /// Returns the same engine, asked on another's behalf: what they may not do is refused, and what they do is recorded as
    /// theirs. *Cost*: two counts.
    #[must_use]
    pub fn asked_by(&self, asker: &Arc<Asker>) -> Self {
        Self { works: Arc::clone(&self.works), asker: Arc::clone(asker) }
    }

    /// Returns the same engine, for what the system does by itself.
    pub(crate) fn by_itself(&self) -> Self {
        self.asked_by(&self.system)
    }

    /// Returns on whose behalf it is asked.
    pub fn asked_for(&self) -> &Actor {
        self.asker.actor()
    }

    /// Makes a credential known. Called under the lock of its partition.
    pub(crate) fn hear(&self, credential: &Credential) {
        self.askers.learn(credential);
    }

    /// Hears nobody with a credential any more, on streams that are open, too.
    pub(crate) fn silence(&self, credential: &Credential) {
        if let Some(asker) = self.askers.find(&credential.hash) {
            asker.is_revoked.store(true, Ordering::Release);
        }
    }

    /// Says why a command is not even looked at: nothing can be written any more, or whoever asks may not.
    pub(crate) fn turned_away<T>(&self, act: Act) -> Option<Ticket<T>> {
        self.failed().or_else(|| self.permit(act).err().map(|refusal| self.refuse(refusal)))
    }

    /// As `turned_away`, for what is asked of an account or a session.
    pub(crate) fn turned_away_from<T>(&self, act: Act, on: EnvelopeId) -> Option<Ticket<T>> {
        self.turned_away(act).or_else(|| self.check_view(on).err().map(|fault| self.ticket(0, Err(fault))))
    }

    /// Checks that whoever asks is still heard, and may. *Errors*: `CredentialUnknown`, `Forbidden`.
    pub fn permit(&self, act: Act) -> Result<(), Refusal> {
        self.check_heard()?;
        self.asked_for().permit(act)
    }

    /// Checks that whoever asks is still heard. *Errors*: `CredentialUnknown`. *Cost*: a load.
    pub fn check_heard(&self) -> Result<(), Refusal> {
        if self.asker.is_revoked() { Err(Refusal::CredentialUnknown) } else { Ok(()) }
    }

    /// Checks that an account or a session, open or settled, is in view.
    /// *Errors*: `UnknownAccount`, `UnknownSession`; storage, if that cannot be told.
    pub(crate) fn check_view(&self, on: EnvelopeId) -> Result<(), Fault> {
        if !self.asked_for().is_bounded() {
            return Ok(());
        }
        match on {
            EnvelopeId::Account(id) if self.sees_account(id) => Ok(()),
            EnvelopeId::Account(_) => Err(Refusal::UnknownAccount.into()),
            EnvelopeId::Session(id) if self.sees_session(id)? => Ok(()),
            EnvelopeId::Session(_) => Err(Refusal::UnknownSession.into()),
        }
    }

    /// Returns whether an account is in view. One that is not there is nobody's.
    pub(crate) fn sees_account(&self, id: AccountId) -> bool {
        let actor = self.asked_for();
        !actor.is_bounded() || self.account_of(id).is_some_and(|account| actor.sees(&account))
    }

    /// Returns whether a session, open or settled, is in view. *Errors*: storage, if that cannot be told.
    pub fn sees_session(&self, id: SessionId) -> Result<bool, Fault> {
        let actor = self.asked_for();
        if !actor.is_bounded() {
            return Ok(true);
        }
        let shard = self.lock(id.partition());
        let home = shard.partition(id.partition());
        if home.session(id).is_ok() {
            return Ok(home.sees_session(actor, id));
        }
        drop(shard);
        let settled = self.find_settlement(id)?;
        Ok(settled.is_some_and(|settlement| self.sees_account(settlement.account)))
    }
}

/// Is the partition of all credentials.
pub(crate) const HOME: u16 = credential::HOME;
