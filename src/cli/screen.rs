//! Owns: how things look: facts as aligned lines, lists as tables, styles only for a terminal that wants them, bars only
//! for what takes longer than a second. Never: what is said.

use comfy_table::{Attribute, Cell, CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use std::{
    ffi::OsStr,
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};
use tallystick_client::Stopwatch;

/// Is how long a person waits without being told why.
const PATIENCE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(100);

/// Says whether styles are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    styled: bool,
}

impl Look {
    /// Is without any style.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { styled: false };

    /// Looks at standard output, NO_COLOR and TERM.
    pub(crate) fn of_stdout() -> Self {
        let var = |name| std::env::var_os(name);
        Self::of(io::stdout().is_terminal(), var("NO_COLOR").as_deref(), var("TERM").as_deref())
    }

    fn of(is_terminal: bool, no_color: Option<&OsStr>, term: Option<&OsStr>) -> Self {
        let refused = no_color.is_some_and(|value| !value.is_empty()) || term == Some(OsStr::new("dumb"));
        Self { styled: is_terminal && !refused }
    }

    /// Begins a table. The columns named with a leading `>` are numbers.
    pub(crate) fn table<const N: usize>(self, header: [&str; N]) -> Grid {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED.with_rounded_corners());
        if self.styled {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        let bold = |name: &str| {
            let cell = match name.strip_prefix('>') {
                Some(name) => Cell::new(name).set_alignment(CellAlignment::Right),
                None => Cell::new(name),
            };
            if self.styled { cell.add_attribute(Attribute::Bold) } else { cell }
        };
        table.set_header(header.map(bold));
        let numbers = header.iter().map(|name| name.starts_with('>')).collect();
        Grid { table, numbers }
    }
}

/// Is a table under way.
#[derive(Debug)]
pub(crate) struct Grid {
    table: Table,
    numbers: Vec<bool>,
}

impl Grid {
    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let align = |(text, number): (String, &bool)| match number {
            true => Cell::new(text).set_alignment(CellAlignment::Right),
            false => Cell::new(text),
        };
        self.table.add_row(cells.into_iter().zip(&self.numbers).map(align).collect::<Vec<_>>());
    }

    /// Writes it; `nothing` stands for a table without rows.
    pub(crate) fn text(&self, nothing: &str) -> String {
        if self.table.is_empty() { nothing.to_owned() } else { self.table.trim_fmt() }
    }
}

/// Writes facts, one a line, their names aligned. What is empty is left out.
pub(crate) fn facts(facts: &[(&str, String)]) -> String {
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines = facts.iter().filter(|(_, value)| !value.is_empty());
    lines.map(|(name, value)| format!("{name:width$}  {value}")).collect::<Vec<_>>().join("\n")
}

/// Writes a count with a comma between thousands.
pub(crate) fn grouped(count: impl Into<u128>) -> String {
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

/// Writes how many there are of a thing.
pub(crate) fn counted(count: impl Into<u128>, thing: &str) -> String {
    match count.into() {
        1 => format!("1 {thing}"),
        count => format!("{} {thing}s", grouped(count)),
    }
}

/// Writes a line to standard output. *Returns* false when nobody reads it any more.
pub(crate) fn say(text: &str) -> bool {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).is_ok()
}

/// Writes a value to standard output, for programs.
pub(crate) fn say_json(value: &Value) -> bool {
    say(&value.to_string())
}

/// Writes a line to standard error, which may be gone.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Shows how far something is, on standard error, once it has taken a second; never when that is no terminal.
#[derive(Debug)]
pub(crate) struct Bar {
    bar: ProgressBar,
    since: Stopwatch,
    shown: std::cell::Cell<bool>,
}

impl Bar {
    /// Counts up to `len` of `unit`.
    pub(crate) fn new(len: u64, unit: &str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(len), ProgressDrawTarget::hidden());
        let template =
            format!("  {{bar:40}} {{percent:>3}} %  {{human_pos}} of {{human_len}} {unit}  {{per_sec}}");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style.progress_chars("━╸━"));
        }
        Self { bar, since: Stopwatch::start(), shown: std::cell::Cell::new(false) }
    }

    /// Moves to `position`.
    pub(crate) fn at(&self, position: u64) {
        self.bar.set_position(position);
        if !self.shown.get() && self.since.elapsed() >= PATIENCE {
            self.shown.set(true);
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// Waits for `work`, and says so once it has taken a second.
pub(crate) async fn patiently<T>(why: &str, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    if let Ok(done) = tokio::time::timeout(PATIENCE, &mut work).await {
        return done;
    }
    let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    spinner.set_message(why.to_owned());
    spinner.enable_steady_tick(TICK);
    let done = work.await;
    spinner.finish_and_clear();
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_are_for_terminals_that_want_them() {
        let dumb = Some(OsStr::new("dumb"));
        assert!(Look::of(true, None, None).styled);
        assert!(Look::of(true, Some(OsStr::new("")), None).styled);
        assert!(!Look::of(true, Some(OsStr::new("1")), None).styled);
        assert!(!Look::of(true, None, dumb).styled);
        assert!(!Look::of(false, None, None).styled);
    }

    #[test]
    fn tables_and_facts_are_plain_text_without_a_terminal() {
        let mut grid = Look::PLAIN.table(["payee", ">owed"]);
        assert_eq!(grid.text("nobody"), "nobody");
        grid.row(["acme".to_owned(), "1.50".to_owned()]);
        let wanted = "\
╭───────┬──────╮
│ payee ┆ owed │
╞═══════╪══════╡
│ acme  ┆ 1.50 │
╰───────┴──────╯";
        assert_eq!(grid.text("nobody"), wanted);
        let text =
            facts(&[("account", "acc_1".into()), ("reference", String::new()), ("cap", "2.00".into())]);
        assert_eq!(text, "account    acc_1\ncap        2.00");
    }

    #[test]
    fn thousands_are_grouped() {
        for (count, text) in [(0_u64, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(count), text);
        }
        assert_eq!(
            (counted(1_u64, "debit"), counted(1_200_u64, "debit")),
            ("1 debit".into(), "1,200 debits".into())
        );
    }
}
