//! Owns: pausing, resuming and revoking, as requests and answers; what is asked is read here, and the word is written.
//! Never: a rule.

use crate::{decode, encode, service::Shared, status};
use tallystick_core::{
    EnvelopeId, SessionId,
    command::SetControl,
    control::{Control, ControlOf, Promises, State},
    id::IdFault,
};
use tallystick_engine::{Answer, Engine, Ticket};
use tallystick_proto::v1;
use tonic::{Request, Status};

/// Reads what a request is about: each of the three has the same choice, of its own type.
macro_rules! target {
    ($request:ident, $target:expr) => {{
        use v1::$request::Target;
        match $target {
            Some(Target::SessionId(id)) => decode::session(id, "session_id").map(on_session),
            Some(Target::TokenId(id)) => token(id).map(on_session),
            Some(Target::AccountId(id)) => {
                decode::account(id, "account_id").map(|id| ControlOf::Envelope(EnvelopeId::Account(id)))
            }
            Some(Target::FrontEnd(name)) => Ok(ControlOf::FrontEnd(name)),
            None => Err(("target", "must be a session_id, a token_id, an account_id or a front_end")),
        }
        .map_err(decode::refuse)
    }};
}

fn on_session(id: SessionId) -> ControlOf<'static> {
    ControlOf::Envelope(EnvelopeId::Session(id))
}

fn token(text: &str) -> Result<SessionId, (&'static str, &'static str)> {
    let field = "token_id";
    SessionId::parse_token(text).map_err(|fault| match fault {
        IdFault::Prefix => (field, "must begin with tok_"),
        IdFault::Text => (field, "must have 26 characters of 0-9a-v after its prefix"),
        IdFault::Bits => (field, "was never given out by this server"),
    })
}

/// Reads what pauses something. *Errors*: `INVALID_ARGUMENT`, naming the field and its rule, as all of these.
pub fn pause(r: &v1::PauseRequest) -> Result<SetControl<'_>, Status> {
    let on = target!(pause_request, &r.target)?;
    Ok(SetControl { on, to: State::Paused, epoch: r.epoch, note: &r.note })
}

/// Reads what ends a pause.
pub fn resume(r: &v1::ResumeRequest) -> Result<SetControl<'_>, Status> {
    let on = target!(resume_request, &r.target)?;
    Ok(SetControl { on, to: State::Open, epoch: r.epoch, note: &r.note })
}

/// Reads what revokes something.
pub fn revoke(r: &v1::RevokeRequest) -> Result<SetControl<'_>, Status> {
    let on = target!(revoke_request, &r.target)?;
    let promises = match v1::RevokedHolds::try_from(r.holds) {
        Ok(v1::RevokedHolds::Unspecified | v1::RevokedHolds::Honour) => Promises::Honour,
        Ok(v1::RevokedHolds::Void) => Promises::Void,
        Err(_) => return Err(status::malformed("holds", "must be HONOUR or VOID")),
    };
    Ok(SetControl { on, to: State::Revoked(promises), epoch: r.epoch, note: &r.note })
}

/// Is a control word that was set, or was so already.
pub(crate) struct Set {
    pub(crate) control: Option<v1::Control>,
    pub(crate) seq: u64,
    pub(crate) replayed: bool,
    pub(crate) durability: i32,
}

impl Shared {
    /// Asks for a control word to be set, as `read` says.
    pub(crate) async fn set_control<Q>(
        &self,
        request: Request<Q>,
        read: impl FnOnce(&Q) -> Result<SetControl<'_>, Status>,
    ) -> Result<Set, Status> {
        let ask = |engine: &Engine, r: Q| -> Result<Ticket<Answer<Control>>, Status> {
            Ok(engine.set_control(&read(&r)?))
        };
        let Answer { value, seq, replayed } = self.unary(request, ask).await?;
        let durability = encode::durability(&self.engine).into();
        Ok(Set { control: Some(control(&value)), seq, replayed, durability })
    }
}

/// Writes a control word.
pub(crate) fn control(word: &Control) -> v1::Control {
    let holds = match word.state {
        State::Open | State::Paused => v1::RevokedHolds::Unspecified,
        State::Revoked(Promises::Honour) => v1::RevokedHolds::Honour,
        State::Revoked(Promises::Void) => v1::RevokedHolds::Void,
    };
    let state = match word.state {
        State::Open => v1::ControlState::Open,
        State::Paused => v1::ControlState::Paused,
        State::Revoked(_) => v1::ControlState::Revoked,
    };
    v1::Control {
        state: state.into(),
        epoch: word.epoch,
        holds: holds.into(),
        actor: word.by,
        changed_at: encode::optional_time(word.at),
        note: word.note.to_string(),
    }
}
