//! Owns: wire values into core's, naming the field that does not hold. Never: a bound that core tests.

use crate::{currency, status};
use sha2::{Digest as _, Sha256};
use tallystick_core::{
    AccountId, Amount, CredentialId, Currency, DebitId, DepositId, EnvelopeId, HoldId, PayeeId, SessionId,
    SettlementId, Span, Time, WriterId,
    account::Funding,
    id::IdFault,
    role::{Role, Roles},
    session::{Mode, SecretHash},
};
use tallystick_engine::Cursor;
use tallystick_proto::v1;
use tonic::Status;

macro_rules! id {
    ($name:ident, $type:ty, $rule:literal) => {
        /// Reads an id of this kind. *Errors*: the rule it breaks, as (field, rule).
        pub(crate) fn $name(text: &str, field: &'static str) -> Result<$type, (&'static str, &'static str)> {
            <$type>::parse(text).map_err(|fault| of_id(fault, field, $rule))
        }
    };
}

fn of_id(fault: IdFault, field: &'static str, prefix: &'static str) -> (&'static str, &'static str) {
    match fault {
        IdFault::Prefix => (field, prefix),
        IdFault::Text => (field, "must have 26 characters of 0-9a-v after its prefix"),
        IdFault::Bits => (field, "was never given out by this server"),
    }
}

id!(account, AccountId, "must begin with acc_");
id!(payee, PayeeId, "must begin with pay_");
id!(session, SessionId, "must begin with ses_");

/// Reads the id of a token. *Errors*: as those above.
pub(crate) fn token(text: &str, field: &'static str) -> Result<SessionId, (&'static str, &'static str)> {
    SessionId::parse_token(text).map_err(|fault| of_id(fault, field, "must begin with tok_"))
}

/// Reads the id of what can be debited: a session, or a token.
pub(crate) fn debited(text: &str, field: &'static str) -> Result<SessionId, (&'static str, &'static str)> {
    SessionId::parse_any(text).map_err(|fault| of_id(fault, field, "must begin with ses_ or tok_"))
}

id!(settlement, SettlementId, "must begin with set_, or with ses_ for a session's");
id!(writer, WriterId, "must begin with wri_");
id!(deposit, DepositId, "must begin with dep_");
id!(debit, DebitId, "must begin with deb_");
id!(credential, CredentialId, "must begin with cre_");
id!(hold, HoldId, "must begin with hld_");

/// Reads the id of a hold of `session`. Returns its seq.
pub(crate) fn hold_in(session: SessionId, text: &str) -> Result<u64, (&'static str, &'static str)> {
    let id = hold(text, "hold_id")?;
    if session.hold(id.seq()) == id { Ok(id.seq()) } else { Err(("hold_id", "must be of this session")) }
}

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
    instant(at, field).map_err(refuse)
}

/// As `time`. *Errors*: as (field, rule).
pub(crate) fn instant(
    at: Option<prost_types::Timestamp>,
    field: &'static str,
) -> Result<Time, (&'static str, &'static str)> {
    let Some(at) = at else { return Ok(Time::ZERO) };
    let ns = nanoseconds(at.seconds, at.nanos).filter(|ns| *ns > 0);
    ns.map(Time::from_ns).ok_or((field, "must be a valid instant after 1970 and before 2554"))
}

/// Reads a span; zero when absent.
pub(crate) fn optional_span(
    span: Option<prost_types::Duration>,
    field: &'static str,
) -> Result<Span, Status> {
    let Some(span) = span else { return Ok(Span::from_ns(0)) };
    let ns = nanoseconds(span.seconds, span.nanos);
    ns.map(Span::from_ns)
        .ok_or_else(|| status::malformed(field, "must be a valid duration, and not negative"))
}

/// Reads what a session is to stand under.
pub(crate) fn parent(r: &v1::OpenSessionRequest) -> Result<EnvelopeId, Status> {
    let given = (r.account_id.as_str(), r.parent_session_id.as_str(), r.parent_token_id.as_str());
    match given {
        ("", "", "") => {
            Err(status::malformed("account_id", "or parent_session_id or parent_token_id must be given"))
        }
        (id, "", "") => account(id, "account_id").map(EnvelopeId::Account).map_err(refuse),
        ("", id, "") => session(id, "parent_session_id").map(EnvelopeId::Session).map_err(refuse),
        ("", "", id) => token(id, "parent_token_id").map(EnvelopeId::Session).map_err(refuse),
        ("", _, _) => {
            Err(status::malformed("parent_token_id", "must be left out when parent_session_id is given"))
        }
        (_, "", _) => Err(status::malformed("parent_token_id", "must be left out when account_id is given")),
        (_, _, _) => Err(status::malformed("parent_session_id", "must be left out when account_id is given")),
    }
}

/// Reads how a session is to stand to its parent.
pub(crate) fn mode(number: i32) -> Result<Mode, Status> {
    match v1::EnvelopeMode::try_from(number) {
        Ok(v1::EnvelopeMode::Unspecified | v1::EnvelopeMode::Reserved) => Ok(Mode::Reserved),
        Ok(v1::EnvelopeMode::Shared) => Ok(Mode::Shared),
        Err(_) => Err(status::malformed("mode", "must be RESERVED or SHARED")),
    }
}

/// Reads where an account's money comes from.
pub(crate) fn funding(number: i32) -> Result<Funding, Status> {
    match v1::Funding::try_from(number) {
        Ok(v1::Funding::Unspecified | v1::Funding::Prepaid) => Ok(Funding::Prepaid),
        Ok(v1::Funding::CreditLine) => Ok(Funding::CreditLine),
        Ok(v1::Funding::ExternalAuthority) => Ok(Funding::ExternalAuthority),
        Err(_) => Err(status::malformed("funding", "must be PREPAID, CREDIT_LINE or EXTERNAL_AUTHORITY")),
    }
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

/// Reads roles.
pub(crate) fn roles(numbers: &[i32]) -> Result<Roles, Status> {
    let role = |number: &i32| u8::try_from(*number).ok().and_then(Role::from_number);
    let roles = numbers.iter().try_fold(Roles::NONE, |roles, number| Some(roles.with(role(number)?)));
    roles.ok_or_else(|| status::malformed("roles", "must each be one that there is"))
}

/// Bounds a secret. *Units*: bytes.
const SECRET_BYTES_MAX: usize = 255;

/// Reads what is presented as a secret: its hash. *Errors*: as (field, rule).
pub(crate) fn secret(
    bytes: &[u8],
    field: &'static str,
) -> Result<Option<SecretHash>, (&'static str, &'static str)> {
    match bytes.len() {
        0 => Ok(None),
        1..=SECRET_BYTES_MAX => Ok(Some(SecretHash(Sha256::digest(bytes).into()))),
        _ => Err((field, "must be at most 255 bytes")),
    }
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
