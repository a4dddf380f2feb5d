//! Owns: the command line but for `serve`, `demo` and `check-config`: what can be typed, what is said to people and to
//! programs, and with which number the process ends. The `tallystick` binary takes [`Tools`] among its own commands.
//! Never: decides anything about money; changes a data folder; ends the process.

mod account;
mod advice;
mod desk;
mod exit;
mod failure;
mod fields;
mod ids;
mod journal;
mod key;
mod lookup;
mod moment;
mod money;
mod pay;
mod payee;
mod screen;
mod session;
mod settlement;
mod shell;
mod show;
mod stream;

pub use exit::Exit;

pub(crate) use failure::Failure;

use clap::Subcommand;
use desk::{Desk, Reach};
use tokio::runtime;

/// Is what the binary hands in.
#[derive(Debug)]
pub struct Surroundings {
    /// The whole command line, for completions and man pages.
    pub command: clap::Command,
    /// Writes a currency's number, as a journal holds it, as the text that callers use.
    pub currency_text: fn(u16) -> String,
}

/// Is one of the commands.
#[derive(Debug, Subcommand)]
pub enum Tools {
    /// Create, fund and look at accounts: where payers' money is.
    Account(account::AccountArgs),
    /// Register, block and look at payees: who is owed.
    Payee(payee::PayeeArgs),
    /// Open, raise and look at sessions: bounded runs of spending.
    Session(session::SessionArgs),
    /// Pay a payee out of a session: one debit.
    Pay(pay::PayArgs),
    /// Take a debit of an open session back, all or part of it.
    Reverse(pay::ReverseArgs),
    /// Pay every row of a CSV file.
    Stream(stream::StreamArgs),
    /// Close a session: one settlement of what was spent, the rest given back.
    Settle(settlement::SettleArgs),
    /// Look at settlements, or follow them as they are made.
    #[command(alias = "settlements")]
    Settlement(settlement::SettlementArgs),
    /// Say what became of a debit, whether its session is open or settled.
    Lookup(lookup::LookupArgs),
    /// Read a journal while no server has it open, and check every record of it.
    Journal(journal::JournalArgs),
    /// Write completions for a shell.
    Completions(shell::CompletionsArgs),
    /// Write the man page, or a man page for each command.
    Man(shell::ManArgs),
}

/// Runs one command to its end and says how the process should end. What it has to say goes to standard output; why it
/// failed, to standard error.
#[must_use]
pub fn run(tool: Tools, surroundings: Surroundings) -> Exit {
    let json = wants_json(&tool);
    let done = match tool {
        Tools::Account(args) => online(&args.reach, |desk| account::run(args.command, desk)),
        Tools::Payee(args) => online(&args.reach, |desk| payee::run(args.command, desk)),
        Tools::Session(args) => online(&args.reach, |desk| session::run(args.command, desk)),
        Tools::Pay(args) => online(&args.reach.clone(), |desk| pay::pay(args, desk)),
        Tools::Reverse(args) => online(&args.reach.clone(), |desk| pay::reverse(args, desk)),
        Tools::Stream(args) => online(&args.reach.clone(), |desk| stream::run(args, desk)),
        Tools::Settle(args) => online(&args.reach.clone(), |desk| settlement::settle(args, desk)),
        Tools::Settlement(args) => online(&args.reach, |desk| settlement::run(args.command, desk)),
        Tools::Lookup(args) => online(&args.reach.clone(), |desk| lookup::run(args, desk)),
        Tools::Journal(args) => journal::run(args, surroundings.currency_text),
        Tools::Completions(args) => shell::completions(&args, surroundings.command),
        Tools::Man(args) => shell::man(&args, surroundings.command),
    };
    done.unwrap_or_else(|failure| {
        let line = if json { failure.json().to_string() } else { format!("tallystick: {failure}") };
        screen::complain(&line);
        failure.exit()
    })
}

fn wants_json(tool: &Tools) -> bool {
    let reach = match tool {
        Tools::Account(args) => &args.reach,
        Tools::Payee(args) => &args.reach,
        Tools::Session(args) => &args.reach,
        Tools::Pay(args) => &args.reach,
        Tools::Reverse(args) => &args.reach,
        Tools::Stream(args) => &args.reach,
        Tools::Settle(args) => &args.reach,
        Tools::Settlement(args) => &args.reach,
        Tools::Lookup(args) => &args.reach,
        Tools::Journal(args) => return args.output.json,
        Tools::Completions(_) | Tools::Man(_) => return false,
    };
    reach.output.json
}

/// Runs what speaks to a server.
fn online<F: Future<Output = Result<Exit, Failure>>>(
    reach: &Reach,
    work: impl FnOnce(Desk) -> F,
) -> Result<Exit, Failure> {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(Failure::io("start"))?;
    runtime.block_on(async { work(Desk::open(reach)?).await })
}
