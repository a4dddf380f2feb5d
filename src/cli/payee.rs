//! Owns: `tallystick payee`: register, block, look at payees. Never: a rule about money; those are the server's.

use crate::{
    Failure,
    desk::{Desk, Limit, Reach, Said},
    ids,
    key::KeyArg,
    show,
};
use clap::{Args, Subcommand};
use tallystick_client::v1;

/// Takes `tallystick payee`.
#[derive(Debug, Args)]
pub struct PayeeArgs {
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(subcommand)]
    pub(crate) command: PayeeCommand,
}

/// Is what can be done with payees.
#[derive(Debug, Subcommand)]
pub(crate) enum PayeeCommand {
    /// Register a payee, active at once.
    Create {
        /// Its name.
        name: String,
        #[command(flatten)]
        key: KeyArg,
    },
    /// Show a payee and what it is owed.
    Show {
        /// The payee, pay_…
        #[arg(value_parser = ids::payee)]
        payee: String,
    },
    /// List payees.
    List(Limit),
    /// Block a payee: once this is said, no later debit to it is approved, in any session.
    Block {
        /// The payee, pay_…
        #[arg(value_parser = ids::payee)]
        payee: String,
    },
}

pub(crate) async fn run(command: PayeeCommand, desk: &Desk) -> Result<Said, Failure> {
    match command {
        PayeeCommand::Create { name, key } => create(name, key, desk).await,
        PayeeCommand::Show { payee } => get(payee, desk).await,
        PayeeCommand::List(limit) => list(limit, desk).await,
        PayeeCommand::Block { payee } => block(payee, desk).await,
    }
}

async fn create(name: String, key: KeyArg, desk: &Desk) -> Result<Said, Failure> {
    let doing = "register the payee";
    let key = key.take()?;
    let request = v1::CreatePayeeRequest { idempotency_key: key.clone(), name };
    let answer = desk.keyed(doing, &key, desk.client.create_payee(request)).await?;
    let payee = answer.payee.as_ref().ok_or(Failure::Answer { doing, missing: "payee" })?;
    let shown = show::show_payee(payee, desk.money).record(answer.seq, answer.replayed, answer.durability());
    Ok(Said::done(shown.text(), shown.json()))
}

async fn get(payee_id: String, desk: &Desk) -> Result<Said, Failure> {
    let doing = "show the payee";
    let answer = desk.call(doing, desk.client.get_payee(v1::GetPayeeRequest { payee_id })).await?;
    let payee = answer.payee.as_ref().ok_or(Failure::Answer { doing, missing: "payee" })?;
    let shown = show::show_payee(payee, desk.money);
    Ok(Said::done(shown.text(), shown.json()))
}

async fn list(limit: Limit, desk: &Desk) -> Result<Said, Failure> {
    let (mut rows, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListPayeesRequest { page_size: limit.page_size(), page_token };
        let page = desk.call("list payees", desk.client.list_payees(request)).await?;
        rows.extend(page.payees);
        page_token = page.next_page_token;
        if page_token.is_empty() || limit.is_passed(rows.len()) {
            let more = limit.cut(&mut rows);
            return Ok(show::payees(&rows, more, (desk.look, desk.money)));
        }
    }
}

async fn block(payee_id: String, desk: &Desk) -> Result<Said, Failure> {
    let doing = "block the payee";
    let answer = desk.call(doing, desk.client.block_payee(v1::BlockPayeeRequest { payee_id })).await?;
    let payee = answer.payee.as_ref().ok_or(Failure::Answer { doing, missing: "payee" })?;
    let shown = show::show_payee(payee, desk.money).record(answer.seq, answer.replayed, answer.durability());
    Ok(Said::done(shown.text(), shown.json()))
}
