//! Owns: what simulated clients ask, kept as long as they may ask it again, and what they hear, as one type each.
//! Never: what it should have been; that is the model's.

use tallystick_core::{
    AccountId, Amount, Cap, Currency, DepositId, EnvelopeId, PayeeId, Refusal, SessionId, SettlementId, Span,
    Time, WriterId,
    account::{Account, Funding},
    command::{
        Act, CreateAccount, CreatePayee, Debit, Deposit, Intent, OpenSession, Repay, Reverse, SetControl,
        SetCreditLimit, TopUp, Withdraw,
    },
    control::{Control, ControlOf, State},
    deposit::DepositState,
    payee::Payee,
    record::{ExternalFacts, MethodFacts},
    session::{Clauses, Mode, SecretHash},
    settlement::Settlement,
    velocity::VelocityLimit,
    writer::Numbered,
};
use tallystick_engine::{
    Answer, DebitAnswer, DebitOutcome, DepositAnswer, Engine, Fault, Known, OpenAnswer, ReverseAnswer,
    SessionShown, SettleAnswer, Ticket, TopUpAnswer, Totals, WithdrawAnswer,
};

/// Is a key: the caller's name for one intent.
pub type Key = Vec<u8>;

/// Asks for an account.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the fields of core's command")]
pub struct NewAccount {
    pub key: Key,
    pub currency: Currency,
    pub reference: String,
    pub funding: Funding,
    pub credit_limit: Amount,
    pub external: Option<External>,
    pub front_end: String,
    pub velocity: Vec<VelocityLimit>,
}

/// Is the money that another party has authorized for an account.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the fields of core's command")]
pub struct External {
    pub amount: Amount,
    pub reference: String,
    pub usable_until: Time,
    pub margin: Span,
}

/// Asks for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the fields of core's command")]
pub struct NewSession {
    pub parent: EnvelopeId,
    pub mode: Mode,
    pub key: Key,
    pub currency: Currency,
    pub cap: Amount,
    pub ttl: Span,
    pub not_before: Time,
    pub payees: Vec<PayeeId>,
    pub payee_caps: Vec<(PayeeId, Amount)>,
    pub default_payee_cap: Amount,
    pub debit_min: Amount,
    pub debit_max: Amount,
    pub principal: String,
    pub method: String,
    pub evidence_hash: Option<[u8; 32]>,
    pub approved_at: Time,
    pub reference: String,
    /// Zero for none.
    pub approval_above: Amount,
    pub secret: Option<SecretHash>,
    /// What is presented of the parent's secret.
    pub parent_proof: Option<SecretHash>,
    pub velocity: Vec<VelocityLimit>,
}

/// Names a debit's intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// By a key.
    Key(Key),
    /// By a place in a writer's count.
    Number(Numbered),
}

/// Asks for a debit, or for a hold to be placed, captured or given back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the fields of core's command")]
pub struct NewDebit {
    pub session: SessionId,
    pub act: Act,
    /// What is presented of the session's secret.
    pub proof: Option<SecretHash>,
    pub payee: PayeeId,
    pub amount: Amount,
    pub currency: Currency,
    pub named: Named,
    pub reference: String,
    pub evidence: Option<[u8; 32]>,
    pub partial: bool,
}

/// Names what can be stopped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "named as in core")]
pub enum Stopped {
    Account(AccountId),
    Session(SessionId),
    FrontEnd(String),
}

impl Stopped {
    /// Names it as core does.
    pub fn named(&self) -> ControlOf<'_> {
        match self {
            Self::Account(id) => ControlOf::Envelope(EnvelopeId::Account(*id)),
            Self::Session(id) => ControlOf::Envelope(EnvelopeId::Session(*id)),
            Self::FrontEnd(name) => ControlOf::FrontEnd(name),
        }
    }
}

/// Is one call of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the engine's operations and the fields of core's commands")]
pub enum Asked {
    CreateAccount(NewAccount),
    Deposit { account: AccountId, key: Key, amount: Amount, currency: Currency, pending: bool },
    MoveDeposit { deposit: DepositId, to: DepositState },
    Withdraw { account: AccountId, key: Key, amount: Amount, currency: Currency },
    Repay { account: AccountId, key: Key, amount: Amount, currency: Currency },
    SetCreditLimit { account: AccountId, key: Key, limit: Amount },
    CreatePayee { key: Key, name: String },
    BlockPayee(PayeeId),
    OpenSession(Box<NewSession>),
    TopUp { session: SessionId, key: Key, add: Amount, extend_by: Span, parent_proof: Option<SecretHash> },
    Control { on: Stopped, to: State, epoch: Option<u64>, note: String },
    Reverse { session: SessionId, key: Key, debit_seq: u64, payee: PayeeId, taken: Amount, amount: Amount },
    Debit(NewDebit),
    Batch(Vec<NewDebit>),
    OpenWriter(Option<WriterId>),
    Position { session: SessionId, writer: WriterId, epoch: u32 },
    Settle { session: SessionId, cascade: bool },
    ShowAccount(AccountId),
    ShowPayee(PayeeId),
    ShowSession(SessionId),
    ShowSettlement(SettlementId),
    LookUpKey { session: SessionId, key: Key },
    LookUpNumber { session: SessionId, writer: WriterId, number: u64 },
    Totals,
}

/// Is what a call answers when it is not refused and nothing fails.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the engine's answers")]
pub enum Told {
    Account(Answer<Account>),
    Deposit(Answer<DepositAnswer>),
    Withdraw(Answer<WithdrawAnswer>),
    Payee(Answer<Payee>),
    Open(Answer<OpenAnswer>),
    TopUp(Answer<TopUpAnswer>),
    Reverse(Answer<ReverseAnswer>),
    Debit(DebitAnswer),
    Batch(Vec<Result<DebitOutcome, Refusal>>),
    Writer { id: WriterId, epoch: u32 },
    Position(u64),
    Settle(Answer<SettleAnswer>),
    AccountShown(Account),
    PayeeShown(Payee),
    SessionShown(SessionShown),
    SettlementShown(Settlement),
    Known(Known),
    Totals(Totals),
    Control(Answer<Control>),
}

/// Is what a client hears.
pub type Heard = Result<Told, Fault>;

impl Asked {
    /// Asks the engine. The decision is made when this returns; the answer waits in the ticket until it is durable.
    pub fn ask(&self, engine: &Engine) -> Ticket<Told> {
        match self {
            Self::CreateAccount(new) => engine.create_account(&new.command()).map(Told::Account),
            Self::Deposit { account, key, amount, currency, pending } => {
                let (account, amount, currency, pending) = (*account, *amount, *currency, *pending);
                engine.deposit(&Deposit { account, key, amount, currency, pending }).map(Told::Deposit)
            }
            Self::MoveDeposit { deposit, to } => engine.move_deposit(*deposit, *to).map(Told::Deposit),
            Self::Withdraw { account, key, amount, currency } => {
                let (account, amount, currency) = (*account, *amount, *currency);
                engine.withdraw(&Withdraw { account, key, amount, currency }).map(Told::Withdraw)
            }
            Self::Repay { account, key, amount, currency } => {
                let (account, amount, currency) = (*account, *amount, *currency);
                engine.repay(&Repay { account, key, amount, currency }).map(Told::Account)
            }
            Self::SetCreditLimit { account, key, limit } => {
                let (account, limit) = (*account, *limit);
                engine.set_credit_limit(&SetCreditLimit { account, key, limit }).map(Told::Account)
            }
            Self::CreatePayee { key, name } => {
                engine.create_payee(&CreatePayee { key, name }).map(Told::Payee)
            }
            Self::BlockPayee(payee) => engine.block_payee(*payee).map(Told::Payee),
            Self::OpenSession(new) => engine.open_session(&new.command()).map(Told::Open),
            Self::TopUp { session, key, add, extend_by, parent_proof } => {
                let (session, add, extend_by) = (*session, *add, *extend_by);
                let parent_proof = parent_proof.as_ref();
                engine.top_up(&TopUp { session, key, add, extend_by, parent_proof }).map(Told::TopUp)
            }
            Self::Control { on, to, epoch, note } => {
                let (on, to, epoch) = (on.named(), *to, *epoch);
                engine.set_control(&SetControl { on, to, epoch, note }).map(Told::Control)
            }
            Self::Reverse { session, key, debit_seq, payee, taken, amount } => {
                let (session, debit_seq, payee, taken, amount) =
                    (*session, *debit_seq, *payee, *taken, *amount);
                engine.reverse(&Reverse { session, key, debit_seq, payee, taken, amount }).map(Told::Reverse)
            }
            Self::Debit(new) => engine.debit(&new.command()).map(Told::Debit),
            Self::Batch(debits) => {
                let commands: Vec<Debit<'_>> = debits.iter().map(NewDebit::command).collect();
                engine.debit_batch(&commands).map(Told::Batch)
            }
            Self::OpenWriter(id) => engine.open_writer(*id).map(|(id, epoch)| Told::Writer { id, epoch }),
            Self::Position { session, writer, epoch } => {
                engine.position(*session, *writer, *epoch).map(Told::Position)
            }
            Self::Settle { session, cascade } => engine.settle(*session, *cascade).map(Told::Settle),
            Self::ShowAccount(id) => engine.account(*id).map(Told::AccountShown),
            Self::ShowPayee(id) => engine.payee(*id).map(Told::PayeeShown),
            Self::ShowSession(id) => engine.session(*id).map(Told::SessionShown),
            Self::ShowSettlement(id) => engine.settlement(*id).map(Told::SettlementShown),
            Self::LookUpKey { session, key } => engine.look_up_key(*session, key).map(Told::Known),
            Self::LookUpNumber { session, writer, number } => {
                engine.look_up_number(*session, *writer, *number).map(Told::Known)
            }
            Self::Totals => engine.totals().map(Told::Totals),
        }
    }
}

impl NewAccount {
    fn command(&self) -> CreateAccount<'_> {
        let external = self.external.as_ref();
        CreateAccount {
            key: &self.key,
            currency: self.currency,
            reference: &self.reference,
            funding: self.funding,
            credit_limit: self.credit_limit,
            external: external.map(|e| (e.amount, e.facts())),
            method: MethodFacts { kind: "", brand: "", last_four: "", funding_type: "" },
            front_end: &self.front_end,
            velocity: &self.velocity,
        }
    }
}

impl External {
    fn facts(&self) -> ExternalFacts<'_> {
        ExternalFacts { reference: &self.reference, usable_until: self.usable_until, margin: self.margin }
    }
}

impl NewSession {
    /// Returns what few mandates say, with a threshold that may be inherited.
    pub(crate) fn clauses(&self, approval_above: Amount) -> Clauses {
        let approval_above = Cap::from_nanos_or_none(approval_above.nanos());
        let velocity = self.velocity.clone();
        Clauses { secret: self.secret, approval_above, velocity, ..Clauses::default() }
    }

    fn command(&self) -> OpenSession<'_> {
        OpenSession {
            clauses: self.clauses(self.approval_above),
            parent_proof: self.parent_proof.as_ref(),
            parent: self.parent,
            mode: self.mode,
            key: &self.key,
            currency: self.currency,
            cap: self.cap,
            ttl: self.ttl,
            not_before: self.not_before,
            payees: self.payees.clone(),
            payee_caps: self.payee_caps.clone(),
            default_payee_cap: self.default_payee_cap,
            debit_min: self.debit_min,
            debit_max: self.debit_max,
            principal: &self.principal,
            method: &self.method,
            evidence_hash: self.evidence_hash,
            approved_at: self.approved_at,
            reference: &self.reference,
        }
    }
}

impl NewDebit {
    /// Says whether, approved, it takes money at once, as a debit does. A capture takes what was set aside.
    pub fn is_debit(&self) -> bool {
        self.act == Act::Debit
    }

    /// Says whether money is spent by it, if it is approved.
    pub fn spends(&self) -> bool {
        matches!(self.act, Act::Debit | Act::Capture { .. })
    }

    /// Returns what limits are tested against: a hold's tolerance counts.
    pub fn whole(&self) -> u64 {
        match self.act {
            Act::Hold { tolerance, .. } => self.amount.nanos().saturating_add(tolerance.nanos()),
            _ => self.amount.nanos(),
        }
    }

    fn command(&self) -> Debit<'_> {
        Debit {
            act: self.act,
            proof: self.proof.as_ref(),
            session: self.session,
            payee: self.payee,
            amount: self.amount,
            currency: self.currency,
            intent: match &self.named {
                Named::Key(key) => Intent::Key(key),
                Named::Number(at) => Intent::Number(*at),
            },
            reference: &self.reference,
            evidence: self.evidence,
            partial: self.partial,
        }
    }
}
