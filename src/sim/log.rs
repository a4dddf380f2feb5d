//! Owns: the log of events of one world: a hash of every line, and the lines themselves for whoever wants to read them.
//! Never: decides what is told.

use std::{fmt, io::Write as _};

/// Is where the lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trace {
    /// Nowhere; they are hashed all the same.
    Off,
    /// To the standard output.
    Print,
    /// Into memory.
    Keep,
}

/// Hashes each line, and prints or keeps it.
#[derive(Debug)]
pub struct Log {
    hash: u64,
    lines: u64,
    trace: Trace,
    kept: Vec<String>,
    line: String,
}

impl Log {
    /// Begins.
    pub fn new(trace: Trace) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, lines: 0, trace, kept: Vec::new(), line: String::new() }
    }

    /// Adds one event. `at_ns`: the simulated time since the world began, `depth`: in how many others it happened.
    pub fn add(&mut self, (at_ns, depth): (i128, u32), event: fmt::Arguments<'_>) {
        use fmt::Write as _;
        self.line.clear();
        let indent = usize::try_from(depth).unwrap_or(0) * 2;
        // Writing into a string has nothing to fail on.
        let _ = write!(self.line, "{at_ns:>16} {:indent$}{event}", "");
        self.lines += 1;
        for byte in self.line.bytes().chain([b'\n']) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        match self.trace {
            Trace::Off => {}
            // Whoever reads may have gone away; the world goes on.
            Trace::Print => drop(writeln!(std::io::stdout(), "{}", self.line)),
            Trace::Keep => self.kept.push(self.line.clone()),
        }
    }

    /// Returns the hash of all lines so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Returns how many lines there were.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Returns the lines that were kept.
    pub fn kept(&self) -> &[String] {
        &self.kept
    }
}
