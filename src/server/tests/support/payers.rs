//! Owns: many callers at once, each paying one nano after another until it is not served any more.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code, reason = "each test file uses a part of it")]

use super::{Stage, reason};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tallystick_proto::v1::Outcome;
use tokio::task::JoinSet;
use tonic::{Code, Status, transport::Channel};

/// Is what callers were told.
#[derive(Debug, Default)]
pub struct Told {
    /// Key and debit id of each approval.
    pub approved: Vec<(String, String)>,
    /// How each caller's work ended.
    pub ends: Vec<Status>,
}

/// Pays until every caller has been refused.
pub struct Payers {
    tasks: JoinSet<Told>,
    approved: Arc<AtomicUsize>,
}

impl Payers {
    pub fn start(count: usize, channel: &Channel, stage: &Stage) -> Self {
        Self::start_named("caller", count, channel, stage)
    }

    /// Starts callers whose keys nobody else uses.
    pub fn start_named(name: &str, count: usize, channel: &Channel, stage: &Stage) -> Self {
        let approved = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for caller in 0..count {
            let name = format!("{name}-{caller}");
            tasks.spawn(pay(name, channel.clone(), stage.clone(), Arc::clone(&approved)));
        }
        Self { tasks, approved }
    }

    /// Waits until this many were approved.
    pub async fn approved(&self, count: usize) {
        while self.approved.load(Ordering::Relaxed) < count {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    /// Returns how many were approved so far.
    pub fn count(&self) -> usize {
        self.approved.load(Ordering::Relaxed)
    }

    pub async fn told(self) -> Told {
        let mut all = Told::default();
        for told in self.tasks.join_all().await {
            all.approved.extend(told.approved);
            all.ends.extend(told.ends);
        }
        all
    }
}

async fn pay(caller: String, channel: Channel, stage: Stage, approved: Arc<AtomicUsize>) -> Told {
    let mut told = Told::default();
    for number in 0.. {
        let key = format!("{caller}-{number}");
        match stage.authorize(&channel, &key).await {
            Ok(decision) => {
                assert_eq!(decision.outcome(), Outcome::Approved, "{decision:?}");
                told.approved.push((key, decision.debit_id));
                approved.fetch_add(1, Ordering::Relaxed);
            }
            Err(status) => {
                told.ends.push(status);
                break;
            }
        }
    }
    told
}

impl Told {
    /// Asserts that all callers ended in the one way that means "try again with the same key", and counts those that
    /// were not told by the server for this reason, whose last debit may have been approved unheard.
    pub fn unheard(&self, expected: &str) -> usize {
        for status in &self.ends {
            let reason = reason(status);
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
            assert!(reason.is_empty() || reason == expected, "{status:?}");
        }
        self.ends.iter().filter(|status| reason(status).is_empty()).count()
    }

    /// Asserts that everything that was acknowledged is there: each key is replayed with its own debit, and the session's
    /// counter holds no more than these and `unheard`.
    pub async fn assert_kept(&self, channel: &Channel, stage: &Stage, unheard: usize) {
        let spent = usize::try_from(stage.show(channel).await.spent_nanos).unwrap();
        let acknowledged = self.approved.len();
        assert!(
            (acknowledged..=acknowledged + unheard).contains(&spent),
            "spent {spent}, acknowledged {acknowledged}, unheard {unheard}"
        );
        for (key, debit_id) in &self.approved {
            let again = stage.authorize(channel, key).await.unwrap();
            assert_eq!((again.outcome(), again.replayed), (Outcome::Approved, true), "{key}");
            assert_eq!(&again.debit_id, debit_id, "{key}");
        }
    }
}
