//! Owns: each kind of record in words and as fields, by one exhaustive match. Never: state; what a record does not say is
//! looked up in `Names` or not said.

use super::names::Names;
use crate::{
    fields::{Fields, hex},
    moment,
    money::Money,
    screen::counted,
};
use serde_json::Value;
use std::fmt;
use tallystick_core::{
    AccountId, Amount, Currency, Decline, EnvelopeId, Record, SessionId, Stamp,
    account::Funding,
    command::{Act, Scope},
    control::{ControlOf, Promises, State},
    keys::Verdict,
    payee::PayeeStatus,
    record::{ControlSet, Debited, SessionOpened, SessionSettled, StoredIntent},
    session::Mode,
    settlement::Reason,
    velocity::{Measure, Pace, VelocityLimit},
};

/// Is a record, told.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) text: String,
    pub(super) fields: Fields,
    /// The session that it is about.
    pub(super) session: Option<SessionId>,
    /// The account that it is about.
    pub(super) account: Option<AccountId>,
}

impl Told {
    fn new(text: String, fields: Fields) -> Self {
        Self { text, fields, session: None, account: None }
    }

    fn of(mut self, envelope: EnvelopeId) -> Self {
        match envelope {
            EnvelopeId::Account(id) => self.account = Some(id),
            EnvelopeId::Session(id) => self.session = Some(id),
        }
        self
    }
}

/// Lists the kinds of record by the names that are told and filtered by.
pub(super) const KINDS: [&str; 38] = [
    "genesis",
    "account_created",
    "deposited",
    "deposit_moved",
    "withdrawn",
    "repaid",
    "deposit_made",
    "credit_limit_set",
    "payee_created",
    "payee_status_set",
    "payee_shared",
    "payee_noticed",
    "session_opened",
    "token_issued",
    "token_amended",
    "period_begun",
    "family_revoked",
    "refresh_seen",
    "open_declined",
    "topped_up",
    "session_closing",
    "paused",
    "resumed",
    "revoked",
    "command_declined",
    "hold_lapsed",
    "debited",
    "hold_placed",
    "captured",
    "voided",
    "reversed",
    "writer_opened",
    "writer_positioned",
    "session_settled",
    "settlement_posted",
    "outbox_delivered",
    "credential_made",
    "credential_revoked",
];

/// Returns the name of a record's kind.
pub(crate) fn kind(record: &Record<'_>) -> &'static str {
    match record {
        Record::Genesis(_) => "genesis",
        Record::AccountCreated(_) => "account_created",
        Record::Deposited(_) => "deposited",
        Record::DepositMoved(_) => "deposit_moved",
        Record::Withdrawn(_) => "withdrawn",
        Record::Repaid(_) => "repaid",
        Record::DepositMade(_) => "deposit_made",
        Record::CreditLimitSet(_) => "credit_limit_set",
        Record::PayeeCreated(_) => "payee_created",
        Record::PayeeStatusSet(_) => "payee_status_set",
        Record::PayeeShared(_) => "payee_shared",
        Record::PayeeNoticed(_) => "payee_noticed",
        Record::SessionOpened(opened) if opened.token.is_some() => "token_issued",
        Record::SessionOpened(_) => "session_opened",
        Record::TokenAmended(_) => "token_amended",
        Record::PeriodBegun(_) => "period_begun",
        Record::FamilyRevoked(_) => "family_revoked",
        Record::RefreshSeen(_) => "refresh_seen",
        Record::OpenDeclined(_) => "open_declined",
        Record::ToppedUp(_) => "topped_up",
        Record::ControlSet(set) => match set.control.state {
            State::Paused => "paused",
            State::Open => "resumed",
            State::Revoked(_) => "revoked",
        },
        Record::SessionClosing(_) => "session_closing",
        Record::CommandDeclined(_) => "command_declined",
        Record::HoldLapsed(_) => "hold_lapsed",
        Record::Debited(debit) => match debit.act {
            Act::Capture { .. } if debit.late => "debited",
            Act::Debit => "debited",
            Act::Hold { .. } => "hold_placed",
            Act::Capture { .. } => "captured",
            Act::Void { .. } => "voided",
        },
        Record::Reversed(_) => "reversed",
        Record::WriterOpened(_) => "writer_opened",
        Record::WriterPositioned(_) => "writer_positioned",
        Record::SessionSettled(_) => "session_settled",
        Record::SettlementPosted(_) => "settlement_posted",
        Record::OutboxDelivered(_) => "outbox_delivered",
        Record::CredentialMade(_) => "credential_made",
        Record::CredentialRevoked(_) => "credential_revoked",
    }
}

/// Tells records.
pub(super) struct Teller<'a> {
    pub(super) names: &'a Names,
    pub(super) money: Money,
    pub(super) currency_text: fn(u16) -> String,
}

impl Teller<'_> {
    /// Tells one record. The seed behind the hashes of a journal is a secret, and never told.
    pub(super) fn tell(&self, seq: u64, stamp: &Stamp, record: &Record<'_>) -> Told {
        let none = Fields::new;
        match record {
            Record::Genesis(genesis) => {
                let partitions = genesis.partitions;
                Told::new(
                    format!("a journal of {partitions} partitions begins"),
                    none().put("partitions", partitions),
                )
            }
            Record::AccountCreated(made) => {
                let (funding, currency) = (funding(made.funding), self.currency(made.currency));
                let (reference, limited) = (quoted(made.reference), limited(&made.velocity));
                let text = format!("{} in {currency}, {funding}{reference}{limited}", made.id);
                let fields =
                    id(none(), "account_id", made.id).text("currency", &currency).text("funding", funding);
                let fields = nanos(fields, "limit", made.limit).text("reference", made.reference);
                let fields = fields.put("velocity", limits(&made.velocity));
                Told::new(text, fields).of(EnvelopeId::Account(made.id))
            }
            Record::Deposited(made) => {
                let text = format!("{} into {}", self.show(made.amount), made.account);
                let fields = nanos(id(none(), "account_id", made.account), "amount", made.amount);
                Told::new(text, fields).of(EnvelopeId::Account(made.account))
            }
            Record::DepositMade(made) => {
                let state = made.state.name().to_lowercase();
                let text = format!("{} {} into {}, {state}", made.id, self.show(made.amount), made.account);
                let fields = id(id(none(), "deposit_id", made.id), "account_id", made.account);
                let fields = nanos(fields, "amount", made.amount).text("state", made.state.name());
                Told::new(text, fields).of(EnvelopeId::Account(made.account))
            }
            Record::DepositMoved(moved) => {
                let text = format!("{} is {} now", moved.id, moved.to.name().to_lowercase());
                Told::new(text, id(none(), "deposit_id", moved.id).text("state", moved.to.name()))
            }
            Record::Withdrawn(taken) => self.sum(taken.account, taken.amount, "out of"),
            Record::Repaid(repaid) => self.sum(repaid.account, repaid.amount, "paid back on"),
            Record::CreditLimitSet(set) => self.sum(set.account, set.limit, "is the limit of"),
            Record::PayeeCreated(made) => {
                let fields = id(none(), "payee_id", made.id).text("name", made.name);
                let fields = fields.text("status", status(made.status));
                Told::new(format!("{} \"{}\", {}", made.id, made.name, status(made.status)), fields)
            }
            Record::PayeeStatusSet(set) => {
                let fields = id(none(), "payee_id", set.id).text("status", status(set.status));
                let text = format!("{} is {} now, change {}", set.id, status(set.status), set.version);
                Told::new(text, fields.put("version", set.version))
            }
            Record::PayeeShared(shared) => {
                let fields = id(none(), "payee_id", shared.id).put("with_partition", shared.with);
                Told::new(format!("{} will be known in partition {}", shared.id, shared.with), fields)
            }
            Record::PayeeNoticed(noticed) => {
                let state = status(noticed.status);
                let fields =
                    id(none(), "payee_id", noticed.id).put("slot", noticed.slot).text("status", state);
                let text = format!("{} is payee #{} here, {state}", noticed.id, noticed.slot);
                Told::new(text, fields.put("version", noticed.version))
            }
            Record::SessionOpened(opened) => self.opened(opened),
            Record::OpenDeclined(declined) => {
                self.declined(Scope::OpenSession, EnvelopeId::Account(declined.account), declined.decline)
            }
            Record::CommandDeclined(declined) => {
                self.declined(declined.command, declined.on, declined.decline)
            }
            Record::TokenAmended(amended) => {
                let (cap, ends_at) =
                    (amended.own.bounds.cap, moment::from_ns(amended.own.bounds.ends_at.ns()));
                let why = if amended.authority.is_some() { " on new authority" } else { "" };
                let text = format!("{} is {} until {ends_at} now{why}", amended.token, self.show(cap));
                let fields =
                    nanos(id(none(), "token_id", amended.token), "cap", cap).text("ends_at", &ends_at);
                let authority = amended.authority.map(|authority| authority.principal).unwrap_or_default();
                Told::new(text, fields.text("principal", authority)).of(EnvelopeId::Session(amended.token))
            }
            Record::PeriodBegun(begun) => {
                let (from, to) = (begun.period.begins_at, begun.period.ends_at);
                let (from, to) = (moment::from_ns(from.ns()), moment::from_ns(to.ns()));
                let (cap, carried) = (self.show(begun.bounds.cap), begun.carried.len());
                let text = format!("{} of {} is {cap} from {from} to {to}", begun.id, begun.standing);
                let fields = id(id(none(), "token_id", begun.id), "standing_id", begun.standing);
                let fields =
                    nanos(fields, "cap", begun.bounds.cap).text("begins_at", &from).text("ends_at", &to);
                let fields = fields.put("generation", begun.generation).put("carried_count", carried);
                Told::new(text, fields).of(EnvelopeId::Session(begun.id))
            }
            Record::FamilyRevoked(revoked) => {
                let text = format!(
                    "{}: a spent refresh secret was used again, nothing below is approved",
                    revoked.standing
                );
                Told::new(text, id(none(), "standing_id", revoked.standing))
                    .of(EnvelopeId::Session(revoked.standing))
            }
            Record::RefreshSeen(seen) => {
                let text = format!("{}: the newest refresh secret has arrived", seen.standing);
                Told::new(text, id(none(), "standing_id", seen.standing))
                    .of(EnvelopeId::Session(seen.standing))
            }
            Record::ToppedUp(topped) => {
                let ends_at = moment::from_ns(topped.ends_at.ns());
                let text = format!("{} by {}, until {ends_at}", topped.session, self.show(topped.add));
                let fields = nanos(id(none(), "session_id", topped.session), "add", topped.add);
                Told::new(text, fields.text("ends_at", &ends_at)).of(EnvelopeId::Session(topped.session))
            }
            Record::SessionClosing(closing) => {
                let text =
                    format!("{} takes no more debits; those below it are settled first", closing.session);
                Told::new(text, id(none(), "session_id", closing.session))
                    .of(EnvelopeId::Session(closing.session))
            }
            Record::ControlSet(set) => controlled(set),
            Record::HoldLapsed(lapsed) => {
                let hold = lapsed.session.hold(lapsed.hold);
                let text = format!("{hold} is over, {} given back", self.show(lapsed.released));
                let fields = id(id(none(), "session_id", lapsed.session), "hold_id", hold);
                Told::new(text, nanos(fields, "released", lapsed.released))
                    .of(EnvelopeId::Session(lapsed.session))
            }
            Record::Debited(debit) => self.debited(seq, stamp, debit),
            Record::Reversed(reversed) => {
                let debit = reversed.session.debit(reversed.debit_seq);
                let text = format!("{} of {debit} in {}", self.show(reversed.amount), reversed.session);
                let fields = id(id(none(), "session_id", reversed.session), "debit_id", debit);
                let fields = nanos(
                    nanos(fields, "amount", reversed.amount),
                    "reversed_after",
                    reversed.reversed_after,
                );
                Told::new(text, fields).of(EnvelopeId::Session(reversed.session))
            }
            Record::WriterOpened(opened) => {
                let fields = id(none(), "writer_id", opened.id).put("epoch", opened.epoch);
                Told::new(format!("{} epoch {}", opened.id, opened.epoch), fields)
            }
            Record::WriterPositioned(at) => {
                let text = format!("{} epoch {} goes on in {}", at.writer, at.epoch, at.session);
                let fields = id(id(none(), "session_id", at.session), "writer_id", at.writer);
                Told::new(text, fields.put("epoch", at.epoch)).of(EnvelopeId::Session(at.session))
            }
            Record::SessionSettled(settled) => self.settled(settled),
            Record::SettlementPosted(posted) => {
                let line = &posted.outgoing.line;
                let (settlement, currency) =
                    (posted.outgoing.settlement, self.currency(posted.outgoing.currency));
                let amount = self.show(line.amount);
                let text = format!("{amount} {currency} of {settlement} reached {}", line.payee);
                let fields = id(id(none(), "settlement_id", settlement), "payee_id", line.payee);
                let fields = nanos(fields, "amount", line.amount).text("currency", &currency);
                let fields = fields.put("from_partition", posted.source).put("no", posted.outgoing.no);
                Told::new(text, fields).of(EnvelopeId::Session(settlement.session()))
            }
            Record::OutboxDelivered(delivered) => {
                let through = delivered.through;
                Told::new(format!("lines up to {through} have arrived"), none().put("through", through))
            }
            Record::CredentialMade(made) => {
                let (actor, roles) = (made.id.actor(), made.roles.to_string());
                let text = format!("{} \"{}\", {}…, actor {actor}: {roles}", made.id, made.name, made.prefix);
                let fields = id(none(), "credential_id", made.id).text("name", made.name);
                let fields = fields.text("prefix", made.prefix).text("roles", &roles).put("holder", actor);
                let payee = made.payee.map(|payee| payee.to_string()).unwrap_or_default();
                Told::new(text, fields.text("payee_id", &payee).text("front_end", made.front_end))
            }
            Record::CredentialRevoked(revoked) => {
                let text = format!("{} is heard no more", revoked.id);
                Told::new(text, id(none(), "credential_id", revoked.id))
            }
        }
    }

    fn show(&self, amount: Amount) -> String {
        self.money.show(amount.nanos())
    }

    fn currency(&self, currency: Currency) -> String {
        (self.currency_text)(currency.number())
    }

    fn sum(&self, account: AccountId, amount: Amount, how: &str) -> Told {
        let fields = nanos(id(Fields::new(), "account_id", account), "amount", amount);
        Told::new(format!("{} {how} {account}", self.show(amount)), fields).of(EnvelopeId::Account(account))
    }

    fn declined(&self, command: Scope, on: EnvelopeId, decline: Decline) -> Told {
        let (command, code) = (scope(command), decline.code.name());
        let fields = id(Fields::new(), "on", on).text("command", command).text("code", code);
        Told::new(format!("{code} for {command} on {on}"), fields).of(on)
    }

    fn opened(&self, opened: &SessionOpened<'_>) -> Told {
        let mode = match opened.mode {
            Mode::Reserved => "reserved",
            Mode::Shared => "shared",
        };
        let under = opened.parent.map_or(EnvelopeId::Account(opened.account), EnvelopeId::Session);
        let (cap, ends_at) = (opened.bounds.cap, moment::from_ns(opened.bounds.ends_at.ns()));
        let text = format!(
            "{} under {under}, {mode} {}, until {ends_at}{}{}",
            opened.id,
            self.show(cap),
            quoted(opened.reference),
            limited(&opened.clauses.velocity)
        );
        let parent = opened.parent.map(|parent| parent.to_string()).unwrap_or_default();
        let fields = id(id(Fields::new(), "session_id", opened.id), "account_id", opened.account)
            .text("parent_session_id", &parent)
            .text("mode", &mode.to_uppercase())
            .text("ends_at", &ends_at)
            .text("reference", opened.reference)
            .text("principal", opened.principal)
            .put("velocity", limits(&opened.clauses.velocity));
        let mut told = Told::new(text, nanos(fields, "cap", cap)).of(EnvelopeId::Session(opened.id));
        told.account = Some(opened.account);
        told
    }

    fn debited(&self, seq: u64, stamp: &Stamp, debit: &Debited<'_>) -> Told {
        let payee = self.names.payee(stamp.partition, debit.payee);
        let outcome = match debit.verdict {
            None if debit.taken < debit.amount => {
                format!("approved {} of {}", self.show(debit.taken), self.show(debit.amount))
            }
            None => format!("approved {}", self.show(debit.taken)),
            Some((code, _)) => format!("declined {}, {} asked", code.name(), self.show(debit.amount)),
        };
        let by = match debit.intent {
            StoredIntent::Key(_) => "by key".to_owned(),
            StoredIntent::Number(at) => format!("number {} of {}", at.number, at.writer),
        };
        let text = format!("{outcome} for {payee} in {}, {by}{}", debit.session, quoted(debit.reference));
        let fields = id(id(Fields::new(), "session_id", debit.session), "debit_id", debit.session.debit(seq));
        let fields = verdict(fields.text("payee_id", &payee), debit.verdict);
        let fields = nanos(nanos(fields, "asked", debit.amount), "amount", debit.taken);
        let fields = fields.text("reference", debit.reference);
        let fields =
            fields.text("evidence_hash", &debit.evidence.map(|bytes| hex(&bytes)).unwrap_or_default());
        let fields = match debit.intent {
            StoredIntent::Key(_) => fields.text("writer_id", ""),
            StoredIntent::Number(at) => id(fields, "writer_id", at.writer).put("number", at.number),
        };
        Told::new(text, fields).of(EnvelopeId::Session(debit.session))
    }

    fn settled(&self, settled: &SessionSettled) -> Told {
        let reason = match settled.reason {
            Reason::Closed => "closed",
            Reason::Expired => "expired",
            Reason::Cascade => "cascade",
            Reason::Revoked => "revoked",
            Reason::Consumed => "consumed",
        };
        let lines = settled.lines.iter().map(|line| {
            let fields = nanos(id(Fields::new(), "payee_id", line.payee), "amount", line.amount);
            fields.put("debit_count", line.debit_count).end()
        });
        let (total, back) = (self.show(settled.total), self.show(settled.released));
        let payees = counted(settled.lines.len() as u64, "payee");
        let text = format!("{} {reason}: {total} to {payees}, {back} given back", settled.session);
        let fields = id(
            id(Fields::new(), "session_id", settled.session),
            "settlement_id",
            settled.session.settlement(),
        );
        let fields = fields.text("reason", &reason.to_uppercase()).put("lines", lines.collect::<Vec<_>>());
        let fields = nanos(nanos(fields, "total", settled.total), "released", settled.released);
        Told::new(text, fields).of(EnvelopeId::Session(settled.session))
    }
}

fn id(fields: Fields, name: &str, id: impl fmt::Display) -> Fields {
    fields.text(name, &format!("{id}"))
}

fn nanos(fields: Fields, name: &str, amount: Amount) -> Fields {
    fields.nanos(name, amount.nanos())
}

fn verdict(fields: Fields, verdict: Verdict) -> Fields {
    match verdict {
        None => fields.put("outcome", "APPROVED").text("code", ""),
        Some((code, _)) => fields.put("outcome", "DECLINED").text("code", code.name()),
    }
}

/// Says how many velocity limits there are, if any.
fn limited(limits: &[VelocityLimit]) -> String {
    if limits.is_empty() {
        String::new()
    } else {
        format!(", {}", counted(limits.len() as u64, "velocity limit"))
    }
}

fn limits(limits: &[VelocityLimit]) -> Value {
    let one = |limit: &VelocityLimit| {
        let pace = match limit.pace {
            Pace::Rate => "RATE",
            Pace::Window => "ROLLING_WINDOW",
        };
        let measure = match limit.measure {
            Measure::Count => "COUNT",
            Measure::Amount => "AMOUNT",
        };
        Fields::new()
            .text("pace", pace)
            .text("measure", measure)
            .put("most", limit.most)
            .put("per_ns", limit.per.ns())
            .put("burst", limit.burst)
            .put("each_payee", limit.each_payee)
            .end()
    };
    limits.iter().map(one).collect()
}

fn quoted(reference: &str) -> String {
    if reference.is_empty() { String::new() } else { format!(" {reference:?}") }
}

fn funding(funding: Funding) -> &'static str {
    match funding {
        Funding::Prepaid => "prepaid",
        Funding::CreditLine => "credit line",
        Funding::ExternalAuthority => "external authority",
    }
}

fn controlled(set: &ControlSet<'_>) -> Told {
    let word = &set.control;
    let on = match set.on {
        ControlOf::Envelope(id) => id.to_string(),
        ControlOf::FrontEnd(name) => format!("front-end {name}"),
    };
    let what = match word.state {
        State::Paused => "is paused",
        State::Open => "goes on",
        State::Revoked(Promises::Honour) => "is revoked, its holds honoured",
        State::Revoked(Promises::Void) => "is revoked, its holds given back",
    };
    let text = format!("{on} {what}, epoch {}, by actor {}{}", word.epoch, word.by, quoted(&word.note));
    let fields = Fields::new().text("on", &on).text("state", word.state.name()).put("epoch", word.epoch);
    let told = Told::new(text, fields.put("by", word.by).text("note", &word.note));
    match set.on {
        ControlOf::Envelope(id) => told.of(id),
        ControlOf::FrontEnd(_) => told,
    }
}

fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Debit => "debit",
        Scope::CreateAccount => "create_account",
        Scope::Deposit => "deposit",
        Scope::CreatePayee => "create_payee",
        Scope::OpenSession => "open_session",
        Scope::TopUp => "top_up",
        Scope::Withdraw => "withdraw",
        Scope::Repay => "repay",
        Scope::Reverse => "reverse",
        Scope::SetCreditLimit => "set_credit_limit",
        Scope::CreateCredential => "create_credential",
        Scope::IssueToken => "issue_token",
        Scope::AmendToken => "amend_token",
    }
}

fn status(status: PayeeStatus) -> &'static str {
    match status {
        PayeeStatus::Pending => "pending",
        PayeeStatus::Active => "active",
        PayeeStatus::Blocked => "blocked",
        PayeeStatus::Closed => "closed",
    }
}
