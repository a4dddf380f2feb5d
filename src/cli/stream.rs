//! Owns: `tallystick stream`: every row of a CSV file is one debit, sent in batches over one stream that resumes.
//! Never: sends a row before every row was read and found good.

mod rows;
mod summary;

use crate::{
    Failure,
    desk::{Desk, Reach, Said},
    ids,
    key::SecretArg,
    screen::{self, Bar},
};
use clap::Args;
use rows::{Bad, Row, Rows};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};
use summary::Summary;
use tallystick_client::{ClientError, Debit, SessionId, Ticket, Writer, WriterOptions, v1};

/// Bounds how many bad rows are told one by one.
const TOLD_MAX: usize = 20;

/// Takes `tallystick stream`.
#[derive(Debug, Args)]
pub struct StreamArgs {
    /// The file, `-` for standard input. Its first line names the columns: session, payee, amount, and if you like
    /// reference and key. A row with a key is never paid twice, however often the file is sent; one without is paid
    /// each time.
    #[arg(value_name = "FILE.csv")]
    file: PathBuf,
    /// The session of every row; the file then needs no such column.
    #[arg(long, value_parser = ids::session)]
    session: Option<String>,
    /// Leave bad rows out instead of sending nothing.
    #[arg(long)]
    skip_bad: bool,
    /// Pay what still fits of a row, when that is less.
    #[arg(long)]
    accept_partial: bool,
    /// How many rows go in one message.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,
    /// How many messages may be on their way.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    in_flight: u32,
    #[command(flatten)]
    secret: SecretArg,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

pub(crate) async fn run(args: StreamArgs, desk: &Desk) -> Result<Said, Failure> {
    let rows = rows::read(open(&args.file)?, args.session.as_deref(), desk.money);
    let Rows { good, bad } =
        rows.map_err(|text| Failure::Input(format!("{}: {text}", args.file.display())))?;
    tell_bad(&args.file, &bad, args.skip_bad);
    if !bad.is_empty() && !args.skip_bad {
        let (file, count) = (args.file.display(), screen::counted(bad.len() as u64, "bad row"));
        return Err(Failure::Input(format!(
            "{file}: {count}, so nothing was sent; mend them, or leave them out with --skip-bad"
        )));
    }
    let mut summary = Summary::new(bad.len());
    send(&args, &good, &mut summary, desk).await?;
    let currencies = currencies(&good, desk).await;
    Ok(summary.said(&currencies, (desk.look, desk.money)))
}

fn open(file: &Path) -> Result<Box<dyn Read>, Failure> {
    if file == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    match File::open(file) {
        Ok(opened) => Ok(Box::new(opened)),
        Err(error) => Err(Failure::Input(format!("{} cannot be read: {error}", file.display()))),
    }
}

fn tell_bad(file: &Path, bad: &[Bad], skipped: bool) {
    let what = if skipped { "left out: " } else { "" };
    for row in bad.iter().take(TOLD_MAX) {
        screen::complain(&format!("{}: {what}{row}", file.display()));
    }
    if bad.len() > TOLD_MAX {
        screen::complain(&format!("{}: … and {} more", file.display(), bad.len() - TOLD_MAX));
    }
}

/// Sends all rows, as many batches at a time as were asked for, and hears every answer.
async fn send(args: &StreamArgs, rows: &[Row], summary: &mut Summary, desk: &Desk) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    let in_flight_max = usize::try_from(args.in_flight).unwrap_or(usize::MAX);
    let sessions: BTreeSet<&str> = rows.iter().map(|row| row.session.as_str()).collect();
    let secret = args.secret.given();
    let present = |session: &str| Some((SessionId::new(session), secret.clone()?));
    let secrets = sessions.into_iter().filter_map(present).collect();
    let options = WriterOptions { in_flight_max, secrets, ..WriterOptions::default() };
    let writer = desk.call("open a stream", desk.client.writer(options)).await?;
    let bar = Bar::new(rows.len() as u64, "debits");
    let batch = usize::try_from(args.batch).unwrap_or(usize::MAX);
    let sent = pump(&writer, rows.chunks(batch), args.accept_partial, summary, &bar).await;
    bar.end();
    sent.map_err(|(error, heard)| Failure::Failed {
        doing: "stream",
        why: format!(
            "{error}; {heard} of {} rows were answered, and whether the next ones were paid is not known: \
             rows with keys can be sent again, others are told by `tallystick lookup --writer {}`",
            rows.len(),
            writer.writer_id()
        ),
    })
}

async fn pump<'a>(
    writer: &Writer,
    batches: impl Iterator<Item = &'a [Row]>,
    accept_partial: bool,
    summary: &mut Summary,
    bar: &Bar,
) -> Result<(), (ClientError, u64)> {
    let mut waiting: VecDeque<(&[Row], Ticket)> = VecDeque::new();
    let mut heard = 0;
    for batch in batches {
        let debits = batch.iter().map(|row| debit(row, accept_partial)).collect();
        // Waits for room; what has been answered by then is heard at the end, in order.
        let ticket = writer.submit(debits).await.map_err(|error| (error, heard))?;
        waiting.push_back((batch, ticket));
        while waiting.len() > KEPT_MAX {
            heard = hear(&mut waiting, heard, summary, bar).await?;
        }
    }
    while !waiting.is_empty() {
        heard = hear(&mut waiting, heard, summary, bar).await?;
    }
    Ok(())
}

/// Bounds the answers that wait to be heard.
const KEPT_MAX: usize = 8;

async fn hear(
    waiting: &mut VecDeque<(&[Row], Ticket)>,
    heard: u64,
    summary: &mut Summary,
    bar: &Bar,
) -> Result<u64, (ClientError, u64)> {
    let Some((rows, ticket)) = waiting.pop_front() else { return Ok(heard) };
    let answers = ticket.await.map_err(|error| (error, heard))?;
    for (row, answer) in rows.iter().zip(&answers) {
        summary.hear(row, answer);
    }
    let heard = heard + answers.len() as u64;
    bar.at(heard);
    Ok(heard)
}

fn debit(row: &Row, accept_partial: bool) -> Debit {
    Debit {
        session: row.session.clone(),
        payee: row.payee.clone(),
        amount_nanos: row.amount_nanos,
        reference: row.reference.clone(),
        evidence_hash: Vec::new(),
        accept_partial,
        key: row.key.clone(),
        act: None,
    }
}

/// Asks for the currency of each session, so that only like is added to like. A session that nobody knows has none.
async fn currencies(rows: &[Row], desk: &Desk) -> BTreeMap<SessionId, String> {
    let mut currencies = BTreeMap::new();
    for row in rows {
        if currencies.contains_key(&row.session) {
            continue;
        }
        let request = v1::GetSessionRequest { session_id: row.session.as_str().to_owned() };
        let currency = match desk.client.get_session(request).await {
            Ok(answer) => {
                let settled = || answer.settlement.map(|settlement| settlement.currency);
                answer.session.map(|session| session.currency).or_else(settled).unwrap_or_default()
            }
            // The debits are decided: what cannot be learnt about them now must not hide that.
            Err(_) => String::new(),
        };
        currencies.insert(row.session.clone(), currency);
    }
    currencies
}
