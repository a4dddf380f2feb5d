//! Owns: every metric's name, unit, labels and help, and the text they are written in. Never: a count of its own.

use super::{Metrics, histogram::Histogram, live::Sight, page::Writer};
use crate::readiness::Unready;
use prometheus_client::{
    collector::Collector, encoding::DescriptorEncoder, encoding::text, registry::Registry,
};
use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tallystick_core::books::Book;
use tallystick_engine::{Decision, Durability, Operation, Totals};
use tallystick_proto::v1;
use tallystick_rpc::currency_text;

const PREFIX: &str = "tallystick";

/// Is everything that one scrape shows.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) metrics: Arc<Metrics>,
    pub(super) reasons: BTreeSet<Unready>,
    /// Nothing while the past is being read.
    pub(super) seen: Option<Sight>,
}

/// Writes a page as OpenMetrics text.
pub(super) fn text(page: Page) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(page));
    let mut written = String::new();
    text::encode(&mut written, &registry)?;
    Ok(written)
}

impl Collector for Page {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut writer = Writer::new(encoder);
        self.process(&mut writer)?;
        self.metrics.decided(&mut writer)?;
        self.metrics.measured(&mut writer)?;
        match &self.seen {
            Some(sight) => sight.write(&mut writer),
            None => Ok(()),
        }
    }
}

fn count(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

impl Page {
    fn process(&self, to: &mut Writer<'_>) -> fmt::Result {
        to.info("build", "Names the version that runs.", &[("version", env!("CARGO_PKG_VERSION"))])?;
        to.gauge(
            "ready",
            "Is 1 when calls should be sent here, as /readyz says.",
            u64::from(self.reasons.is_empty()),
        )?;
        let failed = self.reasons.contains(&Unready::JournalFailed);
        let help =
            "Is 1 when the journal cannot be written any more: nothing is approved, and the process ends.";
        to.gauge("journal_failed", help, u64::from(failed))
    }
}

impl Metrics {
    /// Writes what was answered.
    fn decided(&self, to: &mut Writer<'_>) -> fmt::Result {
        let help = "Counts decisions since the start, each when its record has become durable: a decision that a crash \
                    could take back is not in it. A repeated key is no decision; see replays.";
        let decisions = Decision::all().zip(&self.decisions);
        to.counters("decisions", help, decisions.map(|(decision, sum)| (labels(decision), count(sum))))?;
        let help = "Counts debits answered with what had been decided under their key or number before.";
        to.counters("replays", help, [([], count(&self.replays))])?;
        let help = "Counts calls, and debits of a batch, that were refused: nothing was decided. JOURNAL_FAILED stands \
                    for an outcome that is unknown.";
        let reasons = self.refusals.iter().enumerate().filter_map(|(number, sum)| {
            let reason = v1::Refusal::try_from(i32::try_from(number).ok()?).ok()?;
            Some(([("reason", reason.as_str_name().trim_start_matches("REFUSAL_"))], count(sum)))
        });
        to.counters("refusals", help, reasons)
    }

    /// Writes what was measured.
    fn measured(&self, to: &mut Writer<'_>) -> fmt::Result {
        let help = "Times the stages of an answer. decide: a call of the engine for one debit or one batch, with its \
                    locks. wait: from there until the answer is durable, for every call and batch; in a stream also \
                    until those before it are read. sync: the journal's write of one group. deliver: from there until \
                    the answer to debits is encoded and in the hands of HTTP/2.";
        let stages = [
            ("decide", &self.decide),
            ("wait", &self.wait),
            ("sync", &self.sync),
            ("deliver", &self.deliver),
        ];
        let stages = stages.map(|(stage, times): (&str, &Histogram)| ([("stage", stage)], times.read()));
        to.seconds("stage", help, stages)?;
        let help = "Counts the records of each group that one sync made durable.";
        to.histogram("group_records", help, &self.group_records.read())?;
        to.bytes("group", "Sizes the groups, in bytes of the journal.", &self.group_bytes.read())?;
        to.gauge("streams_open", "Counts the streams of debits that are open.", self.streams_open())?;
        let help = "Counts the connections that were let in.";
        to.counters("connections_accepted", help, [([], self.connections.accepted())])?;
        let help = "Counts the connections that were not let in (full, address_full) or were ended: never began to speak \
                    HTTP/2 (handshake), took nothing of what was sent (unread), did not hear that a stream was ended \
                    (hung_up).";
        let turned_away = self.connections.turned_away().map(|(why, sum)| ([("why", why.name())], sum));
        to.counters("connections_turned_away", help, turned_away)?;
        let help = "Counts how often the system could give no connection, for want of files or memory.";
        to.counters("accept_failures", help, [([], self.connections.accept_failures())])?;
        let help = "Counts the checkpoints that were stored.";
        to.counters("checkpoints", help, [([], count(&self.checkpoints))])?;
        let help = "Is the last seq that recovery would not need the journal for; 0 before the first checkpoint since \
                    the start.";
        to.gauge("checkpoint_covered_seq", help, count(&self.checkpoint_covered_seq))?;
        let help = "Counts background work that failed and is tried again, such as a checkpoint; nothing is lost by it.";
        to.counters("background_failures", help, [([], count(&self.background_failures))])
    }
}

fn labels(decision: Decision) -> [(&'static str, &'static str); 3] {
    let operation = match decision.operation {
        Operation::Debit => "debit",
        Operation::OpenSession => "open_session",
        Operation::TopUp => "top_up",
        Operation::Withdraw => "withdraw",
        Operation::IssueToken => "issue_token",
        Operation::AmendToken => "amend_token",
        Operation::RefreshToken => "refresh_token",
    };
    let (outcome, code) = match decision.declined {
        None => ("approved", "APPROVED"),
        Some(code) => ("declined", code.name()),
    };
    [("operation", operation), ("outcome", outcome), ("code", code)]
}

impl Sight {
    fn write(&self, to: &mut Writer<'_>) -> fmt::Result {
        let durability = match self.durability {
            Durability::Fsync => "fsync",
            Durability::Os => "os",
        };
        to.info("durability", "Names what an answer waits for.", &[("mode", durability)])?;
        to.gauge("durable_seq", "Is the last journal position that is durable.", self.durable_seq)?;
        let help = "Counts records that are decided and not durable yet.";
        to.gauge("queue_depth_records", help, self.queue_depth)?;
        to.gauge("journal_bytes", "Sizes the journal, about.", self.journal_bytes)?;
        let help = "Counts the bytes of requests in flight, by whose share of the permits they take.";
        to.gauges(
            "permit_bytes",
            help,
            self.permits.map(|usage| ([("share", usage.share)], usage.bytes as u64)),
        )?;
        let help = "Is how many bytes of requests may be in flight.";
        let most = self.permits.map(|usage| ([("share", usage.share)], usage.bytes_max as u64));
        to.gauges("permit_bytes_max", help, most)?;
        let (calls, calls_max) = self.calls;
        to.gauge("calls_open", "Counts the calls that are open, streams included.", calls as u64)?;
        to.gauge("calls_max", "Is how many calls may be open.", calls_max as u64)?;
        let (connections, connections_max) = self.connections;
        to.gauge("connections_open", "Counts the connections that are open.", connections as u64)?;
        let help = "Is how many connections may be open: as configured, or as open files allow.";
        to.gauge("connections_max", help, connections_max as u64)?;
        let help =
            "Is how far the wall clock has moved away from the server's own; above 0 when it is ahead.";
        to.gauge("clock_divergence_seconds", help, float(self.clock_divergence_ns) / 1e9)?;
        if let Some(lag) = self.projection_lag {
            let help = "Counts durable records that the projection has not taken in yet.";
            to.gauge("projection_lag_records", help, lag)?;
        }
        self.totals.as_ref().map_or(Ok(()), |totals| money(totals, to))
    }
}

/// Writes what is of money, all of it durable.
fn money(totals: &Totals, to: &mut Writer<'_>) -> fmt::Result {
    let help =
        "Counts the sessions that are open, or past their end and not settled yet. Durable, as of books_seq.";
    to.gauge("sessions_open", help, totals.open_sessions)?;
    let help =
        "Is the journal position as of which books and open sessions are shown; nothing later is in them.";
    to.gauge("books_seq", help, totals.seq)?;
    let help = "Is what each posting account holds, in nanos of its currency: durable, and zero in sum over the \
                accounts of a currency. A value here is a 64-bit float, exact up to 2^53 nanos; /books has the exact \
                amounts.";
    let books = totals.books.iter().flat_map(|(currency, books)| {
        let text = currency_text(*currency);
        Book::ALL.into_iter().zip(books).map(move |(book, nanos)| {
            ([("currency", text.clone()), ("account", book.name().to_owned())], float(*nanos))
        })
    });
    to.gauges("book_nanos", help, books)
}

/// Returns the nearest float, which is what an exporter has for amounts.
#[expect(clippy::cast_precision_loss, reason = "the metric's help says so, and `/books` is exact")]
fn float(exact: i128) -> f64 {
    exact as f64
}
