//! Owns: the `tallystick-bench` program: which parts are measured, where the table goes, exit code. It answers "how much?" for
//! every promise in the README, beside what the same machine does without us.
//! Never: a figure that was not measured in this run; a figure of answers that did not add up.

mod cell;
mod checkpoints;
mod child;
mod disk;
mod drawing;
mod echo;
mod fault;
mod fill;
mod growth;
mod line;
mod load;
mod machine;
mod plan;
mod recovery;
mod scaling;
mod speed;
mod tools;

use cell::Point;
use clap::Parser;
use fault::Fault;
use line::{Line, table, write_json};
use machine::Machine;
use plan::Plan;
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// As the server's, whose memory and speed are measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures what Tallystick promises, beside the ceilings of the machine.
#[derive(Debug, Parser)]
#[command(name = "tallystick-bench")]
struct Cli {
    #[command(subcommand)]
    part: Part,

    /// The folder that the figures go to.
    #[arg(long, global = true, default_value = "target/report")]
    report: PathBuf,

    /// Where servers keep their data; the system's folder for temporary files unless given.
    #[arg(long, global = true, value_name = "FOLDER")]
    data: Option<PathBuf>,

    /// How many sessions "very many" are.
    #[arg(long, global = true, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(10_000..=10_000_000))]
    sessions_most: u64,
}

#[derive(Debug, clap::Subcommand)]
enum Part {
    /// Throughput and latency, in under a minute.
    Quick,
    /// Everything.
    Full {
        /// Where a copy of the drawing of growth goes.
        #[arg(long, value_name = "FILE")]
        drawing: Option<PathBuf>,
    },
    /// What a debit and a session cost as sessions and payees grow.
    Growth {
        /// Where a copy of the drawing goes.
        #[arg(long, value_name = "FILE")]
        drawing: Option<PathBuf>,
    },
    /// One core against two, few locks against many.
    Scaling,
    /// How fast a killed server is back, and what very many sessions cost it in memory.
    Recovery,
    /// What checkpoints add to the wait at full load.
    Checkpoints,
    /// Answer whatever is asked: the ceiling.
    #[command(hide = true)]
    Echo,
    /// Load a server as the words of the load test say, and print the figures as JSON.
    #[command(hide = true)]
    Drive {
        /// The words.
        #[arg(last = true)]
        words: Vec<String>,
    },
    /// Measure one point of growth, and print it as JSON.
    #[command(hide = true)]
    Cell(Point),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = tokio::runtime::Runtime::new().map_err(Fault::io("start a runtime")).and_then(|runtime| {
        let ended = runtime.block_on(async {
            // So that no child outlives us.
            tokio::select! {
                ended = obey(cli) => ended,
                () = stop_asked() => Err(Fault::unfit("stopped", "nothing is written")),
            }
        });
        // A folder that is being filled is not waited for.
        runtime.shutdown_background();
        ended
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            // Nobody to read it is no reason to fail differently.
            drop(writeln!(std::io::stderr().lock(), "error: {fault}"));
            ExitCode::FAILURE
        }
    }
}

async fn obey(cli: Cli) -> Result<(), Fault> {
    let Cli { part, report, data, sessions_most } = cli;
    let plan = |quick| Plan::new(quick, sessions_most, report, data);
    match part {
        Part::Quick => measure(&plan(true), None).await,
        Part::Full { drawing } => measure(&plan(false), drawing.as_deref()).await,
        Part::Growth { drawing } => growth::measure(&plan(false), drawing.as_deref()).await.map(drop),
        Part::Scaling => {
            let plan = plan(false);
            plan.say(Machine::look(plan.data())?.words());
            scaling::measure(&plan).await
        }
        Part::Recovery => recovery::measure(&plan(false)).await.map(drop),
        Part::Checkpoints => checkpoints::measure(&plan(false)).await.map(drop),
        Part::Echo => echo::serve().await,
        Part::Drive { words } => print(&load::drive(&words).await?),
        Part::Cell(point) => print(&cell::here(point)),
    }
}

/// Prints what another process of this program reads.
fn print(found: &impl serde::Serialize) -> Result<(), Fault> {
    let text = serde_json::to_string(found).map_err(|error| Fault::unfit("JSON", error))?;
    writeln!(std::io::stdout().lock(), "{text}").map_err(Fault::io("print"))
}

async fn measure(plan: &Plan, drawing: Option<&Path>) -> Result<(), Fault> {
    let mut machine = Machine::look(plan.data())?;
    plan.say(machine.words());
    let mut lines = speed::measure(plan).await?;
    // Written after each part, so that a later one that fails takes nothing along.
    write(plan, &mut machine, &lines)?;
    if !plan.quick {
        lines.extend(checkpoints::measure(plan).await?);
        write(plan, &mut machine, &lines)?;
        lines.extend(growth::measure(plan, drawing).await?);
        write(plan, &mut machine, &lines)?;
        lines.extend(recovery::measure(plan).await?);
        write(plan, &mut machine, &lines)?;
    }
    plan.say(format_args!("\n{}\n{}", machine.words(), table(&lines)));
    machine.remarks.iter().for_each(|remark| plan.say(remark));
    plan.say(format_args!("figures in {}", plan.report.join("bench.json").display()));
    Ok(())
}

/// Writes the figures, and what they were measured on.
fn write(plan: &Plan, machine: &mut Machine, lines: &[Line]) -> Result<(), Fault> {
    machine.remarks = plan.remarks();
    write_json(&lines, &plan.report.join("bench.json"))?;
    write_json(machine, &plan.report.join("bench-machine.json"))
}

async fn stop_asked() {
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}
