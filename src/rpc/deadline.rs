//! Owns: a call's deadline. It is tested once, before the first lock; after that nothing cancels (I2). Never: a timer.

use std::time::Duration;
use tokio::time::Instant;
use tonic::{Request, Status};

/// Is when a caller stops waiting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// Reads the call's `grpc-timeout`, counted from now.
    pub(crate) fn of<T>(request: &Request<T>) -> Self {
        let header = request.metadata().get("grpc-timeout").and_then(|value| value.to_str().ok());
        Self(header.and_then(parse).and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// Makes a deadline of our own.
    pub(crate) fn within(span: Duration) -> Self {
        Self(Instant::now().checked_add(span))
    }

    /// Returns how long there is; `None` when the caller did not say.
    pub(crate) fn left(self) -> Option<Duration> {
        self.0.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Refuses a call whose deadline has passed: nothing was done. *Errors*: `DEADLINE_EXCEEDED`.
    pub(crate) fn check(self) -> Result<(), Status> {
        match self.0 {
            Some(deadline) if Instant::now() >= deadline => Err(crate::status::deadline_passed()),
            _ => Ok(()),
        }
    }
}

/// Reads the header's form: at most eight digits and a unit. *Source*: gRPC over HTTP/2, "Timeout".
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count.checked_mul(3_600)?)),
        "M" => Some(Duration::from_secs(count.checked_mul(60)?)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_has_one_form() {
        assert_eq!(parse("0n"), Some(Duration::ZERO));
        assert_eq!(parse("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse("99999999H"), Some(Duration::from_secs(99_999_999 * 3_600)));
        for text in ["", "m", "1", "-1m", "123456789m", "1x", "1 m", "é"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
