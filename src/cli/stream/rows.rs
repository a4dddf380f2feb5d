//! Owns: the rows of a CSV file, each either good or bad with its line, its column and the rule that it breaks.
//! Never: sends anything.

use crate::{ids, key, money::Money};
use csv::{ReaderBuilder, StringRecord, Trim};
use std::{collections::BTreeMap, fmt, io::Read};
use tallystick_client::{PayeeId, SessionId};

const COLUMNS: [&str; 5] = ["session", "payee", "amount", "reference", "key"];
const REFERENCE_BYTES: usize = 128;

/// Is one debit to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) session: SessionId,
    pub(super) payee: PayeeId,
    pub(super) amount_nanos: u64,
    pub(super) reference: String,
    pub(super) key: String,
}

/// Is a row that cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bad {
    /// Counted from 1; the header is line 1.
    line: u64,
    column: &'static str,
    problem: String,
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, problem } = self;
        if column.is_empty() {
            write!(f, "line {line}: {problem}")
        } else {
            write!(f, "line {line}, column {column}: {problem}")
        }
    }
}

/// Is a file that was read.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) good: Vec<Row>,
    pub(super) bad: Vec<Bad>,
}

/// Reads a whole file. *Errors*: a header that cannot be used, or a file that cannot be read to its end.
pub(super) fn read(file: impl Read, session: Option<&str>, money: Money) -> Result<Rows, String> {
    let mut reader = ReaderBuilder::new().trim(Trim::All).flexible(true).from_reader(file);
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    let places = places(&header, session.is_some())?;
    let (mut rows, mut keys) = (Rows::default(), BTreeMap::new());
    for record in reader.into_records() {
        let record = match record {
            Ok(record) => record,
            Err(error) if error.is_io_error() => return Err(error.to_string()),
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                rows.bad.push(Bad { line, column: "", problem: "is not UTF-8 text".to_owned() });
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        let known = record.len() <= header.len();
        let read =
            if known { row(&record, &places, session, money) } else { Err(too_long(&record, &header)) };
        match read.and_then(|row| once(row, line, &mut keys)) {
            Ok(row) => rows.good.push(row),
            Err((column, problem)) => rows.bad.push(Bad { line, column, problem }),
        }
    }
    Ok(rows)
}

type Places = BTreeMap<&'static str, usize>;
type Problem = (&'static str, String);

/// Finds the columns by their names. *Errors*: one that is missing, unknown or there twice.
fn places(header: &StringRecord, has_session: bool) -> Result<Places, String> {
    let mut places = Places::new();
    for (at, name) in header.iter().enumerate() {
        let Some(column) = COLUMNS.into_iter().find(|column| *column == name) else {
            return Err(format!("line 1: `{name}` is no column; there are {}", COLUMNS.join(", ")));
        };
        if places.insert(column, at).is_some() {
            return Err(format!("line 1: column {column} is there twice"));
        }
    }
    let needed = |column: &str| column != "session" || !has_session;
    match ["session", "payee", "amount"]
        .into_iter()
        .find(|column| needed(column) && !places.contains_key(column))
    {
        None => Ok(places),
        Some(column) => Err(format!(
            "line 1: column {column} is missing; the first line names the columns: session,payee,amount"
        )),
    }
}

fn too_long(record: &StringRecord, header: &StringRecord) -> Problem {
    ("", format!("has {} columns, the header {}", record.len(), header.len()))
}

fn row(record: &StringRecord, places: &Places, session: Option<&str>, money: Money) -> Result<Row, Problem> {
    let field = |column: &'static str| places.get(column).and_then(|at| record.get(*at)).unwrap_or_default();
    let named =
        |column: &'static str, problem: String| (column, format!("{problem}; found `{}`", field(column)));
    let session = match session {
        Some(session) if field("session").is_empty() => session.to_owned(),
        _ => ids::session(field("session")).map_err(|problem| named("session", problem))?,
    };
    let payee = ids::payee(field("payee")).map_err(|problem| named("payee", problem))?;
    let amount = money.read("amount", field("amount"));
    let amount_nanos = amount.map_err(|failure| ("amount", failure.to_string()))?;
    let (reference, key) = (field("reference").to_owned(), field("key").to_owned());
    if reference.len() > REFERENCE_BYTES {
        return Err((
            "reference",
            format!("must be at most {REFERENCE_BYTES} bytes, is {}", reference.len()),
        ));
    }
    if !key.is_empty() {
        key::read(&key).map_err(|problem| ("key", problem))?;
    }
    let (session, payee) = (SessionId::new(&session), PayeeId::new(&payee));
    Ok(Row { session, payee, amount_nanos, reference, key })
}

/// Refuses a key that an earlier row of the same session has.
fn once(row: Row, line: u64, keys: &mut BTreeMap<(SessionId, String), u64>) -> Result<Row, Problem> {
    if row.key.is_empty() {
        return Ok(row);
    }
    match keys.insert((row.session.clone(), row.key.clone()), line) {
        None => Ok(row),
        Some(earlier) => Err(("key", format!("`{}` is line {earlier}'s in the same session", row.key))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(prefix: &str) -> String {
        format!("{prefix}{}", "0".repeat(26))
    }

    fn file(header: &str, lines: &[String]) -> String {
        format!("{header}\n{}\n", lines.join("\n"))
    }

    fn bad(text: &str) -> Vec<String> {
        let rows = read(text.as_bytes(), None, Money::Decimal).unwrap();
        rows.bad.iter().map(Bad::to_string).collect()
    }

    #[test]
    fn columns_are_found_by_name_in_any_order() {
        let (session, payee) = (id("ses_"), id("pay_"));
        let text = file(
            "amount, payee,key,session",
            &[format!("1.50,{payee},k1,{session}"), format!(" 2 , {payee},,{session}")],
        );
        let rows = read(text.as_bytes(), None, Money::Decimal).unwrap();
        assert!(rows.bad.is_empty(), "{:?}", rows.bad);
        let amounts: Vec<_> = rows.good.iter().map(|row| (row.amount_nanos, row.key.as_str())).collect();
        assert_eq!(amounts, [(1_500_000_000, "k1"), (2_000_000_000, "")]);
    }

    #[test]
    fn a_session_for_all_rows_needs_no_column() {
        let text = file("payee,amount", &[format!("{},1", id("pay_"))]);
        let rows = read(text.as_bytes(), Some(&id("ses_")), Money::Decimal).unwrap();
        assert_eq!(rows.good[0].session.as_str(), id("ses_"));
        assert!(
            read(text.as_bytes(), None, Money::Decimal).unwrap_err().contains("column session is missing")
        );
    }

    #[test]
    fn bad_rows_name_line_column_and_rule() {
        let (session, payee) = (id("ses_"), id("pay_"));
        let text = file(
            "session,payee,amount,key",
            &[
                format!("{session},{payee},1.50,a"),
                format!("{session},{payee},1.5000000001,"),
                format!("{payee},{payee},1,"),
                format!("{session},{session},1,"),
                format!("{session},{payee}"),
                format!("{session},{payee},1,a"),
                format!("{session},{payee},1,b,c,d"),
            ],
        );
        let said = bad(&text);
        for (said, parts) in said.iter().zip([
            ["line 3, column amount", "at most 9 decimals"],
            ["line 4, column session", "the id of a payee"],
            ["line 5, column payee", "the id of a session"],
            ["line 6, column amount", "decimal number"],
            ["line 7, column key", "line 2's"],
            ["line 8:", "6 columns, the header 4"],
        ]) {
            assert!(parts.iter().all(|part| said.contains(part)), "{said} does not say {parts:?}");
        }
        assert_eq!(said.len(), 6);
    }

    #[test]
    fn a_header_that_cannot_be_used_is_refused_whole() {
        for (header, part) in [
            ("session,payee", "column amount is missing"),
            ("session,payee,amount,note", "`note` is no column"),
            ("session,payee,amount,payee", "there twice"),
            ("", "missing"),
        ] {
            let said = read(file(header, &[]).as_bytes(), None, Money::Decimal).unwrap_err();
            assert!(said.contains("line 1") && said.contains(part), "{header}: {said}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_a_bad_row() {
        let text = [b"session,payee,amount\n".as_slice(), b"\xff,b,1\n"].concat();
        let rows = read(text.as_slice(), None, Money::Decimal).unwrap();
        assert_eq!(rows.bad[0].to_string(), "line 2: is not UTF-8 text");
    }
}
