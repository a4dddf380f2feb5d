//! Owns: everything a person sees while the demo runs: the bar, and one line for each event. Never: the figures' table.

use indicatif::{ProgressBar, ProgressStyle};
use std::{
    fmt::Display,
    io::Write as _,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};
use tokio::sync::Notify;

/// Shows a bar on stderr when that is a terminal, and plain lines otherwise.
#[derive(Clone, Debug)]
pub(super) struct Screen {
    bar: ProgressBar,
}

impl Screen {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template(
            "  {spinner:.green} {bar:44.green/238} {percent:>3} %  {human_pos} of {human_len} debits  {per_sec}",
        );
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("━╸━"));
        }
        Self { bar }
    }

    /// Shows the bar, for so many debits.
    pub(super) fn begin(&self, debits: u64) {
        self.bar.set_length(debits);
        self.bar.reset();
        self.bar.enable_steady_tick(Duration::from_millis(80));
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }

    /// Writes one line above the bar: what, and the facts.
    pub(super) fn announce(&self, what: &str, facts: &str) {
        let line = format!("  {what:<12}{facts}");
        // Nobody to read it is no reason to stop.
        self.bar.suspend(|| drop(writeln!(std::io::stderr().lock(), "{line}")));
    }

    /// Writes the result to stdout.
    pub(super) fn print(&self, text: &dyn Display) {
        // As above: a closed pipe must not hide the exit code.
        drop(writeln!(std::io::stdout().lock(), "{text}"));
    }
}

/// Counts answers, and the server's absences, for whoever waits for them.
#[derive(Debug)]
pub(super) struct Progress {
    answered: AtomicU64,
    half: u64,
    half_reached: Notify,
    /// Even while the server is up, odd while it is down.
    outages: AtomicU32,
    bar: ProgressBar,
}

impl Progress {
    pub(super) fn new(screen: &Screen, debits: u64) -> Self {
        Self {
            answered: AtomicU64::new(0),
            half: debits.div_ceil(2),
            half_reached: Notify::new(),
            outages: AtomicU32::new(0),
            bar: screen.bar.clone(),
        }
    }

    /// Adds answers heard.
    pub(super) fn answered(&self, count: u64) {
        let before = self.answered.fetch_add(count, Ordering::Relaxed);
        if before < self.half && before + count >= self.half {
            self.half_reached.notify_one();
        }
        self.bar.inc(count);
    }

    pub(super) fn answered_count(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Waits until half of all debits are answered.
    pub(super) async fn halfway(&self) {
        self.half_reached.notified().await;
    }

    pub(super) fn outage_begins(&self) {
        self.outages.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn outage_ends(&self) {
        self.outages.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn outages(&self) -> u32 {
        self.outages.load(Ordering::Relaxed)
    }
}

/// Writes a count with a comma between thousands.
pub(super) fn grouped(count: impl Into<u128>) -> String {
    let digits = count.into().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        for (count, text) in
            [(0_u64, "0"), (999, "999"), (1_000, "1,000"), (254_715, "254,715"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(count), text);
        }
    }
}
