//! Owns: the decisions about credentials, and what an act on a session is when that depends on where it stands.
//! Never: writes; a key.

use super::Decided;
use crate::{
    Partition, Record, Refusal, SessionId,
    command::{Command as _, CreateCredential, Debit},
    id::CredentialId,
    limits,
    partition::CommandKey,
    record::{CredentialMade, CredentialRevoked},
    role::{Act, Actor},
    session::Session,
};

/// Decides on a new credential. Who sees one front-end's accounts only makes credentials of that front-end.
/// *Errors*: `Malformed` (a hash that is in use, too), `Forbidden`, `KeyReused`, `TableFull`.
pub fn create_credential<'a>(
    partition: &Partition,
    actor: &Actor,
    command: &CreateCredential<'a>,
    filed: Option<&CommandKey>,
    draw: u64,
) -> Result<Decided<'a, CommandKey>, Refusal> {
    command.check()?;
    if actor.is_bounded() && (command.payee.is_some() || *command.front_end != *actor.front_end) {
        return Err(Refusal::malformed("front_end", "must be that of the credential it is asked with"));
    }
    let keyed = match partition.recognise(command, filed)? {
        Ok(keyed) => keyed,
        Err(before) => return Ok(Decided::Replay(before)),
    };
    if partition.credentials().any(|before| before.hash == command.hash) {
        return Err(Refusal::malformed("key_hash", "must be of a key that no credential has"));
    }
    let place = partition.free_place(partition.credentials.next_place())?;
    if place.slot >= limits::CREDENTIALS {
        return Err(Refusal::TableFull);
    }
    Ok(Decided::Record(Record::CredentialMade(CredentialMade {
        id: CredentialId::new(place, draw),
        hash: command.hash,
        prefix: command.prefix,
        roles: command.roles,
        is_development: command.is_development,
        payee: command.payee,
        front_end: command.front_end,
        name: command.name,
        keyed,
    })))
}

/// Decides to revoke a credential. Replays when it is revoked already. *Errors*: `UnknownCredential`, for those of another
/// front-end, too.
pub fn revoke_credential(
    partition: &Partition,
    actor: &Actor,
    id: CredentialId,
) -> Result<Decided<'static, ()>, Refusal> {
    if partition.credential(actor, id)?.is_revoked() {
        return Ok(Decided::Replay(()));
    }
    Ok(Decided::Record(Record::CredentialRevoked(CredentialRevoked { id })))
}

impl Partition {
    /// Returns whether a session is in an actor's view; one that is not here is for the settlements to say.
    #[inline]
    pub fn sees_session(&self, actor: &Actor, id: SessionId) -> bool {
        !actor.is_bounded() || self.sees_session_of(actor, id)
    }

    #[cold]
    fn sees_session_of(&self, actor: &Actor, id: SessionId) -> bool {
        let Ok(session) = self.session(id) else { return true };
        self.account_at(session.account).is_ok_and(|account| actor.sees(account))
    }

    /// Checks that an actor may ask for a debit. *Errors*: `Forbidden`; `UnknownSession`, for those of another front-end;
    /// `UnknownDebit`, for another payee's.
    pub fn permit_debit(&self, actor: &Actor, command: &Debit<'_>) -> Result<(), Refusal> {
        actor.permit(command.act.role_act())?;
        if !self.sees_session(actor, command.session) {
            return Err(Refusal::UnknownSession);
        }
        if actor.sees_debits_of(command.payee) { Ok(()) } else { Err(Refusal::UnknownDebit) }
    }

    /// Says what it is to raise a session: within what it stands under, or straight on its account. A token is authority
    /// itself, wherever it stands. One that is not here is raised by nobody.
    pub fn act_of_top_up(&self, id: SessionId) -> Act {
        match self.session(id).map(Session::parent) {
            Ok(Some(_)) if !id.is_token() => Act::RaiseWithin,
            Ok(_) => Act::Raise,
            Err(_) => Act::RaiseWithin,
        }
    }
}
