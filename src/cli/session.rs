//! Owns: `tallystick session`: open, raise, look at sessions. Never: a rule about money; those are the server's.

pub(crate) mod open;
mod tree;

use crate::{
    Failure,
    desk::{Desk, Limit, Reach, Said},
    hold, ids,
    key::{KeyArg, ParentSecretArg},
    moment,
    show::{self, Declined, Shown},
};
use clap::{Args, Subcommand};
use tallystick_client::v1::{self, Outcome, Session};

/// Takes `tallystick session`.
#[derive(Debug, Args)]
pub struct SessionArgs {
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(subcommand)]
    pub(crate) command: SessionCommand,
}

/// Is what can be done with sessions.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// Open a session under an account, or under another session.
    Open(Box<open::OpenArgs>),
    /// Show a session; a settled one with its settlement.
    Show {
        /// The session, ses_…
        #[arg(value_parser = ids::session)]
        session: String,
    },
    /// List the open sessions of an account.
    List {
        /// The account, acc_…
        #[arg(value_parser = ids::account)]
        account: String,
        #[command(flatten)]
        limit: Limit,
    },
    /// Draw the tree of an account: its open sessions, those below them, and whom they pay.
    Tree {
        /// The account, acc_…
        #[arg(value_parser = ids::account)]
        account: String,
        /// Leave the payees out.
        #[arg(long)]
        no_payees: bool,
    },
    /// Raise a session's cap, move its end, or both.
    #[command(alias = "top-up")]
    Topup(TopUpArgs),
    /// List the debits of a session, approved and declined, in the order they were decided.
    Debits {
        /// The session, ses_…
        #[arg(value_parser = ids::session)]
        session: String,
        /// Begin after this seq.
        #[arg(long, value_name = "SEQ", default_value_t = 0)]
        after: u64,
        #[command(flatten)]
        limit: Limit,
    },
}

/// Takes what a session is raised by.
#[derive(Debug, Args)]
pub(crate) struct TopUpArgs {
    /// The session, ses_…
    #[arg(value_parser = ids::session)]
    session: String,
    /// What to add to its cap, such as 1.00.
    #[arg(required_unless_present = "extend")]
    amount: Option<String>,
    /// What to add to its end, such as 15m.
    #[arg(long, value_name = "SPAN")]
    extend: Option<String>,
    #[command(flatten)]
    parent_secret: ParentSecretArg,
    #[command(flatten)]
    key: KeyArg,
}

pub(crate) async fn run(command: SessionCommand, desk: &Desk) -> Result<Said, Failure> {
    match command {
        SessionCommand::Open(args) => open::run(*args, desk).await,
        SessionCommand::Show { session } => get(session, desk).await,
        SessionCommand::List { account, limit } => {
            let (rows, more) = all(&account, limit, desk).await?;
            Ok(show::sessions(&rows, more, (desk.look, desk.money)))
        }
        SessionCommand::Tree { account, no_payees } => tree::run(&account, !no_payees, desk).await,
        SessionCommand::Topup(args) => top_up(args, desk).await,
        SessionCommand::Debits { session, after, limit } => debits(&session, after, limit, desk).await,
    }
}

async fn get(session_id: String, desk: &Desk) -> Result<Said, Failure> {
    let doing = "show the session";
    let answer = desk.call(doing, desk.client.get_session(v1::GetSessionRequest { session_id })).await?;
    let shown = match (&answer.session, &answer.settlement) {
        (Some(session), _) => {
            let holds = hold::open_holds(session, desk).await?;
            show::with_holds(show::show_session(session, desk.money), session, &holds, desk.money)
        }
        (None, Some(settlement)) => {
            let shown = show::show_settlement(settlement, desk.money);
            shown.fact("state", "settled").fields(|fields| fields.put("state", "SETTLED"))
        }
        (None, None) => return Err(Failure::Answer { doing, missing: "session" }),
    };
    Ok(Said::done(shown.text(), shown.json()))
}

/// Asks for open sessions until there are enough. *Returns* whether there are more.
async fn all(account_id: &str, limit: Limit, desk: &Desk) -> Result<(Vec<Session>, bool), Failure> {
    let (mut rows, mut page_token) = (Vec::new(), String::new());
    loop {
        let account_id = account_id.to_owned();
        let request = v1::ListSessionsRequest { account_id, page_size: limit.page_size(), page_token };
        let page = desk.call("list sessions", desk.client.list_sessions(request)).await?;
        rows.extend(page.sessions);
        page_token = page.next_page_token;
        if page_token.is_empty() || limit.is_passed(rows.len()) {
            let more = limit.cut(&mut rows);
            return Ok((rows, more));
        }
    }
}

async fn top_up(args: TopUpArgs, desk: &Desk) -> Result<Said, Failure> {
    let add_nanos = desk.money.read_or_none("AMOUNT", args.amount.as_deref())?;
    let extend_by = args.extend.as_deref().map(|span| moment::read_span("--extend", span)).transpose()?;
    let key = args.key.take()?;
    let session_id = args.session.clone();
    let extend_by = extend_by.map(moment::to_wire);
    let parent_secret = args.parent_secret.bytes();
    let request =
        v1::TopUpRequest { session_id, idempotency_key: key.clone(), add_nanos, extend_by, parent_secret };
    let answer = desk.keyed("top up the session", &key, desk.client.top_up(request)).await?;
    let session = answer.session.as_ref();
    let shown = session.map_or_else(Shown::new, |session| show::show_session(session, desk.money));
    let shown = shown.fields(|fields| fields.put("key", key).put("outcome", "APPROVED"));
    let shown = shown.record(answer.seq, answer.replayed, answer.durability());
    if answer.outcome() == Outcome::Declined {
        let (next, session) = (answer.next.as_ref(), Some(args.session.as_str()));
        let declined = Declined { code: answer.code(), level: answer.level(), next, session };
        return Ok(declined.said(&format!("{} more", desk.money.show(add_nanos)), shown, desk.money));
    }
    Ok(Said::done(shown.text(), shown.json()))
}

async fn debits(session: &str, after: u64, limit: Limit, desk: &Desk) -> Result<Said, Failure> {
    let mut list = v1::ListDebitsResponse { next_after_seq: after, ..v1::ListDebitsResponse::default() };
    loop {
        let (session_id, after_seq) = (session.to_owned(), list.next_after_seq);
        let request = v1::ListDebitsRequest { session_id, page_size: limit.page_size(), after_seq };
        let page = desk.call("list debits", desk.client.list_debits(request)).await?;
        let is_last = page.next_after_seq == after_seq;
        list.debits.extend(page.debits);
        (list.next_after_seq, list.as_of_seq) = (page.next_after_seq, page.as_of_seq);
        if is_last || limit.is_passed(list.debits.len()) {
            let more = limit.cut(&mut list.debits);
            if more {
                list.next_after_seq = list.debits.last().map_or(after, |last| last.seq);
            }
            return Ok(show::debits(&list, more, (desk.look, desk.money)));
        }
    }
}
