//! Owns: what is asked of tokens: to be issued, amended, refreshed. Never: a secret in clear; what is presented comes hashed.

use super::{
    Command, OpenSession, Scope, check_amount, check_key, check_length, check_name, check_optional_amount,
    hash_number, hash_optional,
};
use crate::{
    Amount, PayeeId, Refusal, SessionId, Time,
    hash::{FieldHash, KeyHash, Seed},
    limits,
    period::{Day, Period, Rule},
    record::AuthorityFacts,
    session::{Mode, Prefix, SecretHash},
};
use alloc::vec::Vec;

/// Asks for a standing mandate instead of a single token.
#[derive(Debug, Clone)]
pub struct AskRenewal {
    /// When its periods begin. A rolling rule whose anchor is zero is counted from the decision.
    pub rule: Rule,
    /// What all periods together may spend; zero for no end.
    pub total_cap: Amount,
    /// Whether a period gets what was left of the one before, too.
    pub rollover: bool,
    /// The first refresh secret; derived when there is none.
    pub refresh: Option<(SecretHash, Prefix)>,
}

/// Asks for a token.
#[derive(Debug, Clone)]
pub struct IssueToken<'a> {
    /// What it has in common with a session. Its `clauses.secret` is the token's; derived when there is none.
    pub open: OpenSession<'a>,
    /// For one debit, one hold or one session.
    pub one_time: bool,
    /// The first characters of its secret.
    pub prefix: Prefix,
    /// The agreement's reference.
    pub agreement: &'a str,
    /// For a standing mandate.
    pub renewal: Option<AskRenewal>,
}

/// Asks for a token to be changed. What is left out stays.
#[derive(Debug, Clone)]
pub struct AmendToken<'a> {
    /// Which token.
    pub token: SessionId,
    /// The caller's name for this intent.
    pub key: &'a [u8],
    /// Its cap, of each period for a standing mandate; zero leaves it.
    pub cap: Amount,
    /// Its end; zero leaves it.
    pub ends_at: Time,
    /// The least debit.
    pub debit_min: Option<Amount>,
    /// The greatest debit; zero for none.
    pub debit_max: Option<Amount>,
    /// The threshold for approval; zero for none.
    pub approval_above: Option<Amount>,
    /// Caps of single payees; zero for none.
    pub payee_caps: Vec<(PayeeId, Amount)>,
    /// The cap of every other payee; zero for none.
    pub default_payee_cap: Option<Amount>,
    /// Payees to take off the allow-list.
    pub remove: Vec<PayeeId>,
    /// Payees to put onto it.
    pub add: Vec<PayeeId>,
    /// What all periods together may spend; zero leaves it.
    pub total_cap: Amount,
    /// What widening needs.
    pub authority: Option<AuthorityFacts<'a>>,
}

/// Asks for the token of the period that it is. It has no key: its secrets say whether it was asked before.
#[derive(Debug, Clone, Copy)]
pub struct RefreshToken {
    /// The standing mandate, or a token of one of its periods.
    pub token: SessionId,
    /// The hash of the refresh secret that was presented.
    pub presented: SecretHash,
    /// The next refresh secret; derived when there is none.
    pub refresh: Option<SecretHash>,
    /// The new token's secret; derived when there is none.
    pub secret: Option<SecretHash>,
    /// The period that it is now, worked out by whoever knows time zones; `None` before the first.
    pub period: Option<Period>,
}

const OWN_FIELDS: [&str; 5] =
    ["use", "secret_prefix", "agreement_reference", "renewal", "renewal.refresh_secret_hash"];
const FIELD_COUNT: usize = OWN_FIELDS.len() + OpenSession::FIELDS.len();

/// Lists a token's own fields, and then those that it has in common with a session, which new ones are added to.
const ISSUE_FIELDS: [&str; FIELD_COUNT] = {
    let mut all = [""; FIELD_COUNT];
    let (own, _) = all.split_at_mut(OWN_FIELDS.len());
    own.copy_from_slice(&OWN_FIELDS);
    let (_, common) = all.split_at_mut(OWN_FIELDS.len());
    common.copy_from_slice(OpenSession::FIELDS);
    all
};

impl Command for IssueToken<'_> {
    const FIELDS: &'static [&'static str] = &ISSUE_FIELDS;

    fn check(&self) -> Result<(), Refusal> {
        self.open.check_for(limits::TOKEN_LIFE, "must be more than 0 and at most 5 years")?;
        check_name(self.agreement, "agreement_reference", 0)?;
        if self.open.clauses.carry {
            return Err(Refusal::malformed("carry", "must not be given to a token"));
        }
        let Some(renewal) = &self.renewal else { return Ok(()) };
        if self.one_time {
            return Err(Refusal::malformed("use", "must be CUMULATIVE for a standing mandate"));
        }
        if self.open.clauses.secret.is_some() {
            let rule = "must be left out for a standing mandate, which has a refresh secret";
            return Err(Refusal::malformed("secret_hash", rule));
        }
        check_optional_amount(renewal.total_cap, "renewal.total_cap_nanos")?;
        if renewal.total_cap.is_zero() && self.open.mode == Mode::Reserved {
            let rule = "must be given for a RESERVED mandate: it is what is set aside";
            return Err(Refusal::malformed("renewal.total_cap_nanos", rule));
        }
        if !renewal.total_cap.is_zero() && renewal.total_cap < self.open.cap {
            return Err(Refusal::malformed("renewal.total_cap_nanos", "must be at least cap_nanos"));
        }
        renewal.rule.check()
    }

    fn key_hash(&self, seed: Seed) -> KeyHash {
        Scope::IssueToken.hash(seed, self.open.parent.bits(), self.open.key)
    }

    fn content(&self, seed: Seed) -> Vec<FieldHash> {
        let (renewal, refresh) = match &self.renewal {
            None => (FieldHash::default(), FieldHash::default()),
            Some(renewal) => {
                let refresh = renewal.refresh.as_ref().map_or(&[][..], |(hash, _)| hash.0.as_slice());
                (seed.field(&renewal_bytes(renewal)), seed.field(refresh))
            }
        };
        let own = [
            hash_optional(seed, u64::from(self.one_time)),
            seed.field(self.prefix.as_str().as_bytes()),
            seed.field(self.agreement.as_bytes()),
            renewal,
            refresh,
        ];
        own.into_iter().chain(self.open.content(seed)).collect()
    }
}

fn renewal_bytes(renewal: &AskRenewal) -> Vec<u8> {
    let mut bytes = Vec::new();
    match &renewal.rule {
        Rule::Calendar(calendar) => {
            let (kind, day) = match calendar.day {
                Day::Daily => (1, 0),
                Day::Weekly(day) => (2, day),
                Day::Monthly(day) => (3, day),
            };
            bytes.extend([kind, day]);
            bytes.extend(calendar.minute.to_le_bytes());
            bytes.extend(calendar.zone.as_bytes());
        }
        Rule::Rolling(rolling) => {
            bytes.extend([4]);
            bytes.extend(rolling.every.ns().to_le_bytes());
            bytes.extend(rolling.anchor.ns().to_le_bytes());
        }
    }
    bytes.extend(renewal.total_cap.nanos().to_le_bytes());
    bytes.push(u8::from(renewal.rollover));
    bytes.extend(renewal.refresh.iter().flat_map(|(_, prefix)| prefix.as_str().bytes()));
    bytes
}

impl AmendToken<'_> {
    /// Asks for nothing: the beginning of every amendment.
    pub const fn nothing(token: SessionId, key: &[u8]) -> AmendToken<'_> {
        AmendToken {
            token,
            key,
            cap: Amount::ZERO,
            ends_at: Time::ZERO,
            debit_min: None,
            debit_max: None,
            approval_above: None,
            payee_caps: Vec::new(),
            default_payee_cap: None,
            remove: Vec::new(),
            add: Vec::new(),
            total_cap: Amount::ZERO,
            authority: None,
        }
    }

    fn is_empty(&self) -> bool {
        self.cap.is_zero()
            && self.ends_at == Time::ZERO
            && self.debit_min.is_none()
            && self.debit_max.is_none()
            && self.approval_above.is_none()
            && self.payee_caps.is_empty()
            && self.default_payee_cap.is_none()
            && self.remove.is_empty()
            && self.add.is_empty()
            && self.total_cap.is_zero()
    }
}

impl Command for AmendToken<'_> {
    const FIELDS: &'static [&'static str] = &[
        "cap_nanos",
        "ends_at",
        "debit_min_nanos",
        "debit_max_nanos",
        "approval_above_nanos",
        "payee_caps",
        "default_payee_cap_nanos",
        "remove_payee_ids",
        "add_payee_ids",
        "total_cap_nanos",
        "authority",
    ];

    fn check(&self) -> Result<(), Refusal> {
        check_key(self.key)?;
        if self.is_empty() {
            return Err(Refusal::malformed("cap_nanos", "must be given, or something else to change"));
        }
        check_optional_amount(self.cap, "cap_nanos")?;
        check_optional_amount(self.total_cap, "total_cap_nanos")?;
        for (amount, field) in [
            (self.debit_min, "debit_min_nanos"),
            (self.debit_max, "debit_max_nanos"),
            (self.approval_above, "approval_above_nanos"),
            (self.default_payee_cap, "default_payee_cap_nanos"),
        ] {
            check_optional_amount(amount.unwrap_or_default(), field)?;
        }
        for (payees, field) in [(&self.remove, "remove_payee_ids"), (&self.add, "add_payee_ids")] {
            let rule = "must list at most 1,024 payees";
            check_length(payees.len(), 0, limits::PAYEES_LISTED, (field, rule))?;
        }
        let rule = "must list at most 1,024 payees";
        check_length(self.payee_caps.len(), 0, limits::PAYEES_LISTED, ("payee_caps", rule))?;
        for (_, cap) in self.payee_caps.iter().filter(|(_, cap)| !cap.is_zero()) {
            check_amount(*cap, "payee_caps.cap_nanos")?;
        }
        let Some(authority) = &self.authority else { return Ok(()) };
        check_name(authority.principal, "authority.principal", 0)?;
        let method = ("authority.method", "must be at most 64 bytes");
        check_length(authority.method.len(), 0, limits::METHOD_BYTES, method)?;
        check_name(authority.agreement, "agreement_reference", 0)
    }

    fn key_hash(&self, seed: Seed) -> KeyHash {
        Scope::AmendToken.hash(seed, self.token.bits(), self.key)
    }

    fn content(&self, seed: Seed) -> Vec<FieldHash> {
        let given = |amount: Option<Amount>| match amount {
            None => FieldHash::default(),
            Some(amount) => hash_number(seed, amount.nanos()),
        };
        let listed = |payees: &[PayeeId]| {
            let bytes: Vec<u8> = payees.iter().flat_map(|payee| payee.bits().to_le_bytes()).collect();
            seed.field(&bytes)
        };
        let mut caps = Vec::new();
        for (payee, cap) in &self.payee_caps {
            caps.extend(payee.bits().to_le_bytes());
            caps.extend(cap.nanos().to_le_bytes());
        }
        [
            hash_optional(seed, self.cap.nanos()),
            hash_optional(seed, self.ends_at.ns()),
            given(self.debit_min),
            given(self.debit_max),
            given(self.approval_above),
            seed.field(&caps),
            given(self.default_payee_cap),
            listed(&self.remove),
            listed(&self.add),
            hash_optional(seed, self.total_cap.nanos()),
            self.authority.as_ref().map_or(FieldHash::default(), |facts| seed.field(&authority_bytes(facts))),
        ]
        .into()
    }
}

fn authority_bytes(facts: &AuthorityFacts<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in [facts.principal, facts.method, facts.agreement] {
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.as_bytes());
    }
    bytes.extend(facts.evidence_hash.iter().flatten());
    bytes.extend(facts.approved_at.ns().to_le_bytes());
    bytes
}
