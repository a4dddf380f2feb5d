//! Owns: how a caller speaks to a Tallystick server: one channel, deadlines, retries under the same key, streams that
//! resume where they stood, and the caller's own half of the tally.
//! Never: decides anything about money, makes up an idempotency key, sends one intent under two keys.
//!
//! ```no_run
//! # async fn example() -> Result<(), tallystick_client::ClientError> {
//! use tallystick_client::{Client, Debit, PayeeId, SessionId, WriterOptions};
//!
//! let client = Client::connect("http://127.0.0.1:7420")?;
//! let writer = client.writer(WriterOptions::default()).await?;
//! let (session, payee) = (SessionId::new("ses_…"), PayeeId::new("pay_…"));
//! let first = writer.submit(vec![Debit::new(&session, &payee, 600)]).await?;
//! let second = writer.submit(vec![Debit::new(&session, &payee, 600); 200]).await?;
//! let (first, second) = (first.await?, second.await?);
//! assert_eq!((first.len(), second.len()), (1, 200));
//! # Ok(())
//! # }
//! ```

mod backoff;
mod backup;
mod calls;
mod channel;
mod error;
mod ids;
mod key;
mod stopwatch;
mod tally;
mod writer;

#[cfg(any(test, feature = "fake"))]
#[doc(hidden)]
pub mod fake;
#[cfg(test)]
mod tests;

pub use backup::BackupStream;
pub use channel::{Client, ClientOptions};
pub use error::{ClientError, Happened};
pub use ids::{PayeeId, SessionId};
pub use key::{ApiKey, DrawnKey, Secret};
pub use stopwatch::Stopwatch;
pub use tally::{Difference, Notch, Tally, Unit};
pub use tallystick_proto::{admin, v1};
pub use writer::{Answer, Debit, Ticket, Writer, WriterOptions};
