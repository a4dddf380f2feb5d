//! Owns: the command line but for `serve`, `demo` and `check-config`: what can be typed, what is said to people and to
//! programs, and with which number the process ends. The `tallystick` binary takes [`Tools`] among its own commands.
//! Never: decides anything about money; changes a data folder that is there; ends the process.

mod account;
mod advice;
mod backup;
mod credential;
mod desk;
mod exit;
mod failure;
mod fields;
mod hold;
mod ids;
mod journal;
mod key;
mod lookup;
mod moment;
mod money;
mod pay;
mod payee;
mod restore;
mod screen;
mod session;
mod settlement;
mod shell;
mod show;
mod stop;
mod stream;
#[cfg(test)]
mod tests;
mod token;
mod velocity;

pub use exit::Exit;

pub(crate) use failure::Failure;

use clap::Subcommand;
use desk::{Desk, Output, Reach, Said};
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
    /// Make, revoke and look at credentials: who may ask, and for what.
    Credential(credential::CredentialArgs),
    /// Open, raise and look at sessions: bounded runs of spending.
    Session(session::SessionArgs),
    /// Issue, amend, refresh and look at tokens: standing authority, and the tree of what it leaves.
    #[command(alias = "tokens")]
    Token(token::TokenArgs),
    /// Pay a payee out of a session: one debit.
    Pay(pay::PayArgs),
    /// Promise an amount to a payee: set it aside, to be captured later.
    Hold(hold::HoldArgs),
    /// Take an amount out of a hold.
    Capture(hold::CaptureArgs),
    /// End a hold, and give back what it still holds.
    Void(hold::VoidArgs),
    /// Take a debit of an open session back, all or part of it.
    Reverse(pay::ReverseArgs),
    /// Pay every row of a CSV file.
    Stream(stream::StreamArgs),
    /// Close a session: one settlement of what was spent, the rest given back.
    Settle(settlement::SettleArgs),
    /// Stop a session, a token, an account or a front-end for now: no debits and no holds below it, but captures.
    Pause(stop::PauseArgs),
    /// End a pause of the same.
    Resume(stop::ResumeArgs),
    /// Stop the same for good; what was spent is settled, the rest given back.
    Revoke(stop::RevokeArgs),
    /// Look at settlements, or follow them as they are made.
    #[command(alias = "settlements")]
    Settlement(settlement::SettlementArgs),
    /// Say what became of a debit, whether its session is open or settled.
    Lookup(lookup::LookupArgs),
    /// Read a journal while no server has it open, and check every record of it.
    Journal(journal::JournalArgs),
    /// Copy a data folder into a backup while a server serves it, or prove a backup.
    Backup(backup::BackupArgs),
    /// Make a data folder out of a backup, up to any seq or time that it covers.
    Restore(restore::RestoreArgs),
    /// Write completions for a shell.
    Completions(shell::CompletionsArgs),
    /// Write the man page, or a man page for each command.
    Man(shell::ManArgs),
}

/// Runs one command to its end and says how the process should end. What it has to say goes to standard output; why it
/// failed, to standard error.
#[must_use]
pub fn run(tool: Tools, surroundings: Surroundings) -> Exit {
    let json = tool.output().json;
    let done = match tool {
        Tools::Journal(args) => journal::run(args, surroundings.currency_text),
        Tools::Backup(args) => backup::run(&args),
        Tools::Restore(args) => restore::run(&args),
        Tools::Completions(args) => shell::completions(&args, surroundings.command),
        Tools::Man(args) => shell::man(&args, surroundings.command),
        online => ask(online),
    };
    match done {
        Ok(said) => said.tell(json),
        Err(failure) => {
            let line = if json { failure.json().to_string() } else { format!("tallystick: {failure}") };
            screen::complain(&line);
            failure.exit()
        }
    }
}

/// Runs a command that speaks to a server.
fn ask(tool: Tools) -> Result<Said, Failure> {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(Failure::io("start"))?.block_on(answer(tool))
}

async fn answer(tool: Tools) -> Result<Said, Failure> {
    let Some(reach) = tool.reach() else { return Ok(Said::nothing()) };
    let desk = Desk::open(reach)?;
    match tool {
        Tools::Account(args) => account::run(args.command, &desk).await,
        Tools::Payee(args) => payee::run(args.command, &desk).await,
        Tools::Credential(args) => credential::run(args.command, &desk).await,
        Tools::Session(args) => session::run(args.command, &desk).await,
        Tools::Token(args) => token::run(args.command, &desk).await,
        Tools::Pay(args) => pay::pay(args, &desk).await,
        Tools::Hold(args) => hold::hold(args, &desk).await,
        Tools::Capture(args) => hold::capture(args, &desk).await,
        Tools::Void(args) => hold::void(args, &desk).await,
        Tools::Reverse(args) => pay::reverse(args, &desk).await,
        Tools::Stream(args) => stream::run(args, &desk).await,
        Tools::Settle(args) => settlement::settle(args, &desk).await,
        Tools::Pause(args) => stop::pause(args, &desk).await,
        Tools::Resume(args) => stop::resume(args, &desk).await,
        Tools::Revoke(args) => stop::revoke(args, &desk).await,
        Tools::Settlement(args) => settlement::run(args.command, &desk).await,
        Tools::Lookup(args) => lookup::run(args, &desk).await,
        Tools::Journal(_) | Tools::Backup(_) | Tools::Restore(_) | Tools::Completions(_) | Tools::Man(_) => {
            Ok(Said::nothing())
        }
    }
}

impl Tools {
    /// Returns where the server is, for what speaks to one.
    fn reach(&self) -> Option<&Reach> {
        Some(match self {
            Self::Account(args) => &args.reach,
            Self::Payee(args) => &args.reach,
            Self::Credential(args) => &args.reach,
            Self::Session(args) => &args.reach,
            Self::Token(args) => &args.reach,
            Self::Pay(args) => &args.reach,
            Self::Hold(args) => &args.reach,
            Self::Capture(args) => &args.reach,
            Self::Void(args) => &args.reach,
            Self::Reverse(args) => &args.reach,
            Self::Stream(args) => &args.reach,
            Self::Settle(args) => &args.reach,
            Self::Pause(args) => &args.reach,
            Self::Resume(args) => &args.reach,
            Self::Revoke(args) => &args.reach,
            Self::Settlement(args) => &args.reach,
            Self::Lookup(args) => &args.reach,
            Self::Journal(_) | Self::Backup(_) | Self::Restore(_) | Self::Completions(_) | Self::Man(_) => {
                return None;
            }
        })
    }

    fn output(&self) -> Output {
        match self {
            Self::Journal(args) => args.output,
            Self::Backup(args) => args.output,
            Self::Restore(args) => args.output,
            other => other.reach().map(|reach| reach.output).unwrap_or_default(),
        }
    }
}
