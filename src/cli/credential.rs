//! Owns: `tallystick credential`: who may ask a server, and for what. Keys are drawn here, shown once, and sent as a hash.
//! Never: keeps a key.

use crate::{
    Failure,
    desk::{Desk, Limit, Reach, Said},
    ids,
    key::KeyArg,
    show,
};
use clap::{Args, Subcommand};
use tallystick_client::{DrawnKey, v1};
use tallystick_core::role::{Role, Roles};

/// Takes `tallystick credential`.
#[derive(Debug, Args)]
pub struct CredentialArgs {
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(subcommand)]
    pub(crate) command: CredentialCommand,
}

/// Is what can be done with credentials.
#[derive(Debug, Subcommand)]
pub(crate) enum CredentialCommand {
    /// Draw an API key and make a credential of it. The key is shown once, and kept nowhere.
    Create(CreateArgs),
    /// Show a credential.
    Show {
        /// The credential, cre_…
        #[arg(value_parser = ids::credential)]
        credential: String,
    },
    /// List credentials, those revoked included.
    List(Limit),
    /// Revoke a credential: once this is said, nothing is done that is asked with its key, on open streams neither.
    Revoke {
        /// The credential, cre_…
        #[arg(value_parser = ids::credential)]
        credential: String,
    },
}

/// Takes `tallystick credential create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// What people call it.
    name: String,
    /// What it may do, with commas between: fund, grant, authorize, collect, approve, stop, settle, payout, operate, audit; or
    /// `operator`, which is all of them but authorize.
    #[arg(long, value_name = "ROLES", value_parser = read_roles)]
    roles: Roles,
    /// Collect this payee's debits alone, pay_…
    #[arg(long, value_parser = ids::payee)]
    payee: Option<String>,
    /// See only the accounts that this front-end created.
    #[arg(long, value_name = "NAME")]
    front_end: Option<String>,
    #[command(flatten)]
    key: KeyArg,
}

fn read_roles(text: &str) -> Result<Roles, String> {
    text.parse().map_err(|()| {
        let all: Vec<_> = Roles::ALL.iter().map(Role::name).collect();
        format!("must be some of {}, with commas between, or operator", all.join(", "))
    })
}

pub(crate) async fn run(command: CredentialCommand, desk: &Desk) -> Result<Said, Failure> {
    match command {
        CredentialCommand::Create(args) => create(args, desk).await,
        CredentialCommand::Show { credential } => get(credential, desk).await,
        CredentialCommand::List(limit) => list(limit, desk).await,
        CredentialCommand::Revoke { credential } => revoke(credential, desk).await,
    }
}

async fn create(args: CreateArgs, desk: &Desk) -> Result<Said, Failure> {
    let doing = "make the credential";
    let key = args.key.take()?;
    let drawn = DrawnKey::draw().map_err(|error| Failure::Failed {
        doing: "draw an API key",
        why: format!("the operating system gives no randomness: {error}"),
    })?;
    let request = v1::CreateCredentialRequest {
        idempotency_key: key.clone(),
        key_hash: drawn.hash.into(),
        prefix: drawn.prefix,
        roles: args.roles.iter().map(|role| i32::from(role as u8)).collect(),
        payee_id: args.payee.unwrap_or_default(),
        front_end: args.front_end.unwrap_or_default(),
        name: args.name,
    };
    let answer = desk.keyed(doing, &key, desk.client.create_credential(request)).await?;
    let row = answer.credential.as_ref().ok_or(Failure::Answer { doing, missing: "credential" })?;
    let shown = show::show_credential(row)
        .fact("API key", format!("{}  (shown once; give it to its holder)", drawn.text))
        .fields(|fields| fields.text("api_key", &drawn.text))
        .record(answer.seq, answer.replayed, answer.durability());
    Ok(Said::done(shown.text(), shown.json()))
}

async fn get(credential_id: String, desk: &Desk) -> Result<Said, Failure> {
    let doing = "show the credential";
    let answer =
        desk.call(doing, desk.client.get_credential(v1::GetCredentialRequest { credential_id })).await?;
    let row = answer.credential.as_ref().ok_or(Failure::Answer { doing, missing: "credential" })?;
    let shown = show::show_credential(row);
    Ok(Said::done(shown.text(), shown.json()))
}

async fn list(limit: Limit, desk: &Desk) -> Result<Said, Failure> {
    let (mut rows, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListCredentialsRequest { page_size: limit.page_size(), page_token };
        let page = desk.call("list credentials", desk.client.list_credentials(request)).await?;
        rows.extend(page.credentials);
        page_token = page.next_page_token;
        if page_token.is_empty() || limit.is_passed(rows.len()) {
            let more = limit.cut(&mut rows);
            return Ok(show::credentials(&rows, more, desk.look));
        }
    }
}

async fn revoke(credential_id: String, desk: &Desk) -> Result<Said, Failure> {
    let doing = "revoke the credential";
    let request = v1::RevokeCredentialRequest { credential_id };
    let answer = desk.call(doing, desk.client.revoke_credential(request)).await?;
    let row = answer.credential.as_ref().ok_or(Failure::Answer { doing, missing: "credential" })?;
    let shown = show::show_credential(row).record(answer.seq, answer.replayed, answer.durability());
    Ok(Said::done(shown.text(), shown.json()))
}
