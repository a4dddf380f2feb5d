//! Owns: requests as core's commands: what a message asks for, once its texts, enumerations and instants are read.
//! Public, so that it can be called without a connection or an engine; hostile bytes are let loose on it there.
//! Never: asks anybody; a bound that core tests.

use crate::{decode, status, velocity};
use tallystick_core::{
    Amount, Cap, Currency, PayeeId,
    command::{
        Act, CreateAccount, CreateCredential, CreatePayee, Debit, Deposit, Intent, OpenSession, Repay,
        SetCreditLimit, TopUp, Withdraw,
    },
    record::{ExternalFacts, MethodFacts},
    session::{Clauses, SecretHash},
    velocity::VelocityLimit,
    writer::Numbered,
};
use tallystick_proto::v1::{self, authorize_request};
use tonic::Status;

pub use crate::{
    controls::{pause, resume, revoke},
    holds::{capture, hold, void},
    stream::batch_debits,
    velocity::limits as velocity_limits,
};

/// Reads what creates an account, but for its limits in time, which `velocity_limits` reads.
/// *Errors*: `INVALID_ARGUMENT`, naming the field and its rule, as all of these.
pub fn create_account<'a>(
    r: &'a v1::CreateAccountRequest,
    velocity: &'a [VelocityLimit],
) -> Result<CreateAccount<'a>, Status> {
    let external = match &r.external_authority {
        None => None,
        Some(external) => {
            let field = "external_authority.usable_until";
            let facts = ExternalFacts {
                reference: &external.reference,
                usable_until: decode::time(external.usable_until, field)?,
                margin: decode::optional_span(external.margin, "external_authority.margin")?,
            };
            Some((decode::amount(external.amount_nanos), facts))
        }
    };
    let method = r.payment_method.as_ref().map_or(MethodFacts::default(), |method| MethodFacts {
        kind: &method.kind,
        brand: &method.brand,
        last_four: &method.last_four,
        funding_type: &method.funding_type,
    });
    Ok(CreateAccount {
        key: r.idempotency_key.as_bytes(),
        currency: decode::currency(&r.currency)?,
        reference: &r.reference,
        funding: decode::funding(r.funding)?,
        credit_limit: decode::amount(r.credit_limit_nanos),
        external,
        method,
        front_end: "",
        velocity,
    })
}

/// Reads what adds money to an account.
pub fn deposit(r: &v1::DepositRequest) -> Result<Deposit<'_>, Status> {
    Ok(Deposit {
        account: decode::account(&r.account_id, "account_id").map_err(decode::refuse)?,
        key: r.idempotency_key.as_bytes(),
        amount: decode::amount(r.amount_nanos),
        currency: decode::currency(&r.currency)?,
        pending: r.pending,
    })
}

/// Reads what takes money out of an account.
pub fn withdraw(r: &v1::WithdrawRequest) -> Result<Withdraw<'_>, Status> {
    Ok(Withdraw {
        account: decode::account(&r.account_id, "account_id").map_err(decode::refuse)?,
        key: r.idempotency_key.as_bytes(),
        amount: decode::amount(r.amount_nanos),
        currency: decode::currency(&r.currency)?,
    })
}

/// Reads what pays a credit line back.
pub fn repay(r: &v1::RepayRequest) -> Result<Repay<'_>, Status> {
    Ok(Repay {
        account: decode::account(&r.account_id, "account_id").map_err(decode::refuse)?,
        key: r.idempotency_key.as_bytes(),
        amount: decode::amount(r.amount_nanos),
        currency: decode::currency(&r.currency)?,
    })
}

/// Reads what gives a credit line another limit.
pub fn set_credit_limit(r: &v1::SetCreditLimitRequest) -> Result<SetCreditLimit<'_>, Status> {
    Ok(SetCreditLimit {
        account: decode::account(&r.account_id, "account_id").map_err(decode::refuse)?,
        key: r.idempotency_key.as_bytes(),
        limit: decode::amount(r.credit_limit_nanos),
    })
}

/// Reads what registers a payee. Nothing of it can be wrong that core does not see.
pub fn create_payee(r: &v1::CreatePayeeRequest) -> CreatePayee<'_> {
    CreatePayee { key: r.idempotency_key.as_bytes(), name: &r.name }
}

/// Reads what makes a credential.
pub fn create_credential(r: &v1::CreateCredentialRequest) -> Result<CreateCredential<'_>, Status> {
    let hash = decode::hash(&r.key_hash, "key_hash").map_err(decode::refuse)?;
    let payee = match r.payee_id.as_str() {
        "" => None,
        id => Some(decode::payee(id, "payee_id").map_err(decode::refuse)?),
    };
    Ok(CreateCredential {
        key: r.idempotency_key.as_bytes(),
        hash: hash.ok_or_else(|| status::malformed("key_hash", "must be 32 bytes"))?,
        prefix: &r.prefix,
        roles: decode::roles(&r.roles)?,
        is_development: false,
        payee,
        front_end: &r.front_end,
        name: &r.name,
    })
}

/// Reads what opens a session; `parent_proof` is what was presented for its parent.
pub fn open_session<'a>(
    r: &'a v1::OpenSessionRequest,
    parent_proof: Option<&'a SecretHash>,
) -> Result<OpenSession<'a>, Status> {
    let secret = decode::hash(&r.secret_hash, "secret_hash").map_err(decode::refuse)?;
    let payees: Result<Vec<PayeeId>, _> =
        r.payee_ids.iter().map(|text| decode::payee(text, "payee_ids")).collect();
    let cap = |cap: &v1::PayeeCap| {
        Ok((decode::payee(&cap.payee_id, "payee_caps.payee_id")?, Amount::from_nanos(cap.cap_nanos)))
    };
    let payee_caps: Result<Vec<(PayeeId, Amount)>, _> = r.payee_caps.iter().map(cap).collect();
    let authority = r.authority.as_ref();
    let evidence_hash = authority.map_or(&[][..], |authority| &authority.evidence_hash);
    Ok(OpenSession {
        clauses: Clauses {
            secret: secret.map(SecretHash),
            velocity: velocity::limits(&r.velocity)?,
            approval_above: Cap::from_nanos_or_none(r.approval_above_nanos),
            carry: r.carry,
        },
        parent_proof,
        parent: decode::parent(r)?,
        mode: decode::mode(r.mode)?,
        key: r.idempotency_key.as_bytes(),
        currency: decode::currency(&r.currency)?,
        cap: decode::amount(r.cap_nanos),
        ttl: decode::optional_span(r.ttl, "ttl")?,
        not_before: decode::time(r.not_before, "not_before")?,
        payees: payees.map_err(decode::refuse)?,
        payee_caps: payee_caps.map_err(decode::refuse)?,
        default_payee_cap: decode::amount(r.default_payee_cap_nanos),
        debit_min: decode::amount(r.debit_min_nanos),
        debit_max: decode::amount(r.debit_max_nanos),
        principal: authority.map_or("", |authority| &authority.principal),
        method: authority.map_or("", |authority| &authority.method),
        evidence_hash: decode::hash(evidence_hash, "authority.evidence_hash").map_err(decode::refuse)?,
        approved_at: decode::time(
            authority.and_then(|authority| authority.approved_at),
            "authority.approved_at",
        )?,
        reference: &r.reference,
    })
}

/// Reads what raises a session's cap, or its end; `parent_proof` is what was presented for its parent.
pub fn top_up<'a>(
    r: &'a v1::TopUpRequest,
    parent_proof: Option<&'a SecretHash>,
) -> Result<TopUp<'a>, Status> {
    Ok(TopUp {
        session: decode::session(&r.session_id, "session_id").map_err(decode::refuse)?,
        key: r.idempotency_key.as_bytes(),
        add: decode::amount(r.add_nanos),
        extend_by: decode::optional_span(r.extend_by, "extend_by")?,
        parent_proof,
    })
}

/// Reads the hash of what was presented as a secret.
pub fn proof(secret: &[u8], field: &'static str) -> Result<Option<SecretHash>, Status> {
    decode::secret(secret, field).map_err(decode::refuse)
}

/// Is what every request says that is decided as a debit is.
pub(crate) struct Asked<'a> {
    pub(crate) session_id: &'a str,
    pub(crate) payee_id: &'a str,
    /// A key, or a writer's number.
    pub(crate) intent: Option<Result<&'a str, &'a v1::WriterNumber>>,
}

impl<'a> Asked<'a> {
    /// Reads it, as a debit of nothing; `proof` is what was presented for its session.
    pub(crate) fn read(&self, proof: Option<&'a SecretHash>) -> Result<Debit<'a>, Status> {
        let intent = match self.intent {
            Some(Ok(key)) => Intent::Key(key.as_bytes()),
            Some(Err(at)) => Intent::Number(Numbered {
                writer: decode::writer(&at.writer_id, "writer_number.writer_id").map_err(decode::refuse)?,
                epoch: at.epoch,
                number: at.number,
                acked_through: at.acked_through,
            }),
            None => {
                return Err(status::malformed("intent", "must be an idempotency_key or a writer_number"));
            }
        };
        Ok(Debit {
            act: Act::Debit,
            proof,
            session: decode::debited(self.session_id, "session_id").map_err(decode::refuse)?,
            payee: decode::payee(self.payee_id, "payee_id").map_err(decode::refuse)?,
            amount: Amount::ZERO,
            currency: Currency::UNSTATED,
            intent,
            reference: "",
            evidence: None,
            partial: false,
        })
    }
}

/// Reads a single debit; `proof` is what was presented for its session.
pub fn debit<'a>(r: &'a v1::AuthorizeRequest, proof: Option<&'a SecretHash>) -> Result<Debit<'a>, Status> {
    let intent = r.intent.as_ref().map(|intent| match intent {
        authorize_request::Intent::IdempotencyKey(key) => Ok(key.as_str()),
        authorize_request::Intent::WriterNumber(at) => Err(at),
    });
    let asked = Asked { session_id: &r.session_id, payee_id: &r.payee_id, intent };
    Ok(Debit {
        amount: decode::amount(r.amount_nanos),
        currency: decode::optional_currency(&r.currency)?,
        reference: &r.reference,
        evidence: decode::hash(&r.evidence_hash, "evidence_hash").map_err(decode::refuse)?,
        partial: r.accept_partial,
        ..asked.read(proof)?
    })
}
