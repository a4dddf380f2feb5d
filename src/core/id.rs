//! Owns: ids. 128 bits that say where a thing lives, so that it is found without a hash table:
//!
//! ```text
//! partition:16 | kind:8 | generation:24 | slot:32 | random:48      account, payee, session, token, settlement, writer, deposit
//! partition:16 | kind:8 | zero:8        | slot:32 | seq:64         debit, hold
//! ```
//!
//! As text: a prefix for the kind, then 26 characters of base32hex in lower case, which sort as the numbers do.
//! A settlement's id is its session's with another kind: a session has one settlement because there is one id for it.
//! A token is a row among the sessions, debited and settled as they are, so a `SessionId` names either and says which.
//! Never: draws randomness; that is handed in through `IdSource`.

use crate::{Level, PARTITIONS};
use alloc::{format, string::String};
use core::fmt;
use data_encoding::BASE32_DNSSEC;
use serde::{Deserialize, Serialize};

/// Gives the unguessable part of new ids. Passed in, never reached for.
pub trait IdSource: Send + Sync {
    /// Returns 64 bits that have not been used before, as far as anyone can tell.
    fn draw(&self) -> u64;
}

/// Numbers the kinds of id. The numbers are stored and never change meaning.
/// Reserved: 8 approval, 9 batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// An account, `acc_`.
    Account = 1,
    /// A payee, `pay_`.
    Payee = 2,
    /// A session, `ses_`.
    Session = 3,
    /// A settlement, `set_`.
    Settlement = 4,
    /// A debit, `deb_`.
    Debit = 5,
    /// A token, `tok_`.
    Token = 6,
    /// A hold, `hld_`.
    Hold = 7,
    /// A credential, `cre_`.
    Credential = 10,
    /// A writer, `wri_`.
    Writer = 11,
    /// A deposit, `dep_`.
    Deposit = 12,
    /// A token's settlement, `set_` as every other.
    TokenSettlement = 13,
}

/// Says why a text is no id of the wanted kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdFault {
    /// The prefix is not this kind's.
    Prefix,
    /// What follows the prefix is not 26 characters of 0-9a-v.
    Text,
    /// The bits are not laid out as this kind's are.
    Bits,
}

/// Says where a row lives and which generation of its slot it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Below `PARTITIONS`.
    pub partition: u16,
    /// The row's index in its partition's table.
    pub slot: u32,
    /// How often the slot was taken before, modulo 2^24.
    pub generation: u32,
}

const GENERATION_MASK: u32 = (1 << 24) - 1;
const RANDOM_MASK: u128 = (1 << 48) - 1;

const fn pack(kind: Kind, place: Place, random: u64) -> u128 {
    ((place.partition as u128) << 112)
        | ((kind as u128) << 104)
        | (((place.generation & GENERATION_MASK) as u128) << 80)
        | ((place.slot as u128) << 48)
        | (random as u128 & RANDOM_MASK)
}

#[expect(clippy::cast_possible_truncation, reason = "each part is shifted into its width")]
const fn place(bits: u128) -> Place {
    Place {
        partition: (bits >> 112) as u16,
        slot: (bits >> 48) as u32,
        generation: (bits >> 80) as u32 & GENERATION_MASK,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the kind is eight bits wide")]
const fn kind_of(bits: u128) -> u8 {
    (bits >> 104) as u8
}

fn to_text(prefix: &str, bits: u128) -> String {
    format!("{prefix}{}", BASE32_DNSSEC.encode(&bits.to_be_bytes()))
}

fn from_text(prefix: &str, kind: Kind, text: &str) -> Result<u128, IdFault> {
    let digits = text.strip_prefix(prefix).ok_or(IdFault::Prefix)?;
    let mut bytes = [0; 16];
    // The alphabet also reads upper case; one id has one text, so that is refused here.
    if digits.len() != 26 || digits.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(IdFault::Text);
    }
    BASE32_DNSSEC.decode_mut(digits.as_bytes(), &mut bytes).map_err(|_| IdFault::Text)?;
    from_bits(kind, u128::from_be_bytes(bytes))
}

fn from_bits(kind: Kind, bits: u128) -> Result<u128, IdFault> {
    if kind_of(bits) != kind as u8 || place(bits).partition >= PARTITIONS {
        return Err(IdFault::Bits);
    }
    Ok(bits)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:expr, $prefix:literal $(, or $other:expr, $other_prefix:literal)?) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        // Aligned as two words: a row that has an id is not padded for it.
        #[repr(Rust, packed(8))]
        pub struct $name(u128);

        impl $name {
            /// Is what the text form begins with, of the first kind.
            pub const PREFIX: &'static str = $prefix;

            /// Reads the text form, of the first kind. *Errors*: another kind's prefix, other characters, bits out of place.
            pub fn parse(text: &str) -> Result<Self, IdFault> {
                let found = from_text($prefix, $kind, text);
                $(let found = if $other_prefix == $prefix { found.or_else(|_| from_text($prefix, $other, text)) } else { found };)?
                found.map(Self)
            }

            /// Reads the 128 bits. *Errors*: bits out of place.
            pub fn from_bits(bits: u128) -> Result<Self, IdFault> {
                let found = from_bits($kind, bits);
                $(let found = found.or_else(|_| from_bits($other, bits));)?
                found.map(Self)
            }

            /// Returns the 128 bits.
            pub const fn bits(self) -> u128 {
                self.0
            }

            /// Returns the partition it belongs to.
            pub const fn partition(self) -> u16 {
                place(self.0).partition
            }

            /// Returns the slot in that partition's table.
            pub const fn slot(self) -> u32 {
                place(self.0).slot
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                $(if kind_of(self.0) == $other as u8 {
                    return f.write_str(&to_text($other_prefix, self.0));
                })?
                f.write_str(&to_text($prefix, self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

macro_rules! placed {
    ($name:ident, $kind:expr) => {
        impl $name {
            /// Makes the id of the row at `place`. *Panics*: never; `random` beyond 48 bits is cut.
            pub const fn new(place: Place, random: u64) -> Self {
                Self(pack($kind, place, random))
            }

            /// Returns where the row lives.
            pub const fn place(self) -> Place {
                place(self.0)
            }
        }
    };
}

id!(/// Names an account.
    AccountId, Kind::Account, "acc_");
id!(/// Names a payee.
    PayeeId, Kind::Payee, "pay_");
id!(/// Names what is debited: a session, or a token.
    SessionId, Kind::Session, "ses_", or Kind::Token, "tok_");
id!(/// Names a settlement, of a session or of a token.
    SettlementId, Kind::Settlement, "set_", or Kind::TokenSettlement, "set_");
id!(/// Names a debit, approved or declined.
    DebitId, Kind::Debit, "deb_");
id!(/// Names a hold.
    HoldId, Kind::Hold, "hld_");
id!(/// Names a credential.
    CredentialId, Kind::Credential, "cre_");
id!(/// Names a writer.
    WriterId, Kind::Writer, "wri_");
id!(/// Names a deposit.
    DepositId, Kind::Deposit, "dep_");
placed!(AccountId, Kind::Account);
placed!(PayeeId, Kind::Payee);
placed!(SessionId, Kind::Session);
placed!(WriterId, Kind::Writer);
placed!(DepositId, Kind::Deposit);
placed!(CredentialId, Kind::Credential);

/// Names what a session can stand under, and whose limit can say no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EnvelopeId {
    /// An account.
    Account(AccountId),
    /// A session, or a token.
    Session(SessionId),
}

impl EnvelopeId {
    /// Returns the 128 bits.
    pub const fn bits(self) -> u128 {
        match self {
            Self::Account(id) => id.bits(),
            Self::Session(id) => id.bits(),
        }
    }

    /// Returns the partition it belongs to.
    pub const fn partition(self) -> u16 {
        match self {
            Self::Account(id) => id.partition(),
            Self::Session(id) => id.partition(),
        }
    }

    /// Returns where a limit of it stands.
    pub const fn level(self) -> Level {
        match self {
            Self::Account(_) => Level::Account,
            Self::Session(id) => id.level(),
        }
    }
}

impl fmt::Display for EnvelopeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(id) => id.fmt(f),
            Self::Session(id) => id.fmt(f),
        }
    }
}

impl From<AccountId> for EnvelopeId {
    fn from(id: AccountId) -> Self {
        Self::Account(id)
    }
}

impl From<SessionId> for EnvelopeId {
    fn from(id: SessionId) -> Self {
        Self::Session(id)
    }
}

const KIND_MASK: u128 = 0xff << 104;

const fn with_kind(bits: u128, kind: Kind) -> u128 {
    (bits & !KIND_MASK) | ((kind as u128) << 104)
}

/// Lays out the id of what was decided at `seq` in the envelope with these bits.
const fn decided_at(envelope: u128, kind: Kind, seq: u64) -> u128 {
    let at = place(envelope);
    ((at.partition as u128) << 112) | ((kind as u128) << 104) | ((at.slot as u128) << 64) | seq as u128
}

impl SessionId {
    /// Is what a token's text form begins with.
    pub const TOKEN_PREFIX: &'static str = "tok_";

    /// Makes the id of the token at `place`. *Panics*: never; `random` beyond 48 bits is cut.
    pub const fn new_token(place: Place, random: u64) -> Self {
        Self(pack(Kind::Token, place, random))
    }

    /// Reads the text form of a token's id. *Errors*: as `parse`.
    pub fn parse_token(text: &str) -> Result<Self, IdFault> {
        from_text(Self::TOKEN_PREFIX, Kind::Token, text).map(Self)
    }

    /// Reads the text form of a session's id or a token's. *Errors*: as `parse`.
    pub fn parse_any(text: &str) -> Result<Self, IdFault> {
        if text.starts_with(Self::TOKEN_PREFIX) { Self::parse_token(text) } else { Self::parse(text) }
    }

    /// Returns whether it is a token's.
    pub const fn is_token(self) -> bool {
        kind_of(self.0) == Kind::Token as u8
    }

    /// Returns where a limit of it stands.
    pub const fn level(self) -> Level {
        if self.is_token() { Level::Token } else { Level::Session }
    }

    /// Returns the id of its one settlement.
    pub const fn settlement(self) -> SettlementId {
        let kind = if self.is_token() { Kind::TokenSettlement } else { Kind::Settlement };
        SettlementId(with_kind(self.0, kind))
    }

    /// Returns the id of the debit decided in it at `seq`.
    pub const fn debit(self, seq: u64) -> DebitId {
        DebitId(decided_at(self.0, Kind::Debit, seq))
    }

    /// Returns the id of the hold placed in it at `seq`.
    pub const fn hold(self, seq: u64) -> HoldId {
        HoldId(decided_at(self.0, Kind::Hold, seq))
    }
}

impl SettlementId {
    /// Returns what it settles.
    pub const fn session(self) -> SessionId {
        let of_token = kind_of(self.0) == Kind::TokenSettlement as u8;
        SessionId(with_kind(self.0, if of_token { Kind::Token } else { Kind::Session }))
    }
}

macro_rules! decided {
    ($name:ident) => {
        impl $name {
            /// Returns the slot of its session, in the same partition. (`slot` reads the layout of the other kinds.)
            #[expect(clippy::cast_possible_truncation, reason = "the slot is 32 bits wide")]
            pub const fn session_slot(self) -> u32 {
                (self.0 >> 64) as u32
            }

            /// Returns the journal position of the decision.
            #[expect(clippy::cast_possible_truncation, reason = "the seq is the low 64 bits")]
            pub const fn seq(self) -> u64 {
                self.0 as u64
            }
        }
    };
}

decided!(DebitId);
decided!(HoldId);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_and_bits_come_back(partition in 0..PARTITIONS, slot: u32, generation in 0..1u32 << 24, random: u64) {
            let at = Place { partition, slot, generation };
            let id = SessionId::new(at, random);
            prop_assert_eq!(SessionId::parse(&id.to_string()), Ok(id));
            prop_assert_eq!(id.place(), at);
            prop_assert_eq!(id.settlement().session(), id);
            prop_assert_eq!(id.debit(random).seq(), random);
            prop_assert_eq!(id.debit(random).partition(), partition);
            prop_assert_eq!(id.debit(random).session_slot(), slot);
            prop_assert_eq!(id.hold(random).session_slot(), slot);
            let token = SessionId::new_token(at, random);
            prop_assert_eq!(SessionId::parse_any(&token.to_string()), Ok(token));
            prop_assert_eq!(SessionId::parse_any(&id.to_string()), Ok(id));
            prop_assert_eq!(SessionId::from_bits(token.bits()), Ok(token));
            prop_assert_eq!(token.settlement().session(), token);
            prop_assert_eq!(SettlementId::parse(&token.settlement().to_string()), Ok(token.settlement()));
            prop_assert!(token.is_token() && !id.is_token() && SessionId::parse(&token.to_string()).is_err());
        }

        #[test]
        fn text_sorts_as_bits_do(a: u64, b: u64) {
            let at = Place { partition: 3, slot: 9, generation: 1 };
            let (x, y) = (SessionId::new(at, a), SessionId::new(at, b));
            prop_assert_eq!(x.cmp(&y), x.to_string().cmp(&y.to_string()));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = SessionId::parse(&text);
        }
    }

    #[test]
    fn another_kind_is_refused() {
        let at = Place { partition: 0, slot: 1, generation: 0 };
        let account = AccountId::new(at, 5).to_string();
        assert_eq!(SessionId::parse(&account), Err(IdFault::Prefix));
        assert_eq!(SessionId::parse(&account.replace("acc_", "ses_")), Err(IdFault::Bits));
        assert_eq!(AccountId::parse(&account.to_uppercase().replace("ACC_", "acc_")), Err(IdFault::Text));
        assert_eq!(AccountId::parse("acc_"), Err(IdFault::Text));
    }
}
