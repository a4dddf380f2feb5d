//! Owns: `tallystick settle` and `tallystick settlement`: close a session, look at and follow what is owed.
//! Never: a second settlement of anything; the server has one a session.

use crate::{
    Failure,
    desk::{Desk, FOLLOW_PAUSE, Limit, Reach, Said},
    hold, ids, screen,
    show::{self, Shown},
};
use clap::{Args, Subcommand};
use tallystick_client::v1::{self, Session, Settlement};

/// Takes `tallystick settle`.
#[derive(Debug, Args)]
pub struct SettleArgs {
    /// The session, ses_…
    #[arg(value_parser = ids::debited)]
    session: String,
    /// Settle the open sessions below it first, from the leaves up.
    #[arg(long)]
    cascade: bool,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// Takes `tallystick settlement`.
#[derive(Debug, Args)]
pub struct SettlementArgs {
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(subcommand)]
    pub(crate) command: SettlementCommand,
}

/// Is what can be done with settlements.
#[derive(Debug, Subcommand)]
pub(crate) enum SettlementCommand {
    /// Show a settlement.
    Show {
        /// The settlement, set_…, or its session, ses_…
        #[arg(value_parser = ids::settlement)]
        settlement: String,
    },
    /// List settlements in the order they were made.
    List {
        /// Begin after this seq.
        #[arg(long, value_name = "SEQ", default_value_t = 0)]
        after: u64,
        #[command(flatten)]
        limit: Limit,
    },
    /// Write each settlement as it is made, a line each, until interrupted.
    Follow {
        /// Begin after this seq; from the first when absent.
        #[arg(long, value_name = "SEQ", default_value_t = 0)]
        after: u64,
        /// End once there is nothing new, instead of waiting.
        #[arg(long)]
        once: bool,
    },
}

pub(crate) async fn settle(args: SettleArgs, desk: &Desk) -> Result<Said, Failure> {
    let doing = "settle the session";
    let request = v1::SettleRequest { session_id: args.session, cascade: args.cascade };
    let answer = desk.call(doing, desk.client.settle(request)).await?;
    let cascaded = match answer.cascaded_count {
        0 => String::new(),
        count => format!("{} below it, first", screen::counted(count, "session")),
    };
    if let (None, Some(session)) = (&answer.settlement, &answer.session) {
        let waits = waits_for(session).fact("also settled", cascaded);
        let holds = hold::open_holds(session, desk).await?;
        let shown = show::with_holds(waits, session, &holds, desk.money);
        let shown = shown.fields(|fields| fields.put("cascaded_count", answer.cascaded_count));
        return Ok(Said::done(shown.text(), shown.json()));
    }
    let settlement = answer.settlement.as_ref().ok_or(Failure::Answer { doing, missing: "settlement" })?;
    let shown = show::show_settlement(settlement, desk.money)
        .fact("also settled", cascaded)
        .fields(|fields| fields.put("cascaded_count", answer.cascaded_count))
        .record(settlement.seq, answer.replayed, answer.durability());
    Ok(Said::done(shown.text(), shown.json()))
}

/// Says what a session waits for that is closing.
fn waits_for(session: &Session) -> Shown {
    let holds = match session.open_hold_count {
        0 => String::new(),
        count => screen::counted(count, "hold"),
    };
    let below = match session.open_child_count {
        0 => String::new(),
        count => format!("{} below it, with holds", screen::counted(count, "session")),
    };
    let both = [holds, below].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", and ");
    Shown::new()
        .fact("closing", session.session_id.as_str())
        .fact("waits for", format!("{both}; it settles by itself when the last of them ends"))
        .fields(|_| show::session_fields(session))
}

pub(crate) async fn run(command: SettlementCommand, desk: &Desk) -> Result<Said, Failure> {
    match command {
        SettlementCommand::Show { settlement } => get(settlement, desk).await,
        SettlementCommand::List { after, limit } => list(after, limit, desk).await,
        SettlementCommand::Follow { after, once } => follow(after, once, desk).await,
    }
}

async fn get(settlement_id: String, desk: &Desk) -> Result<Said, Failure> {
    let doing = "show the settlement";
    let request = v1::GetSettlementRequest { settlement_id };
    let answer = desk.call(doing, desk.client.get_settlement(request)).await?;
    let settlement = answer.settlement.as_ref().ok_or(Failure::Answer { doing, missing: "settlement" })?;
    let shown = show::show_settlement(settlement, desk.money);
    Ok(Said::done(shown.text(), shown.json()))
}

/// Asks for the settlements after a cursor. *Returns* the next one.
async fn page(after_seq: u64, page_size: u32, desk: &Desk) -> Result<(Vec<Settlement>, u64), Failure> {
    let request = v1::ListSettlementsRequest { page_size, after_seq };
    let page = desk.call("list settlements", desk.client.list_settlements(request)).await?;
    Ok((page.settlements, page.next_after_seq))
}

async fn list(after: u64, limit: Limit, desk: &Desk) -> Result<Said, Failure> {
    let (mut rows, mut cursor) = (Vec::new(), after);
    loop {
        let (more, next) = page(cursor, limit.page_size(), desk).await?;
        let is_last = next == cursor;
        rows.extend(more);
        cursor = next;
        if is_last || limit.is_passed(rows.len()) {
            break;
        }
    }
    let more = limit.cut(&mut rows);
    let cursor = if more { rows.last().map_or(after, |last| last.seq) } else { cursor };
    Ok(show::settlements(&rows, (more, cursor), (desk.look, desk.money)))
}

async fn follow(after: u64, once: bool, desk: &Desk) -> Result<Said, Failure> {
    let mut cursor = after;
    loop {
        let (rows, next) = page(cursor, 1_000, desk).await?;
        for row in &rows {
            let (text, json) = show::settlement_line(row, desk.money);
            let heard = if desk.json { screen::say_json(&json) } else { screen::say(&text) };
            if !heard {
                return Ok(Said::nothing());
            }
        }
        if next == cursor {
            if once {
                return Ok(Said::nothing());
            }
            tokio::time::sleep(FOLLOW_PAUSE).await;
        }
        cursor = next;
    }
}
