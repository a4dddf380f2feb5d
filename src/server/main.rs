//! Owns: the command line, the runtime, standard output, and the exit code. Never: anything a test would want to call.

use clap::{CommandFactory as _, Parser, Subcommand};
use std::{
    fmt::Display,
    io::{self, Write as _},
    net::SocketAddr,
    process::ExitCode,
    time::Duration,
};
use tallystick_cli::{Surroundings, Tools};
use tallystick_core::Currency;
use tallystick_server::{
    App, Config, Exit, Listeners, ServeFault, Signals,
    config::{self, Effective, Flags},
    demo::{self, DemoArgs},
    logging,
};
use tokio::{net::TcpListener, runtime};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long tasks that hang in the disk may hold up the end of the process.
const RUNTIME_STOP: Duration = Duration::from_secs(1);

/// Authorizes streams of micropayments under ceilings approved once, durably, and settles each session once.
#[derive(Debug, Parser)]
#[command(name = "tallystick", version, after_help = Exit::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT; prints `listening on ADDRESS` once ready, then where operators ask; at the first start, a key.
    Serve(Flags),
    /// Run the whole life of the authorizer once: fund, open, stream, crash, recover, settle, audit.
    Demo(DemoArgs),
    /// Check the configuration and print what `serve` would run with.
    CheckConfig(Flags),
    #[command(flatten)]
    Tools(Tools),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refused(&error).into(),
    };
    let exit = match cli.command {
        Command::Serve(flags) => with_config(&flags, |effective| serve(effective.config)),
        Command::Demo(args) => play(args),
        Command::CheckConfig(flags) => with_config(&flags, |effective| {
            say(&effective);
            Exit::Done
        }),
        Command::Tools(tool) => {
            let currency_text = |number| tallystick_rpc::currency_text(Currency::from_number(number));
            tallystick_cli::run(tool, Surroundings { command: Cli::command(), currency_text })
        }
    };
    exit.into()
}

/// Prints what clap has to say: help and version are no mistakes.
fn refused(error: &clap::Error) -> Exit {
    // Whoever closed our output does not want to read this.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Done }
}

fn with_config(flags: &Flags, go_on: impl FnOnce(Effective) -> Exit) -> Exit {
    match config::load(flags, |name| std::env::var_os(name)) {
        Ok(effective) => go_on(effective),
        Err(problems) => {
            complain(&problems);
            Exit::Usage
        }
    }
}

fn serve(config: Config) -> Exit {
    logging::start(config.log_format, config.log_level);
    let built = runtime::Builder::new_multi_thread()
        .worker_threads(config.worker_threads)
        .thread_name("tallystick-io")
        .enable_all()
        .build();
    let served = built.map_err(ServeFault::from).and_then(|runtime| {
        let served = runtime.block_on(listen_and_serve(config));
        runtime.shutdown_timeout(RUNTIME_STOP);
        served
    });
    match served {
        Ok(()) => Exit::Done,
        Err(fault) => {
            complain(&fault);
            fault.exit()
        }
    }
}

fn play(args: DemoArgs) -> Exit {
    let built = runtime::Builder::new_multi_thread().enable_all().build();
    let Ok(runtime) = built.inspect_err(|error| complain(error)) else { return Exit::Failed };
    match runtime.block_on(demo::run(args)) {
        Ok(()) => Exit::Done,
        Err(fault) => {
            complain(&fault);
            Exit::Failed
        }
    }
}

async fn listen_and_serve(config: Config) -> Result<(), ServeFault> {
    // ORDER: signals before anything slow, so that a stop during recovery is not lost; ports before the past is read,
    // so that one that is taken is known at once.
    let signals = Signals::listen()?;
    let service = bind("listen", config.listen).await?;
    let ops = match config.ops_listen {
        Some(address) => Some(bind("ops_listen", address).await?),
        None => None,
    };
    let mut app = App::start(config, Listeners { service, ops }).await?;
    say(&format_args!("listening on {}\n", app.address()?));
    if let Some(address) = app.ops_address() {
        say(&format_args!("operations listening on {address}\n"));
    }
    if let Some(key) = app.take_development_key() {
        // Shown here and nowhere else: the log is kept, and read by others.
        say(&format_args!("development key {key} (shown once; every role; heard from this machine only)\n"));
    }
    app.run(signals.stop_asked()).await
}

async fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, ServeFault> {
    TcpListener::bind(address).await.map_err(|source| ServeFault::Bind { key, address, source })
}

/// Writes to standard output. Whoever closed it does not want to know, and serving goes on.
fn say(text: &dyn Display) {
    let mut out = io::stdout().lock();
    let _ = write!(out, "{text}").and_then(|()| out.flush());
}

/// Writes a line to standard error, which may be on the disk that is full.
fn complain(text: &dyn Display) {
    let _ = writeln!(io::stderr().lock(), "tallystick: {text}");
}
