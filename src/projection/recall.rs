//! Owns: how keys and numbers of settled sessions go when the retry window has passed, a few at a time.
//! Never: a clock: it is as late as the latest decision that was followed. Never a debit.

use crate::{
    filing::Filing,
    kind::{DUE, KEYS, Kind, NUMBER, due},
};
use std::ops::ControlFlow;
use tallystick_core::{SessionId, Time};
use tallystick_journal::StorageFault;

/// Bounds the sessions looked at in one step.
const SESSIONS_MOST: usize = 64;
/// Bounds the values removed in one step.
const VALUES_MOST: usize = 1_024;

/// Adds the removals that are due by `now`, some of them. Returns whether there may be more.
pub(crate) fn drop_due(filing: &mut Filing<'_>, now: Time) -> Result<bool, StorageFault> {
    let mut due = Vec::new();
    filing.store.range(DUE.table, &[], &mut |key, value| {
        let (at, session) = due::decode(key, value)?;
        if at > now || due.len() == SESSIONS_MOST {
            return Ok(ControlFlow::Break(()));
        }
        due.push((key.to_vec(), session));
        Ok(ControlFlow::Continue(()))
    })?;
    let mut left = VALUES_MOST;
    for (key, session) in &due {
        for kind in [KEYS, NUMBER] {
            let gone = of_session(filing, kind, *session, left)?;
            left -= gone.len();
            gone.iter().for_each(|key| filing.put(kind.gone(key)));
        }
        if left == 0 {
            return Ok(true);
        }
        filing.put(DUE.gone(key));
    }
    Ok(due.len() == SESSIONS_MOST)
}

/// Returns at most `most` keys of a kind that begin with a session's id.
fn of_session(
    filing: &Filing<'_>,
    kind: Kind,
    session: SessionId,
    most: usize,
) -> Result<Vec<Vec<u8>>, StorageFault> {
    let (prefix, mut found) = (session.bits().to_be_bytes(), Vec::new());
    filing.store.range(kind.table, &prefix, &mut |key, _| {
        if found.len() == most || !key.starts_with(&prefix) {
            return Ok(ControlFlow::Break(()));
        }
        found.push(key.to_vec());
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}
