//! Owns: the fake's control words. Never: settles what is revoked.

use super::world::{Session, World};
use tallystick_proto::v1::{Control, ControlState, DeclineCode, Refusal};

impl World {
    /// Sets a control word. Returns it, and whether it was so already.
    pub(super) fn set_control(
        &mut self,
        on: &str,
        to: Control,
        epoch: Option<u64>,
    ) -> Result<(Control, bool), Refusal> {
        let known =
            on.starts_with("front-end:") || self.sessions.contains_key(on) || self.accounts.contains_key(on);
        if !known {
            return Err(Refusal::UnknownSession);
        }
        let before = self.controls.get(on).cloned().unwrap_or_default();
        let state = match before.state() {
            ControlState::Unspecified => ControlState::Open,
            state => state,
        };
        if state == to.state() {
            return Ok((Control { state: state.into(), ..before }, true));
        }
        if state == ControlState::Revoked {
            return Err(Refusal::WrongState);
        }
        if epoch.is_some_and(|epoch| epoch != before.epoch) {
            return Err(Refusal::ControlFenced);
        }
        self.seq += 1;
        let control = Control { epoch: before.epoch + 1, ..to };
        self.controls.insert(on.to_owned(), control.clone());
        Ok((control, false))
    }

    /// Says why nothing goes on in a session, if nothing does.
    pub(super) fn stop_of(&self, session: &Session) -> Option<DeclineCode> {
        let over = [&session.id, &session.parent, &session.account];
        let states = || over.iter().filter_map(|id| self.controls.get(*id)).map(Control::state);
        if states().any(|state| state == ControlState::Revoked) {
            return Some(DeclineCode::Revoked);
        }
        states().any(|state| state == ControlState::Paused).then_some(DeclineCode::Paused)
    }
}
