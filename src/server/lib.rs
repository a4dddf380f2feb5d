//! Owns: the composition root: configuration, clock, randomness, storage, engine and faces are chosen and put together
//! here, and taken apart in order at the end. The `tallystick` binary is a thin shell around it.
//! Never: a business rule.

mod background;
mod clock;
mod clock_watch;
pub mod config;
pub mod demo;
mod events;
mod fault;
mod ids;
pub mod logging;
mod ops;
mod readiness;
mod sealed_key;
mod serve;
mod signal;
mod transport;

pub use clock::AnchoredClock;
pub use config::Config;
pub use events::{JournalBell, LoggedEvents};
pub use fault::ServeFault;
pub use ids::OsIds;
pub use readiness::{Readiness, SERVICES, Unready};
pub use sealed_key::{FILE as SEALED_KEY_FILE, SealedKey};
pub use serve::{App, Listeners, serve};
pub use signal::Signals;
pub use tallystick_cli::Exit;
