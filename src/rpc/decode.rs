//! Owns: wire values into core's, naming the field that does not hold. Never: a bound that core tests.

use crate::{currency, status};
use tallystick_core::{
    AccountId, Amount, Currency, DebitId, PayeeId, SessionId, SettlementId, Span, Time, WriterId, id::IdFault,
};
use tallystick_engine::Cursor;
use tonic::Status;

macro_rules! id {
    ($name:ident, $type:ty, $rule:literal) => {
        /// Reads an id of this kind. *Errors*: the rule it breaks, as (field, rule).
        pub(crate) fn $name(text: &str, field: &'static str) -> Result<$type, (&'static str, &'static str)> {
            <$type>::parse(text).map_err(|fault| match fault {
                IdFault::Prefix => (field, $rule),
                IdFault::Text => (field, "must have 26 characters of 0-9a-v after its prefix"),
                IdFault::Bits => (field, "was never given out by this server"),
            })
        }
    };
}

id!(account, AccountId, "must begin with acc_");
id!(payee, PayeeId, "must begin with pay_");
id!(session, SessionId, "must begin with ses_");
id!(settlement, SettlementId, "must begin with set_, or with ses_ for a session's");
id!(writer, WriterId, "must begin with wri_");
id!(debit, DebitId, "must begin with deb_");

/// Makes a status of (field, rule).
pub(crate) fn refuse((field, rule): (&'static str, &'static str)) -> Status {
    status::malformed(field, rule)
}

/// Reads a currency's text.
pub(crate) fn currency(text: &str) -> Result<Currency, Status> {
    let found = currency::parse(text).ok_or((
        "currency",
        "must be a current ISO 4217 code such as USD, or a listed stablecoin with its chain such as USDC@base",
    ));
    found.map(|found| found.currency).map_err(refuse)
}

/// Reads a currency's text that may be empty.
pub(crate) fn optional_currency(text: &str) -> Result<Currency, Status> {
    if text.is_empty() { Ok(Currency::UNSTATED) } else { currency(text) }
}

/// Reads an amount; its range is core's.
pub(crate) fn amount(nanos: u64) -> Amount {
    Amount::from_nanos(nanos)
}

/// Reads an instant; zero when absent.
pub(crate) fn time(at: Option<prost_types::Timestamp>, field: &'static str) -> Result<Time, Status> {
    let Some(at) = at else { return Ok(Time::ZERO) };
    let ns = nanoseconds(at.seconds, at.nanos).filter(|ns| *ns > 0);
    ns.map(Time::from_ns)
        .ok_or_else(|| status::malformed(field, "must be a valid instant after 1970 and before 2554"))
}

/// Reads a span.
pub(crate) fn span(span: Option<prost_types::Duration>, field: &'static str) -> Result<Span, Status> {
    let span = span.ok_or_else(|| status::malformed(field, "must be given"))?;
    let ns = nanoseconds(span.seconds, span.nanos);
    ns.map(Span::from_ns)
        .ok_or_else(|| status::malformed(field, "must be a valid duration, and not negative"))
}

fn nanoseconds(seconds: i64, nanos: i32) -> Option<u64> {
    let nanos = u64::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    u64::try_from(seconds).ok()?.checked_mul(1_000_000_000)?.checked_add(nanos)
}

/// Reads a hash that is absent or whole. *Errors*: as (field, rule).
pub(crate) fn hash(
    bytes: &[u8],
    field: &'static str,
) -> Result<Option<[u8; 32]>, (&'static str, &'static str)> {
    if bytes.is_empty() {
        return Ok(None);
    }
    bytes.try_into().map(Some).map_err(|_| (field, "must be empty or 32 bytes"))
}

/// Reads a page's size.
pub(crate) fn page_size(size: u32) -> Result<usize, Status> {
    match size {
        0 => Ok(100),
        1..=1_000 => Ok(size as usize),
        _ => Err(status::malformed("page_size", "must be at most 1,000")),
    }
}

/// Reads a page token, as `encode::page_token` writes it.
pub(crate) fn cursor(token: &str) -> Result<Cursor, Status> {
    if token.is_empty() {
        return Ok(Cursor::default());
    }
    let read = || {
        let (partition, slot) = token.split_once('.')?;
        let partition =
            partition.parse().ok().filter(|partition| *partition < tallystick_core::PARTITIONS)?;
        Some(Cursor { partition, slot: slot.parse().ok()? })
    };
    // A number has many texts ("+1", "01"); the one that we write is the only one that we read.
    let read = || read().filter(|cursor| crate::encode::page_token(Some(*cursor)) == token);
    read().ok_or_else(|| status::malformed("page_token", "must be a next_page_token of the same listing"))
}
