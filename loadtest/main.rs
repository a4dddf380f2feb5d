//! Owns: the `tallystick-loadtest` program: words in, table and JSON out, exit code. Never: measures.

use clap::Parser as _;
use std::{io::Write as _, process::ExitCode};
use tallystick_loadtest::{Args, LoadError, run};

#[tokio::main]
async fn main() -> ExitCode {
    match load(&Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nobody to read it is no reason to fail differently.
            drop(writeln!(std::io::stderr().lock(), "error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Returns whether every answer was audited without a difference.
async fn load(args: &Args) -> Result<bool, LoadError> {
    let report = run(args).await?;
    // As above.
    drop(writeln!(std::io::stdout().lock(), "{}", report.table()));
    report.write(&args.report)?;
    Ok(report.is_clean())
}
