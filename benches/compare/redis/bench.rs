//! Owns: redis-benchmark: how it is asked, and what it says. Never: counts a call that it did not report.

use super::server::{BOOK, Server};
use crate::{error::CompareError, process};
use std::{path::Path, process::Command};

/// What every call debits: redis-benchmark can draw texts of a fixed length only, and no amounts.
const AMOUNT_NANOS: &str = "603";
const TOOL: &str = "redis-benchmark";

/// Is one way to call the script.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) clients: u32,
    /// Calls that a client sends before it reads an answer.
    pub(crate) pipeline: u32,
}

/// Is what redis-benchmark found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Calls answered.
    pub(crate) calls: u64,
    pub(crate) calls_per_s: u64,
    pub(crate) latency_us_mean: u64,
    pub(crate) latency_us_p50: u64,
    pub(crate) latency_us_p99: u64,
}

/// Calls the script `calls` times, or so few more that every pipeline is full, which redis-benchmark would send anyway. `label` makes this load's
/// keys differ from those of another on the same server, for redis-benchmark draws its numbers anew from time and process
/// id.
pub(crate) async fn run(
    program: &Path,
    server: &Server,
    shape: Shape,
    label: &str,
    calls: u64,
) -> Result<Found, CompareError> {
    let calls = calls.max(1).next_multiple_of(shape.pipeline.into());
    let mut command = Command::new(program);
    command.args(["-h", "127.0.0.1", "-p", &server.port.to_string(), "--csv"]);
    command.args(["-c", &shape.clients.to_string(), "-P", &shape.pipeline.to_string()]);
    command.args(["-n", &calls.to_string(), "-r", &server.sessions.to_string()]);
    // Twelve digits each time; one for the session, three for a key that hardly ever comes again.
    let key = format!("{label}__rand_int____rand_int____rand_int__");
    command.args(["EVALSHA", &server.debit, "2", "s:__rand_int__", BOOK, &key, AMOUNT_NANOS, &server.now]);
    found(calls, &process::run(TOOL, command).await?)
}

/// Reads the one line of figures: `"command","rps","avg_latency_ms","min…","p50…","p95…","p99…","max…"`.
fn found(calls: u64, text: &str) -> Result<Found, CompareError> {
    let wrong = |wanted| CompareError::Output { tool: TOOL, wanted, text: text.trim().to_owned() };
    let mut lines = text.lines().filter(|line| line.starts_with('"'));
    let (header, line) = (lines.next(), lines.next());
    let (Some(header), Some(line)) = (header, line) else { return Err(wrong("line of figures")) };
    let column = |name: &'static str| {
        let place = fields(header).position(|field| field == name);
        let field = place.and_then(|place| fields(line).nth(place));
        field.and_then(thousandths).ok_or_else(|| wrong(name))
    };
    // Milliseconds with three digits behind the point are microseconds.
    Ok(Found {
        calls,
        calls_per_s: column("rps")? / 1_000,
        latency_us_mean: column("avg_latency_ms")?,
        latency_us_p50: column("p50_latency_ms")?,
        latency_us_p99: column("p99_latency_ms")?,
    })
}

/// The command itself holds no comma.
fn fields(line: &str) -> impl Iterator<Item = &str> {
    line.split(',').map(|field| field.trim_matches('"'))
}

/// Reads a decimal in thousandths; what is smaller is cut off.
pub(crate) fn thousandths(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part: String = part.chars().chain("000".chars()).take(3).collect();
    whole.parse::<u64>().ok()?.checked_mul(1_000)?.checked_add(part.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\
        \"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"\n\
        \"EVALSHA 5f1d 2 s:__rand_int__ debits k 603 1\",\"42164.44\",\"1.388\",\"0.640\",\"1.383\",\"1.855\",\
        \"2.231\",\"8.263\"\n";

    #[test]
    fn figures_are_read_by_their_columns_names() {
        let expected = Found {
            calls: 64,
            calls_per_s: 42_164,
            latency_us_mean: 1_388,
            latency_us_p50: 1_383,
            latency_us_p99: 2_231,
        };
        assert_eq!(found(64, PRINTED).unwrap(), expected);
    }

    #[test]
    fn a_figure_that_is_missing_is_named() {
        let error = found(64, &PRINTED.replace("\"p99_latency_ms\"", "\"p98\"")).unwrap_err().to_string();
        assert!(error.contains("no p99_latency_ms in"), "{error}");
        let error = found(64, "Error from server: NOSCRIPT").unwrap_err().to_string();
        assert!(error.contains("no line of figures in `Error from server"), "{error}");
    }

    #[test]
    fn decimals_are_read_in_thousandths() {
        assert_eq!(thousandths("3.580"), Some(3_580));
        assert_eq!(thousandths("17878.226571"), Some(17_878_226));
        assert_eq!(thousandths("7"), Some(7_000));
        assert_eq!(thousandths("0.5"), Some(500));
        assert_eq!(thousandths("nan"), None);
        assert_eq!(thousandths("1.-5"), None);
    }
}
