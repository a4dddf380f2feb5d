//! Owns: how many calls may be open at once, over all connections and from one address; streams are calls too.
//! Never: bytes; those are the gate's and `arrival`'s.

use crate::{Peer, status};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tonic::Status;

/// Is the part of all calls that one address may have open: one in so many.
const ADDRESS_SHARE: usize = 4;

/// Counts the calls that are open.
#[derive(Debug, Clone)]
pub(crate) struct Calls {
    open: Arc<AtomicUsize>,
    most: usize,
    most_of_address: usize,
}

/// Is one open call, counted for as long as it is held: from its first header until its answer is in HTTP/2's hands.
#[derive(Debug)]
pub(crate) struct Call {
    open: Arc<AtomicUsize>,
    peer: Option<Peer>,
}

impl Calls {
    pub(crate) fn new(most: usize) -> Self {
        Self { open: Arc::default(), most, most_of_address: (most / ADDRESS_SHARE).max(1) }
    }

    /// Returns how many are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Returns how many may be.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Lets a call in. *Errors*: `RESOURCE_EXHAUSTED` with too many open, of all or of its address.
    pub(crate) fn enter(&self, peer: Option<Peer>) -> Result<Call, Status> {
        // Counted first, and taken back by the drop: two at once cannot both take the last place.
        let call = Call { open: Arc::clone(&self.open), peer };
        let open = self.open.fetch_add(1, Ordering::Relaxed);
        let of_address = call.peer.as_ref().map_or(0, |peer| peer.calls().fetch_add(1, Ordering::Relaxed));
        if open >= self.most || of_address >= self.most_of_address {
            return Err(status::too_many_calls());
        }
        Ok(call)
    }
}

impl Call {
    /// Returns whose it is.
    pub(crate) fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(peer) = &self.peer {
            peer.calls().fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_quarter_of_the_calls_and_places_come_back() {
        let calls = Calls::new(8);
        let address = || Peer::new(([127, 0, 0, 1], 1).into(), Arc::default());
        let (one, other) = (address(), address());
        let held: Vec<Call> = (0..2).map(|_| calls.enter(Some(one.clone())).unwrap()).collect();
        assert!(calls.enter(Some(one.clone())).is_err());
        assert_eq!((calls.open(), one.calls().load(Ordering::Relaxed)), (2, 2), "a refusal holds nothing");
        let more: Vec<Call> = (0..6).map(|_| calls.enter(None).unwrap()).collect();
        assert!(calls.enter(Some(other.clone())).is_err(), "all places are taken");
        drop((held, more));
        assert!(calls.enter(Some(other)).is_ok() && calls.open() == 0);
    }
}
