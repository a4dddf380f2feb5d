//! Owns: the log: lines on standard error, as text or JSON. Never: standard output, which is for whoever started us.

use crate::config::LogFormat;
use std::io;
use tracing::{Span, field, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer as _, filter::Targets, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// Makes the span of one call, which its lines in the log carry. A stream of debits has one for all of them; a single
/// call has one only where the log shows it, since it is a debit more often than not.
pub(crate) fn call(method: &str) -> Span {
    if method.ends_with("/AuthorizeStream") {
        tracing::info_span!("call", method, peer = field::Empty)
    } else {
        tracing::debug_span!("call", method, peer = field::Empty)
    }
}

/// Starts the log; does nothing when the process has one already.
pub fn start(format: LogFormat, level: LevelFilter) {
    // NOTE: the log's own failures must stay silent. Reporting one on standard error panics when that cannot be written
    // either (a full disk), and a panic in the committer ends the process before it has answered.
    let lines = fmt::layer().with_writer(io::stderr).log_internal_errors(false);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    // Libraries below us speak of connections; what they say is seldom about money.
    let targets = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("tallystick", level);
    // A test that starts several servers in one process keeps the first log.
    let _ = tracing_subscriber::registry().with(lines.with_filter(targets)).try_init();
}
