//! Owns: what became of connections, as counts that only grow. Never: a connection's address.

use std::sync::atomic::{AtomicU64, Ordering};

/// Says why a connection was not let in, or was ended by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// As many were open as may be.
    Full,
    /// Its address had as many open as it may.
    AddressFull,
    /// It did not say in time that it speaks HTTP/2.
    Handshake,
    /// It took nothing of what was sent to it.
    Unread,
    /// One of its streams was ended and did not even hear that.
    HungUp,
}

impl Why {
    pub(crate) const ALL: [Self; 5] =
        [Self::Full, Self::AddressFull, Self::Handshake, Self::Unread, Self::HungUp];

    /// Returns the name that metrics and the log have for it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::AddressFull => "address_full",
            Self::Handshake => "handshake",
            Self::Unread => "unread",
            Self::HungUp => "hung_up",
        }
    }
}

/// Counts.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    accepted: AtomicU64,
    accept_failures: AtomicU64,
    /// In the order of `Why::ALL`.
    turned_away: [AtomicU64; Why::ALL.len()],
}

impl Counts {
    pub(super) fn count_accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_failure(&self) {
        self.accept_failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count(&self, why: Why) {
        self.turned_away[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many were let in.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Returns how often the system gave none: no files left, or no memory.
    pub(crate) fn accept_failures(&self) -> u64 {
        self.accept_failures.load(Ordering::Relaxed)
    }

    /// Returns how many were not let in or were ended, by why.
    pub(crate) fn turned_away(&self) -> [(Why, u64); Why::ALL.len()] {
        Why::ALL.map(|why| (why, self.turned_away[why as usize].load(Ordering::Relaxed)))
    }
}
