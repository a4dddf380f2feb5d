//! Owns: the `tallystick-loadtest` program: words in, tables and JSON out, exit code. Never: measures.

use clap::Parser as _;
use std::{fmt::Display, io::Write as _, process::ExitCode};
use tallystick_loadtest::{
    Cli, Command, LoadArgs, LoadError, Mode, audit_ghz, run, run_suite, stage_for_ghz,
};
use tokio::runtime::{Builder, Runtime};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let done =
        runtime(command.threads()).map_err(LoadError::Io).and_then(|runtime| runtime.block_on(obey(command)));
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nobody to read it is no reason to fail differently.
            drop(writeln!(std::io::stderr().lock(), "error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Makes a runtime of so many threads, of which one is this.
fn runtime(threads: usize) -> std::io::Result<Runtime> {
    match threads {
        0 | 1 => Builder::new_current_thread().enable_all().build(),
        more => Builder::new_multi_thread().worker_threads(more).enable_all().build(),
    }
}

/// Returns whether every answer was audited without a difference.
async fn obey(command: Command) -> Result<bool, LoadError> {
    match command {
        Command::Unary(args) => load(Mode::Unary, &args).await,
        Command::Stream(args) => load(Mode::Stream, &args).await,
        Command::Batch(args) => load(Mode::Batch { debits: args.batch }, &args.load).await,
        Command::Suite(args) => {
            let suite = run_suite(&args, |report| say(&report.table())).await?;
            suite.write(&args.report)?;
            Ok(suite.is_clean())
        }
        Command::Stage(args) => {
            say(&stage_for_ghz(&args).await?);
            Ok(true)
        }
        Command::Audit(args) => {
            let ghz = audit_ghz(&args).await?;
            say(&ghz);
            Ok(ghz.is_clean())
        }
    }
}

async fn load(mode: Mode, args: &LoadArgs) -> Result<bool, LoadError> {
    let report = run(mode, args).await?;
    say(&report.table());
    report.write(&args.report)?;
    Ok(report.is_clean())
}

fn say(text: &impl Display) {
    // As above: a closed pipe must not hide the exit code.
    drop(writeln!(std::io::stdout().lock(), "{text}"));
}
