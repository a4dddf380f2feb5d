//! Owns: the fixed bounds of the model, in one place. Never: a bound that an operator may set per session.

use crate::Span;

/// Bounds the payees of a session that has no allow-list.
pub const PAYEES_PER_SESSION: usize = 64;
/// Bounds the payees of a session that has one, and the per-payee caps it may list.
pub const PAYEES_LISTED: usize = 1_024;
/// Bounds the open sessions of an account.
pub const ACCOUNT_CHILDREN: u32 = 10_000_000;
/// Bounds the open sessions of a session.
pub const SESSION_CHILDREN: u32 = 10_000;
/// Bounds how deep below its account a session may lie; straight on it is 1.
pub const DEPTH: u8 = 8;
/// Bounds the reversed debits a session remembers.
pub const REVERSALS_PER_SESSION: usize = 65_536;
/// Ends sessions this long before their account's external authority, unless the account says otherwise.
pub const AUTHORITY_MARGIN: Span = Span::from_hours(1);
/// Bounds the free-form keys a session remembers.
pub const KEYS_PER_SESSION: usize = 65_536;
/// Bounds the open holds of a session.
pub const HOLDS_PER_SESSION: usize = 1_000;
/// Bounds the ended holds a session remembers, so that what comes late is told from what never was.
pub const ENDED_HOLDS_REMEMBERED: usize = 1_000;
/// Bounds how long after its session's end a hold can be captured.
pub const CAPTURE_GRACE: Span = Span::from_days(7);
/// Bounds the writers a session remembers.
pub const WRITERS_PER_SESSION: usize = 64;
/// Bounds the answers remembered for one writer in one session.
pub const ANSWERS_PER_WRITER: u64 = 65_536;
/// Bounds a session's life, and how far ahead it may begin.
pub const SESSION_LIFE: Span = Span::from_days(30);
/// Bounds the velocity limits of one envelope.
pub const VELOCITY_LIMITS: usize = 8;
/// Bounds the payees of which a velocity limit for each payee keeps something at once.
pub const PAYEES_IN_VELOCITY: usize = 1_024;
/// Bounds a token's life, and how far ahead it may begin: five years, two of them leap years.
pub const TOKEN_LIFE: Span = Span::from_days(1_827);
/// Bounds a rolling period from below.
pub const PERIOD_LEAST: Span = Span::from_hours(1);
/// Bounds a rolling period from above.
pub const PERIOD_MOST: Span = Span::from_days(366);
/// Bounds the first characters of a secret that are kept. *Units*: bytes.
pub const PREFIX_BYTES: usize = 12;
/// Bounds how long after a refresh the secret that it spent gives the same answer again.
pub const REFRESH_RETRY: Span = Span::from_minutes(10);
/// Bounds the spent refresh secrets that a standing mandate knows again: the weekly ones of nine years.
pub const SPENT_SECRETS_REMEMBERED: usize = 512;
/// Bounds the sessions that go on in a new period.
pub const CARRIED_PER_PERIOD: usize = 1_000;
/// Keeps a token that was consumed by a debit or a hold, so that a retry finds its answer and a mistake can be reversed.
pub const CONSUMED_LINGERS: Span = Span::from_minutes(10);
/// Bounds an idempotency key. *Units*: bytes.
pub const KEY_BYTES: usize = 255;
/// Bounds a name or an account's or session's reference. *Units*: bytes.
pub const NAME_BYTES: usize = 255;
/// Bounds a debit's reference. *Units*: bytes.
pub const DEBIT_REFERENCE_BYTES: usize = 128;
/// Bounds the name of an authority's method, and each fact about a payment method. *Units*: bytes.
pub const METHOD_BYTES: usize = 64;
/// Bounds the name of a front-end. *Units*: bytes.
pub const FRONT_END_BYTES: usize = 64;
/// Bounds the note of a stop. *Units*: bytes.
pub const CONTROL_NOTE_BYTES: usize = 128;
/// Bounds what is shown of an API key. *Units*: bytes.
pub const KEY_PREFIX_BYTES: usize = 16;
/// Bounds the credentials, those revoked included.
pub const CREDENTIALS: u32 = 65_536;
/// Bounds the rows of one table of one partition: accounts, payees, writers or sessions.
pub const ROWS_PER_TABLE: u32 = 1 << 24;
