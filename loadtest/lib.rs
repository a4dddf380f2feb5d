//! Owns: load against a running server, and the audit of every answer it got. Measures; never ships.
//! Never: starts a server, or reports a rate without its latency, its durability and its audit.
//!
//! NOTE: this is a closed loop: each connection sends again only when an answer came. When the server is slow, a closed
//! loop asks less, so the waiting that real callers would do is not in its latencies: under overload they are
//! understated. Read the rates as "at most this many", and the latencies as "with this many in flight". An open loop,
//! which measures from the intended start, comes later.

mod args;
mod audit;
mod drive;
mod error;
mod report;
mod stage;

pub use args::{Args, Mode};
pub use error::LoadError;
pub use report::Report;

use stage::Stage;
use tallystick_client::Client;

/// Runs the load as often as asked, and audits each run.
///
/// *Errors*: calls that fail; differences are in the report.
pub async fn run(args: &Args) -> Result<Report, LoadError> {
    let uri = args.uri();
    let client = Client::connect(&uri).map_err(LoadError::call("connect"))?;
    let label = stage::label(&client).await?;
    let payees = stage::payees(&client, &label, args.payees).await?;
    let mut report = Report::new(args);
    for run in 0..args.runs {
        let stage = Stage::set(&client, args, &format!("{label}-{run}"), &payees).await?;
        let before = audit::positions(&client, &stage).await?;
        let heard = drive::load(args, &uri, &stage).await?;
        let audit = audit::settle_and_compare(&client, &stage, &heard, &before).await?;
        report.add(&heard, audit);
    }
    Ok(report)
}
