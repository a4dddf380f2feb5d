//! Owns: how much is measured and for how long, where it is put, and what is said meanwhile. Never: measures.

use crate::{
    fault::Fault,
    line::{Line, table},
};
use std::{
    cell::RefCell,
    fmt::Display,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;

/// Says how much is measured.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Throughput and latency alone, in under a minute.
    pub(crate) quick: bool,
    pub(crate) runs: usize,
    pub(crate) echo_runs: usize,
    pub(crate) seconds: u32,
    pub(crate) warmup_seconds: u32,
    pub(crate) sync_span: Duration,
    /// How many sessions "very many" are.
    pub(crate) sessions_most: u64,
    /// Where figures go.
    pub(crate) report: PathBuf,
    data: PathBuf,
    remarks: RefCell<Vec<String>>,
}

impl Plan {
    pub(crate) fn new(quick: bool, sessions_most: u64, report: PathBuf, data: Option<PathBuf>) -> Self {
        let (echo_runs, seconds, warmup_seconds) = if quick { (1, 1, 0) } else { (3, 2, 1) };
        Self {
            quick,
            runs: 3,
            echo_runs,
            seconds,
            warmup_seconds,
            sync_span: Duration::from_millis(if quick { 200 } else { 1_000 }),
            sessions_most,
            report,
            data: data.unwrap_or_else(std::env::temp_dir),
            remarks: RefCell::default(),
        }
    }

    /// Returns where servers' folders are.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Makes a folder for a server.
    pub(crate) fn folder(&self) -> Result<TempDir, Fault> {
        let made = tempfile::Builder::new().prefix("tallystick-bench-").tempdir_in(&self.data);
        made.map_err(Fault::io(format!("make a folder in {}", self.data.display())))
    }

    /// Shows figures as they come.
    pub(crate) fn show(&self, lines: &[Line]) {
        self.say(table(lines));
    }

    /// Prints a line that belongs beside the figures, and keeps it for them.
    pub(crate) fn remark(&self, text: impl Into<String>) {
        let text = text.into();
        self.say(&text);
        self.remarks.borrow_mut().push(text);
    }

    /// Returns what was remarked.
    pub(crate) fn remarks(&self) -> Vec<String> {
        self.remarks.borrow().clone()
    }

    /// Prints a line.
    pub(crate) fn say(&self, text: impl Display) {
        // Nobody to read it is no reason to stop measuring.
        drop(writeln!(std::io::stdout().lock(), "{text}"));
    }
}
