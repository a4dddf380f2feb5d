//! Owns: what callers ask for, as typed values, and the rules a request must keep before anything is looked up.
//! Never: state; these checks read the command alone.

mod account;
mod control;
mod credential;
mod session;
mod token;

use crate::{
    Amount, Currency, PayeeId, Refusal, SessionId, Time,
    hash::{FieldHash, KeyHash, Seed},
    limits, role,
    session::SecretHash,
    velocity::VelocityLimit,
    writer::Numbered,
};
use alloc::vec::Vec;

pub use account::{CreateAccount, Deposit, Repay, SetCreditLimit, Withdraw};
pub use control::SetControl;
pub use credential::CreateCredential;
pub use session::{OpenSession, Reverse, TopUp};
pub use token::{AmendToken, AskRenewal, IssueToken, RefreshToken};

/// Scopes of keys, so that one text may name intents of several kinds. The numbers are stored, and go into stored hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "named as the commands")]
pub enum Scope {
    Debit = 1,
    CreateAccount = 2,
    Deposit = 3,
    CreatePayee = 4,
    OpenSession = 5,
    TopUp = 6,
    Withdraw = 7,
    Repay = 8,
    Reverse = 9,
    SetCreditLimit = 10,
    IssueToken = 11,
    AmendToken = 12,
    CreateCredential = 13,
}

impl Scope {
    /// Reads a stored number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Debit),
            2 => Some(Self::CreateAccount),
            3 => Some(Self::Deposit),
            4 => Some(Self::CreatePayee),
            5 => Some(Self::OpenSession),
            6 => Some(Self::TopUp),
            7 => Some(Self::Withdraw),
            8 => Some(Self::Repay),
            9 => Some(Self::Reverse),
            10 => Some(Self::SetCreditLimit),
            11 => Some(Self::IssueToken),
            12 => Some(Self::AmendToken),
            13 => Some(Self::CreateCredential),
            _ => None,
        }
    }

    /// Hashes a key in the scope of a kind of command and of the id it acts on (zero for none).
    pub fn hash(self, seed: Seed, id: u128, key: &[u8]) -> KeyHash {
        let mut bytes = [self as u8; 17];
        bytes.split_at_mut(1).1.copy_from_slice(&id.to_le_bytes());
        seed.key(&bytes, key)
    }
}

/// Is a command whose key is remembered for good, with a hash of each of its fields.
pub trait Command {
    /// Names its fields on the wire, in the order of `content`. Fields are only ever added, at the end.
    const FIELDS: &'static [&'static str];

    /// Checks the fields alone, in the order in which the wire lists them. *Errors*: `Malformed`.
    fn check(&self) -> Result<(), Refusal>;

    /// Hashes its key.
    fn key_hash(&self, seed: Seed) -> KeyHash;

    /// Hashes its fields.
    fn content(&self, seed: Seed) -> Vec<FieldHash>;
}

fn hash_number(seed: Seed, number: u64) -> FieldHash {
    seed.field(&number.to_le_bytes())
}

/// Hashes what may be absent: zero for nothing, as an older command that did not know the field.
fn hash_optional(seed: Seed, number: u64) -> FieldHash {
    if number == 0 { FieldHash::default() } else { hash_number(seed, number) }
}

/// Hashes limits in time, in the order in which they are listed.
fn hash_velocity(seed: Seed, limits: &[VelocityLimit]) -> FieldHash {
    let mut bytes = Vec::new();
    for limit in limits {
        bytes.extend([limit.pace as u8, limit.measure as u8, limit.each_payee.into()]);
        for number in [limit.most, limit.per.ns(), limit.burst] {
            bytes.extend(number.to_le_bytes());
        }
    }
    seed.field(&bytes)
}

/// Hashes several texts as one field.
fn hash_texts(seed: Seed, texts: &[&str]) -> FieldHash {
    let mut bytes = Vec::new();
    if texts.iter().any(|text| !text.is_empty()) {
        for text in texts {
            bytes.extend((text.len() as u64).to_le_bytes());
            bytes.extend(text.as_bytes());
        }
    }
    seed.field(&bytes)
}

/// Asks for a payee.
#[derive(Debug, Clone, Copy)]
pub struct CreatePayee<'a> {
    /// The caller's name for this intent.
    pub key: &'a [u8],
    /// The payee's name.
    pub name: &'a str,
}

/// Says how a debit is recognised when it is sent again.
#[derive(Debug, Clone, Copy)]
pub enum Intent<'a> {
    /// By a free-form key.
    Key(&'a [u8]),
    /// By a place in a writer's count.
    Number(Numbered),
}

/// Says what is to be done with an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Act {
    /// Take it at once.
    #[default]
    Debit,
    /// Set it aside, as a promise to the payee.
    Hold {
        /// How much more than the amount may be captured, and is set aside, too.
        tolerance: Amount,
        /// No capture from here on; zero until the session's end.
        until: Time,
    },
    /// Take it out of what a hold holds.
    Capture {
        /// Which hold: its seq.
        hold: u64,
        /// Give the rest back.
        last: bool,
    },
    /// Give back what a hold holds.
    Void {
        /// Which hold: its seq.
        hold: u64,
    },
}

/// Names an act without its terms. Remembered by the number, which is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[expect(missing_docs, reason = "named as the acts")]
pub enum ActKind {
    Debit = 0,
    Hold = 1,
    Capture = 2,
    Void = 3,
}

impl Act {
    /// Returns which of them it is.
    pub const fn kind(self) -> ActKind {
        match self {
            Self::Debit => ActKind::Debit,
            Self::Hold { .. } => ActKind::Hold,
            Self::Capture { .. } => ActKind::Capture,
            Self::Void { .. } => ActKind::Void,
        }
    }

    /// Returns what it is, as far as roles tell acts apart.
    pub const fn role_act(self) -> role::Act {
        match self {
            Self::Debit => role::Act::Debit,
            Self::Hold { .. } => role::Act::Hold,
            Self::Capture { .. } => role::Act::Capture,
            Self::Void { .. } => role::Act::Void,
        }
    }

    /// Returns which hold it is about.
    pub const fn hold(self) -> Option<u64> {
        match self {
            Self::Capture { hold, .. } | Self::Void { hold } => Some(hold),
            Self::Debit | Self::Hold { .. } => None,
        }
    }
}

/// Asks for an amount to be taken at once, or to be held; or for a hold to be captured or given back.
#[derive(Debug, Clone, Copy)]
pub struct Debit<'a> {
    /// Out of which session, or token.
    pub session: SessionId,
    /// What to do.
    pub act: Act,
    /// The hash of the secret that was presented for the session.
    pub proof: Option<&'a SecretHash>,
    /// To whom.
    pub payee: PayeeId,
    /// How much; nothing to void.
    pub amount: Amount,
    /// In which currency, if it says.
    pub currency: Currency,
    /// How it is recognised.
    pub intent: Intent<'a>,
    /// The payee's own id for it.
    pub reference: &'a str,
    /// A hash of what was bought.
    pub evidence: Option<[u8; 32]>,
    /// Whether less would do.
    pub partial: bool,
}

/// Refuses a key that is empty or too long.
pub(crate) fn check_key(key: &[u8]) -> Result<(), Refusal> {
    check_length(key.len(), 1, limits::KEY_BYTES, ("idempotency_key", "must be 1 to 255 bytes"))
}

pub(crate) fn check_name(name: &str, field: &'static str, least: usize) -> Result<(), Refusal> {
    let rule = if least == 0 { "must be at most 255 bytes" } else { "must be 1 to 255 bytes" };
    check_length(name.len(), least, limits::NAME_BYTES, (field, rule))
}

fn check_length(
    length: usize,
    least: usize,
    most: usize,
    (field, rule): (&'static str, &'static str),
) -> Result<(), Refusal> {
    if length < least || length > most { Err(Refusal::malformed(field, rule)) } else { Ok(()) }
}

pub(crate) fn check_amount(amount: Amount, field: &'static str) -> Result<(), Refusal> {
    if amount.is_nameable() { Ok(()) } else { Err(Refusal::malformed(field, "must be 1 to 2^63-1 nanos")) }
}

pub(crate) fn check_optional_amount(amount: Amount, field: &'static str) -> Result<(), Refusal> {
    if amount.is_zero() || amount.is_nameable() {
        Ok(())
    } else {
        Err(Refusal::malformed(field, "must be at most 2^63-1 nanos; 0 means none"))
    }
}

impl Command for CreatePayee<'_> {
    const FIELDS: &'static [&'static str] = &["name"];

    fn check(&self) -> Result<(), Refusal> {
        check_key(self.key)?;
        check_name(self.name, "name", 1)
    }

    fn key_hash(&self, seed: Seed) -> KeyHash {
        Scope::CreatePayee.hash(seed, 0, self.key)
    }

    fn content(&self, seed: Seed) -> Vec<FieldHash> {
        [seed.field(self.name.as_bytes())].into()
    }
}

impl Debit<'_> {
    /// Checks the fields alone.
    pub fn check(&self) -> Result<(), Refusal> {
        match self.act {
            Act::Debit => check_amount(self.amount, "amount_nanos")?,
            _ => self.check_act()?,
        }
        match self.intent {
            Intent::Key(key) => check_key(key)?,
            Intent::Number(at) if at.number == 0 => {
                return Err(Refusal::malformed("number", "must count from 1"));
            }
            Intent::Number(at) if at.acked_through >= at.number => {
                return Err(Refusal::malformed("acked_through", "must be below the number it comes with"));
            }
            Intent::Number(_) => {}
        }
        let reference = ("reference", "must be at most 128 bytes");
        check_length(self.reference.len(), 0, limits::DEBIT_REFERENCE_BYTES, reference)
    }

    #[cold]
    fn check_act(&self) -> Result<(), Refusal> {
        if self.partial {
            return Err(Refusal::malformed("accept_partial", "must not be given but with a debit"));
        }
        match self.act {
            Act::Void { .. } if self.amount.is_zero() => Ok(()),
            Act::Void { .. } => Err(Refusal::malformed("amount_nanos", "must be 0 to void a hold")),
            Act::Debit | Act::Capture { .. } => check_amount(self.amount, "amount_nanos"),
            Act::Hold { tolerance, .. } => {
                check_amount(self.amount, "amount_nanos")?;
                let whole = self.amount.checked_add(tolerance);
                let rule = "must be at most 2^63-1 nanos together with amount_nanos";
                let whole = whole.ok_or(Refusal::malformed("tolerance_nanos", rule))?;
                if whole.is_nameable() { Ok(()) } else { Err(Refusal::malformed("tolerance_nanos", rule)) }
            }
        }
    }
}
