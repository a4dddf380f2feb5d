//! Owns: the bar that a person sees while something takes longer than a second. Never: a line in a log: without a terminal
//! there is no bar.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;
use tallystick_client::Stopwatch;

/// How long something may take before it is shown.
const UNSEEN: Duration = Duration::from_secs(1);

/// Shows how far something is, on stderr; goes away when dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    since: Stopwatch,
    seen: bool,
}

impl Progress {
    /// Begins something of so many steps.
    pub(crate) fn new(what: String, steps: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("  {msg:<24} {bar:40.green/238} {percent:>3} %  {elapsed}");
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("━╸━"));
        }
        bar.set_message(what);
        Self { bar, since: Stopwatch::start(), seen: false }
    }

    /// Says that so many steps are done.
    pub(crate) fn at(&mut self, done: u64) {
        if !self.seen && self.since.elapsed() > UNSEEN {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.seen = true;
        }
        self.bar.set_position(done);
    }

    /// Says that one more step is done.
    pub(crate) fn step(&mut self) {
        self.at(self.bar.position() + 1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
