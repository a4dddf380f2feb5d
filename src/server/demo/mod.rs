//! Owns: `tallystick demo`, the whole life of the authorizer in one run: fund, open, stream, crash, recover, settle, audit.
//! Never: reaches into the server; it is a separate process, and everything is asked over the wire.

mod args;
mod audit;
mod child;
mod crash;
mod drive;
mod error;
mod generator;
mod plan;
mod report;
mod screen;
mod setup;
mod table;
mod trace;

pub use args::{DemoArgs, DurabilityArg};
pub use error::DemoError;

use audit::Audit;
use child::{Server, ServerCommand};
use crash::Recovery;
use drive::Heard;
use plan::Plan;
use report::{Report, Timing};
use screen::{Progress, Screen, grouped};
use setup::Stage;
use std::{sync::Arc, time::Duration};
use tallystick_client::{Client, Stopwatch};

/// Holds what every part of a run looks at.
#[derive(Debug)]
struct Scene {
    args: DemoArgs,
    /// Where the requests came from, in words.
    workload: String,
    plan: Plan,
    stage: Stage,
    progress: Progress,
    screen: Screen,
}

/// Runs the demo, prints its figures, and writes them to the report.
///
/// *Errors*: a difference in the audit too, after everything was printed. The server is stopped in every case.
pub async fn run(args: DemoArgs) -> Result<(), DemoError> {
    tokio::select! {
        done = play(args) => done,
        () = stop_asked() => Err(DemoError::Interrupted),
    }
}

async fn play(args: DemoArgs) -> Result<(), DemoError> {
    let screen = Screen::new();
    let (plan, workload) = plan(&args)?;
    let folder = tempfile::tempdir().map_err(DemoError::io("make a temporary folder"))?;
    let command = ServerCommand::new(&args, folder.path())?;
    let server = command.start("127.0.0.1:0").await?;
    screen
        .announce("server", &format!("{}, {}, on an empty folder", server.address, args.durability.as_str()));
    let uri = server.uri();
    let client = Client::connect(&uri).map_err(DemoError::call("connect"))?;
    let stage = Stage::set(&client, &plan).await?;
    announce_stage(&screen, &plan);
    let progress = Progress::new(&screen, plan.debits);
    let scene = Arc::new(Scene { args, workload, plan, stage, progress, screen });

    let (server, heard, timing) = stream(&scene, &command, server, &uri).await?;
    let audit = Audit::run(&client, &scene, &heard.tally).await?;
    server.kill().await?;

    let report = Report::new(&scene, &heard, &audit, &timing);
    scene.screen.print(&table::render(&report));
    report.write(&scene.args.report)?;
    conclude(&audit)
}

/// Streams everything, with the crash in the middle unless it is not wanted.
async fn stream(
    scene: &Arc<Scene>,
    command: &ServerCommand,
    server: Server,
    uri: &str,
) -> Result<(Server, Heard, Timing), DemoError> {
    scene.screen.begin(scene.plan.debits);
    let since_start = Stopwatch::start();
    let streamed = async {
        let heard = drive::stream_all(scene, uri).await?;
        Ok::<_, DemoError>((heard, since_start.elapsed()))
    };
    let crashed = async {
        if scene.args.no_kill {
            return Ok((server, None));
        }
        let (server, recovery) = crash::crash_and_recover(scene, command, server).await?;
        Ok((server, Some(recovery)))
    };
    let ((heard, streaming), (server, recovery)) = tokio::try_join!(streamed, crashed)?;
    scene.screen.end();
    let outage = recovery.map_or(Duration::ZERO, |recovery: Recovery| recovery.recovery);
    Ok((server, heard, Timing { streaming, outage, recovery }))
}

fn plan(args: &DemoArgs) -> Result<(Plan, String), DemoError> {
    let (requests, workload) = match &args.trace {
        Some(file) => (trace::read(file)?, format!("as recorded in {}", file.display())),
        None => {
            let requests = generator::requests(args.requests, args.seed);
            (requests, format!("made up in the shape of a real trace (seed {})", args.seed))
        }
    };
    Ok((Plan::new(&requests, args.agents, args.seed)?, workload))
}

fn announce_stage(screen: &Screen, plan: &Plan) {
    let facts = format!(
        "{} prepaid accounts, {} payees, {} capped sessions",
        plan::ACCOUNT_COUNT,
        plan::PAYEES.len(),
        grouped(plan.agents.len() as u64)
    );
    screen.announce("opened", &facts);
    let facts = format!(
        "{} requests: each context is one debit, each generated token is one; {} in all",
        grouped(plan.requests),
        grouped(plan.debits)
    );
    screen.announce("streaming", &facts);
}

fn conclude(audit: &Audit) -> Result<(), DemoError> {
    match audit.differences.first() {
        None => Ok(()),
        Some(first) => Err(DemoError::Difference {
            count: audit.differences.len(),
            nanos: audit.difference_nanos(),
            first: report::describe(first),
        }),
    }
}

/// Waits for Ctrl-C or a polite request to end; what is dropped then takes the server with it.
async fn stop_asked() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        Ok(()) = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
