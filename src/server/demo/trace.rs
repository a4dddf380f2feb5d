//! Owns: reading a trace of model requests, and refusing any line that is not one. Never: repairs or skips a line.

use super::error::DemoError;
use csv::{ReaderBuilder, StringRecord};
use std::path::Path;

const HEADER: [&str; 3] = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"];
const TOKENS_MAX: u32 = 10_000_000;

/// Counts the tokens of one request to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) context_tokens: u32,
    pub(super) generated_tokens: u32,
}

/// Reads a whole trace.
///
/// *Errors*: the first line that is not a request, with file, line and column.
pub(super) fn read(file: &Path) -> Result<Vec<Request>, DemoError> {
    let opened = std::fs::File::open(file).map_err(DemoError::io(format!("open {}", file.display())))?;
    read_from(file, opened)
}

fn read_from(file: &Path, source: impl std::io::Read) -> Result<Vec<Request>, DemoError> {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(source);
    let mut requests = Vec::new();
    let mut header_seen = false;
    for record in reader.records() {
        let record = record.map_err(|error| unreadable(file, &error))?;
        let line = Line { file, number: record.position().map_or(0, csv::Position::line), record };
        if header_seen {
            requests.push(line.request()?);
        } else {
            line.check_header()?;
            header_seen = true;
        }
    }
    if requests.is_empty() {
        let line = if header_seen { 2 } else { 1 };
        let problem = format!("the file ends here; expected {}", HEADER.join(","));
        return Err(at(file, line, 1, problem));
    }
    Ok(requests)
}

struct Line<'a> {
    file: &'a Path,
    number: u64,
    record: StringRecord,
}

impl Line<'_> {
    fn check_header(&self) -> Result<(), DemoError> {
        for (column, name) in HEADER.iter().enumerate() {
            let found = self.field(column)?;
            if found != *name {
                return Err(self.wrong(column, format!("the header says `{found}` instead of `{name}`")));
            }
        }
        self.check_width()
    }

    fn request(&self) -> Result<Request, DemoError> {
        let time = self.field(0)?;
        if !is_timestamp(time) {
            let problem = format!("`{time}` is no time like `2023-11-16 18:17:03.9799600`");
            return Err(self.wrong(0, problem));
        }
        let request = Request { context_tokens: self.tokens(1)?, generated_tokens: self.tokens(2)? };
        self.check_width()?;
        Ok(request)
    }

    fn tokens(&self, column: usize) -> Result<u32, DemoError> {
        let text = self.field(column)?;
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<u32>() {
            Ok(tokens) if plain && tokens <= TOKENS_MAX => Ok(tokens),
            _ => {
                Err(self
                    .wrong(column, format!("`{text}` is no whole number of tokens from 0 to {TOKENS_MAX}")))
            }
        }
    }

    fn field(&self, column: usize) -> Result<&str, DemoError> {
        self.record.get(column).ok_or_else(|| self.wrong(column, "the line ends before it".to_owned()))
    }

    fn check_width(&self) -> Result<(), DemoError> {
        match self.record.get(HEADER.len()) {
            None => Ok(()),
            Some(text) => Err(self.wrong(HEADER.len(), format!("`{text}` is one value too many"))),
        }
    }

    fn wrong(&self, column: usize, problem: String) -> DemoError {
        at(self.file, self.number, column + 1, problem)
    }
}

fn at(file: &Path, line: u64, column: usize, problem: String) -> DemoError {
    let name = HEADER.get(column - 1).map_or(String::new(), |name| format!(" ({name})"));
    DemoError::Trace { file: file.to_owned(), line, column: format!("{column}{name}"), problem }
}

fn unreadable(file: &Path, error: &csv::Error) -> DemoError {
    let line = error.position().map_or(1, csv::Position::line);
    let column = match error.kind() {
        csv::ErrorKind::Utf8 { err, .. } => err.field() + 1,
        _ => 1,
    };
    at(file, line, column, format!("cannot be read: {error}"))
}

/// Accepts `YYYY-MM-DD HH:MM:SS`, with up to nine digits of a second behind a point.
fn is_timestamp(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let in_range = |part: Option<&str>, least: u32, most: u32| {
        let value = part.filter(|part| digits(part)).and_then(|part| part.parse::<u32>().ok());
        value.is_some_and(|value| (least..=most).contains(&value))
    };
    let shape: Vec<u8> = whole.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte }).collect();
    shape == b"0000-00-00 00:00:00"
        && in_range(whole.get(5..7), 1, 12)
        && in_range(whole.get(8..10), 1, 31)
        && in_range(whole.get(11..13), 0, 23)
        && in_range(whole.get(14..16), 0, 59)
        && in_range(whole.get(17..19), 0, 60)
        && fraction.len() <= 9
        && digits(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Request>, String> {
        read_from(Path::new("trace.csv"), text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_requests_with_and_without_a_last_newline() {
        let text = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\r\n\
                    2023-11-16 18:17:04,0,8";
        let expected = [
            Request { context_tokens: 4808, generated_tokens: 10 },
            Request { context_tokens: 0, generated_tokens: 8 },
        ];
        assert_eq!(parse(text).expect("two requests"), expected);
    }

    #[test]
    fn names_file_line_and_column_of_what_is_wrong() {
        let header = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
        let good = "2023-11-16 18:17:03.9,1,1\n";
        for (lines, place) in [
            (format!("{header}{good}2023-11-16 18:17:03.9,x,1\n"), "line 3, column 2 (ContextTokens)"),
            (format!("{header}2023-11-16 18:17:03.9,1,-1\n"), "line 2, column 3 (GeneratedTokens)"),
            (format!("{header}2023-11-16 18:17:03.9,1,+1\n"), "line 2, column 3 (GeneratedTokens)"),
            (format!("{header}2023-11-16 18:17:03.9,10000001,1\n"), "line 2, column 2 (ContextTokens)"),
            (format!("{header}2023-13-16 18:17:03.9,1,1\n"), "line 2, column 1 (TIMESTAMP)"),
            (format!("{header}yesterday,1,1\n"), "line 2, column 1 (TIMESTAMP)"),
            (format!("{header}{good}{good}2023-11-16 18:17:03.9,1\n"), "line 4, column 3 (GeneratedTokens)"),
            (format!("{header}2023-11-16 18:17:03.9,1,1,1\n"), "line 2, column 4"),
            ("TIMESTAMP,Context,GeneratedTokens\n".to_owned(), "line 1, column 2 (ContextTokens)"),
            (header.to_owned(), "line 2, column 1"),
            (String::new(), "line 1, column 1"),
        ] {
            let error = parse(&lines).expect_err("must be refused");
            assert!(error.starts_with(&format!("trace.csv, {place}")), "`{error}` does not name {place}");
        }
    }
}
