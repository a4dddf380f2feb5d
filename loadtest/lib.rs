//! Owns: load against a running server, and the audit of every answer it got. Measures; never ships.
//! Never: starts a server, or reports a rate without its latency, its durability and its audit.
//!
//! NOTE: two loops, for two questions. The *closed* one sends again only when an answer came: it shows the most that a
//! server can do with so many in flight, and understates what callers wait under overload, since it asks less then. The
//! *open* one keeps to a schedule whatever the answers do, and measures from the intended start: it shows what callers
//! wait at a given rate. What keeps an open loop honest is in `drive/lean/pace.rs` and `drive/pacer.rs`; a run that could not keep its schedule
//! says so.
//!
//! NOTE: two drivers: the *lean* one shows what the server can do, the *client* what a user of the Rust client gets out of a
//! machine that both share.

mod args;
mod audit;
mod drive;
mod error;
mod figures;
mod ghz;
mod progress;
mod report;
mod schedule;
mod stage;
mod suite;

pub use args::{Arrivals, AuditArgs, BatchArgs, Cli, Command, Driver, LoadArgs, Mode, StageArgs, SuiteArgs};
pub use error::LoadError;
pub use ghz::{Ghz, audit as audit_ghz, stage as stage_for_ghz};
pub use report::Report;
pub use suite::{Suite, run as run_suite};

use stage::{Size, Stage};
use std::sync::Arc;
use tallystick_client::Client;

/// Runs the load as often as asked, and audits each run.
///
/// *Errors*: calls that fail; differences are in the report.
pub async fn run(mode: Mode, args: &LoadArgs) -> Result<Report, LoadError> {
    let client = Client::connect(&args.uri()).map_err(LoadError::call("connect"))?;
    let label = stage::label(&client).await?;
    let payees = stage::payees(&client, &label, args.payees).await?;
    let mut report = Report::new(mode, args);
    for run in 0..args.runs {
        let stage = Arc::new(Stage::set(&client, Size::of(args), &format!("{label}-{run}"), &payees).await?);
        let before = audit::positions(&client, &payees).await?;
        let heard = drive::load(mode, args, args.seed.wrapping_add(run.into()), &stage).await?;
        let settled = audit::settle(&client, &stage, before).await?;
        let audit = audit::compare(&stage, &heard.ledger.tally(&stage), &settled);
        report.add(&heard, &audit);
    }
    Ok(report)
}
