//! Owns: what is compared with what, in which shape, and the ratio that is aimed at. Never: differs between two runs.

use crate::figures::Ratio;
use serde::Serialize;
use std::time::Duration;

/// The cap of each session: out of reach, as in our own load. *Units*: nanos.
pub(crate) const CAP_NANOS: u64 = 10_000_000_000_000;
pub(crate) const SESSION_TTL_S: u64 = 24 * 3_600;
/// What a debit asks for at least, and how many amounts there are; as in our own load.
pub(crate) const AMOUNT_NANOS: u64 = 600;
pub(crate) const AMOUNT_COUNT: u64 = 7;

/// Names whom we are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum Peer {
    Redis,
    #[serde(rename = "PostgreSQL")]
    Postgres,
}

/// Names the ways to send debits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum Work {
    #[serde(rename = "one call a debit")]
    Calls,
    #[serde(rename = "one debit a message, pipelined")]
    Pipelined,
    #[serde(rename = "batches of 100")]
    Hundreds,
    #[serde(rename = "batches of 1000")]
    Thousands,
}

/// Is one comparison.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    pub(crate) work: Work,
    pub(crate) peer: Peer,
    pub(crate) target: Ratio,
}

pub(crate) const WORKS: [Work; 4] = [Work::Calls, Work::Pipelined, Work::Hundreds, Work::Thousands];

pub(crate) const PAIRS: [Pair; 5] = [
    Pair { work: Work::Calls, peer: Peer::Redis, target: Ratio::hundredths(180) },
    Pair { work: Work::Calls, peer: Peer::Postgres, target: Ratio::hundredths(400) },
    Pair { work: Work::Pipelined, peer: Peer::Redis, target: Ratio::hundredths(800) },
    Pair { work: Work::Hundreds, peer: Peer::Redis, target: Ratio::hundredths(800) },
    Pair { work: Work::Thousands, peer: Peer::Postgres, target: Ratio::hundredths(2_000) },
];

/// Says how long a turn takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) warmup: Duration,
    pub(crate) measured: Duration,
}

/// Says how a load of our own sends batches to a peer: each client has one on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batches {
    pub(crate) clients: u32,
    pub(crate) debits: u32,
}

/// Says which debits one client sends: in turn over its own sessions, as in our own load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    /// The client's place among all.
    pub(crate) first: u32,
    /// How many clients there are.
    pub(crate) step: u32,
    pub(crate) sessions: u32,
}

/// Is one debit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Debit {
    /// The session's place among all.
    pub(crate) session: u32,
    /// Does not come again.
    pub(crate) key: u64,
    pub(crate) amount_nanos: u64,
}

impl Peer {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Redis => "Redis",
            Self::Postgres => "PostgreSQL",
        }
    }
}

impl Work {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Calls => "one call a debit",
            Self::Pipelined => "one debit a message, pipelined",
            Self::Hundreds => "batches of 100",
            Self::Thousands => "batches of 1000",
        }
    }

    /// Returns whom we are compared with at this work.
    pub(crate) fn peers(self) -> impl Iterator<Item = Peer> {
        PAIRS.iter().filter(move |pair| pair.work == self).map(|pair| pair.peer)
    }
}

impl Pace {
    /// Returns when the last message may begin, from the start of the turn.
    pub(crate) fn until(self) -> Duration {
        self.warmup + self.measured
    }
}

impl Share {
    /// Returns debit `nth` of message `message`, if each message has `debits`.
    pub(crate) fn debit(&self, message: u32, debits: u32, nth: u32) -> Debit {
        let nth = u64::from(message) * u64::from(debits) + u64::from(nth);
        let own = self.sessions.saturating_sub(self.first).div_ceil(self.step).max(1);
        let turn = u32::try_from(nth % u64::from(own)).unwrap_or(0);
        Debit {
            session: self.first % self.sessions + turn * self.step,
            key: (u64::from(self.first) << 32) + nth,
            amount_nanos: AMOUNT_NANOS + nth % AMOUNT_COUNT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn clients_share_all_sessions_and_no_key_comes_twice() {
        let (mut sessions, mut keys) = (BTreeSet::new(), BTreeSet::new());
        for first in 0..3 {
            let share = Share { first, step: 3, sessions: 10 };
            for (message, nth) in (0..4).flat_map(|message| (0..5).map(move |nth| (message, nth))) {
                let debit = share.debit(message, 5, nth);
                assert_eq!(debit.session % 3, first, "a session belongs to one client");
                assert!(debit.session < 10 && (600..=606).contains(&debit.amount_nanos), "{debit:?}");
                sessions.insert(debit.session);
                assert!(keys.insert(debit.key), "{debit:?}");
            }
        }
        assert_eq!(sessions.len(), 10);
    }

    #[test]
    fn every_work_has_a_peer_and_the_names_in_the_report_are_those_in_the_table() {
        for work in WORKS {
            assert!(work.peers().next().is_some(), "{work:?}");
            assert_eq!(serde_json::to_value(work).unwrap(), work.as_str());
        }
        for peer in [Peer::Redis, Peer::Postgres] {
            assert_eq!(serde_json::to_value(peer).unwrap(), peer.as_str());
        }
    }
}
