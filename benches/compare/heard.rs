//! Owns: what the clients of our own loads heard, one by one and all together. Never: how they ask.

use crate::{error::CompareError, figures::Measures, plan::Pace};
use tokio::task::JoinSet;

/// Is what one client, or all of them, heard.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) measures: Measures,
    /// Debits approved, those of the warm-up included. None is repeated: a repeat would be missing here, and be found.
    pub(crate) approved: u64,
}

impl Heard {
    /// Has heard nothing yet.
    pub(crate) fn nothing(pace: Pace) -> Result<Self, CompareError> {
        Ok(Self { measures: Measures::new(pace.warmup)?, approved: 0 })
    }

    /// Waits for all clients. *Errors*: the first one's.
    pub(crate) async fn gather(
        mut clients: JoinSet<Result<Self, CompareError>>,
        pace: Pace,
    ) -> Result<Self, CompareError> {
        let mut all = Self::nothing(pace)?;
        while let Some(done) = clients.join_next().await {
            // A panic in a client is a bug; it goes on here.
            let heard = done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
            all.measures.merge(&heard.measures)?;
            all.approved += heard.approved;
        }
        Ok(all)
    }
}
