//! Owns: `tallystick token`: issue, amend, refresh, look at tokens, and draw the tree of what they and sessions leave.
//! Never: a rule about money; those are the server's. Never keeps a secret.

mod amend;
mod issue;
mod tree;

use crate::{
    Failure,
    desk::{Desk, Limit, Reach, Said},
    ids,
    show::{self, Declined, Shown},
};
use clap::{Args, Subcommand};
use tallystick_client::v1::{self, Outcome, Token};

/// Takes `tallystick token`.
#[derive(Debug, Args)]
pub struct TokenArgs {
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(subcommand)]
    pub(crate) command: TokenCommand,
}

/// Is what can be done with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Issue a token under an account or under another token; with --every or --each, a standing mandate.
    Issue(Box<issue::IssueArgs>),
    /// Narrow a token, or widen it on new evidence.
    Amend(Box<amend::AmendArgs>),
    /// Yield the token of the period that it is now, and the next refresh secret.
    Refresh(RefreshArgs),
    /// Show a token: all of it to operators; with --secret, what whoever holds it may see.
    Show {
        /// The token, tok_…
        #[arg(value_parser = ids::token)]
        token: String,
        /// Its secret.
        #[arg(long, value_name = "SECRET", env = "TALLYSTICK_SECRET", hide_env_values = true)]
        secret: Option<String>,
    },
    /// List the open tokens of an account.
    List {
        /// The account, acc_…
        #[arg(value_parser = ids::account)]
        account: String,
        #[command(flatten)]
        limit: Limit,
    },
    /// Draw what is open below an account, a token or a session: cap, spent, held, set aside, available, and which limit says no
    /// first.
    Tree {
        /// acc_…, tok_… or ses_…
        #[arg(value_parser = ids::envelope)]
        root: String,
    },
}

/// Takes what refreshes a standing mandate.
#[derive(Debug, Args)]
pub(crate) struct RefreshArgs {
    /// The standing mandate, or the token of its last period: tok_…
    #[arg(value_parser = ids::token)]
    token: String,
    /// The refresh secret.
    #[arg(long, value_name = "SECRET", env = "TALLYSTICK_REFRESH_SECRET", hide_env_values = true)]
    secret: String,
    /// The SHA-256 of the next refresh secret, 64 hexadecimal digits; the server derives one when absent.
    #[arg(long, value_name = "HEX")]
    next_secret_hash: Option<String>,
    /// The SHA-256 of the new token's secret, 64 hexadecimal digits; the server derives one when absent.
    #[arg(long, value_name = "HEX")]
    token_secret_hash: Option<String>,
}

pub(crate) async fn run(command: TokenCommand, desk: &Desk) -> Result<Said, Failure> {
    match command {
        TokenCommand::Issue(args) => issue::run(*args, desk).await,
        TokenCommand::Amend(args) => amend::run(*args, desk).await,
        TokenCommand::Refresh(args) => refresh(args, desk).await,
        TokenCommand::Show { token, secret } => get(token, secret, desk).await,
        TokenCommand::List { account, limit } => list(&account, limit, desk).await,
        TokenCommand::Tree { root } => tree::run(&root, desk).await,
    }
}

async fn get(token_id: String, secret: Option<String>, desk: &Desk) -> Result<Said, Failure> {
    let doing = "show the token";
    let request = v1::GetTokenRequest { token_id, secret: secret.unwrap_or_default().into_bytes() };
    let answer = desk.call(doing, desk.client.get_token(request)).await?;
    let token = answer.token.ok_or(Failure::Answer { doing, missing: "token" })?;
    let shown = show::show_token(&token, desk.money);
    Ok(Said::done(shown.text(), shown.json()))
}

async fn list(account_id: &str, limit: Limit, desk: &Desk) -> Result<Said, Failure> {
    let (mut rows, mut page_token) = (Vec::<Token>::new(), String::new());
    loop {
        let account_id = account_id.to_owned();
        let request = v1::ListTokensRequest { account_id, page_size: limit.page_size(), page_token };
        let page = desk.call("list tokens", desk.client.list_tokens(request)).await?;
        rows.extend(page.tokens);
        page_token = page.next_page_token;
        if page_token.is_empty() || limit.is_passed(rows.len()) {
            let more = limit.cut(&mut rows);
            return Ok(show::tokens(&rows, more, (desk.look, desk.money)));
        }
    }
}

async fn refresh(args: RefreshArgs, desk: &Desk) -> Result<Said, Failure> {
    let hash = |field, text: &Option<String>| {
        text.as_deref().map(|text| issue::hash(field, text)).transpose().map(Option::unwrap_or_default)
    };
    let request = v1::RefreshTokenRequest {
        token_id: args.token.clone(),
        refresh_secret: args.secret.into_bytes(),
        new_refresh_secret_hash: hash("--next-secret-hash", &args.next_secret_hash)?,
        new_secret_hash: hash("--token-secret-hash", &args.token_secret_hash)?,
    };
    let answer = desk.call("refresh the token", desk.client.refresh_token(request)).await?;
    let shown = match &answer.token {
        Some(token) => show::show_token(token, desk.money),
        None => Shown::new().fact("token", args.token.as_str()),
    };
    let (carried, dropped) = (answer.carried_count, answer.dropped_count);
    let count = |count: u32| if count == 0 { String::new() } else { count.to_string() };
    let shown = shown
        .fact("generation", answer.generation.to_string())
        .fact("carried over", count(carried))
        .fact("found no room", count(dropped))
        .fact("secret", said_once(answer.secret.as_ref()))
        .fact("refresh secret", said_once(answer.refresh_secret.as_ref()))
        .fields(|fields| {
            let secret = |secret: &Option<v1::DerivedSecret>| {
                secret.as_ref().map(|secret| secret.secret.clone()).unwrap_or_default()
            };
            fields
                .put("outcome", "APPROVED")
                .put("generation", answer.generation)
                .put("carried_count", carried)
                .put("dropped_count", dropped)
                .text("secret", &secret(&answer.secret))
                .text("refresh_secret", &secret(&answer.refresh_secret))
        });
    let shown = shown.record(answer.seq, answer.replayed, answer.durability());
    if answer.outcome() == Outcome::Declined {
        let next = answer.next.as_ref();
        let declined = Declined { code: answer.code(), level: answer.level(), next, session: None };
        return Ok(declined.said("a refresh", shown, desk.money));
    }
    Ok(Said::done(shown.text(), shown.json()))
}

/// Writes a derived secret for whoever asked for it.
fn said_once(secret: Option<&v1::DerivedSecret>) -> String {
    secret.map(|secret| format!("{}  (keep it: it is not stored)", secret.secret)).unwrap_or_default()
}
