//! Is the rules themselves: bytes are a series of commands, each decided, encoded, decoded and applied to two worlds, which
//! must stay sound and the same; and so must what a checkpoint of them brings back.

use super::nothing;
use crate::{
    Target,
    bytes::Choices,
    ledger::{Ledger, NUMBERS, USD},
};
use tallystick_core::{
    AccountId, Amount, Currency, EnvelopeId, PayeeId, SessionId, Span, Time, WriterId,
    account::Funding,
    command::{
        CreateAccount, CreatePayee, Debit, Deposit, Intent, OpenSession, Repay, Reverse, SetCreditLimit,
        TopUp, Withdraw,
    },
    deposit::DepositState,
    id::Place,
    record::{ExternalFacts, MethodFacts},
    session::Mode,
    writer::Numbered,
};

pub(super) const TARGET: Target = Target {
    name: "world",
    // A command of a few bytes makes a row of a few hundred; tables, their indexes and the checkpoints' copies double it.
    bytes_most: (4 << 20, 32 << 10),
    prepare: nothing,
    read,
};

const COMMANDS_MOST: usize = 512;

fn read(bytes: &[u8]) {
    let mut ledger = Ledger::new();
    let mut choices = Choices::new(bytes);
    for _ in 0..COMMANDS_MOST {
        if choices.is_over() {
            break;
        }
        let op = Op::of(choices.byte());
        act(&mut ledger, op, &mut choices);
    }
    ledger.check();
}

/// Is what a byte stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Op {
    Account,
    Deposit,
    MoveDeposit,
    Withdraw,
    Repay,
    CreditLimit,
    Payee,
    Block,
    Session,
    Child,
    Debit,
    Number,
    TopUp,
    Reverse,
    Settle,
    Writer,
    Position,
    Pass,
    Sweep,
}

impl Op {
    const ALL: [Self; 19] = [
        Self::Account,
        Self::Deposit,
        Self::MoveDeposit,
        Self::Withdraw,
        Self::Repay,
        Self::CreditLimit,
        Self::Payee,
        Self::Block,
        Self::Session,
        Self::Child,
        Self::Debit,
        Self::Number,
        Self::TopUp,
        Self::Reverse,
        Self::Settle,
        Self::Writer,
        Self::Position,
        Self::Pass,
        Self::Sweep,
    ];

    fn of(byte: u8) -> Self {
        Self::ALL[usize::from(byte) % Self::ALL.len()]
    }
}

fn unknown(partition: u16) -> Place {
    Place { partition, slot: 3, generation: 1 }
}

fn account(ledger: &Ledger, choices: &mut Choices<'_>) -> AccountId {
    choices.pick(&ledger.accounts).unwrap_or_else(|| AccountId::new(unknown(NUMBERS[0]), 1))
}

fn session(ledger: &Ledger, choices: &mut Choices<'_>) -> SessionId {
    choices.pick(&ledger.sessions).unwrap_or_else(|| SessionId::new(unknown(NUMBERS[0]), 1))
}

fn payee(ledger: &Ledger, choices: &mut Choices<'_>) -> PayeeId {
    choices.pick(&ledger.payees).unwrap_or_else(|| PayeeId::new(unknown(NUMBERS[0]), 1))
}

fn writer(ledger: &Ledger, choices: &mut Choices<'_>) -> (WriterId, u32) {
    choices.pick(&ledger.writers).unwrap_or_else(|| (WriterId::new(unknown(NUMBERS[0]), 1), 1))
}

fn amount(choices: &mut Choices<'_>) -> Amount {
    Amount::from_nanos(choices.number())
}

fn currency(choices: &mut Choices<'_>) -> Currency {
    match choices.below(16) {
        0 => Currency::from_number(978),
        1 => Currency::UNSTATED,
        _ => USD,
    }
}

/// Returns a hash, seldom.
fn hash(choices: &mut Choices<'_>) -> Option<[u8; 32]> {
    let byte = choices.byte();
    (byte >= 224).then_some([byte; 32])
}

/// Takes one step. A refusal is an answer like any other.
pub(crate) fn act(ledger: &mut Ledger, op: Op, choices: &mut Choices<'_>) {
    let _ = match op {
        Op::Account => create_account(ledger, choices),
        Op::Deposit => {
            let account = account(ledger, choices);
            let pending = choices.flag();
            let (key, amount, currency) = (choices.piece(4), amount(choices), currency(choices));
            ledger.deposit(&Deposit { account, key, amount, currency, pending })
        }
        Op::MoveDeposit => {
            let to = [
                DepositState::Pending,
                DepositState::Available,
                DepositState::Returned,
                DepositState::Failed,
            ];
            let to = to[choices.below(4)];
            choices.pick(&ledger.deposits).map_or(Ok(()), |id| ledger.move_deposit(id, to))
        }
        Op::Withdraw => {
            let account = account(ledger, choices);
            let (key, amount, currency) = (choices.piece(4), amount(choices), currency(choices));
            ledger.withdraw(&Withdraw { account, key, amount, currency })
        }
        Op::Repay => {
            let account = account(ledger, choices);
            let (key, amount, currency) = (choices.piece(4), amount(choices), currency(choices));
            ledger.repay(&Repay { account, key, amount, currency })
        }
        Op::CreditLimit => {
            let account = account(ledger, choices);
            let (key, limit) = (choices.piece(4), amount(choices));
            ledger.set_credit_limit(&SetCreditLimit { account, key, limit })
        }
        Op::Payee => {
            let (key, name) = (choices.piece(4), choices.text(8));
            ledger.create_payee(&CreatePayee { key, name })
        }
        Op::Block => {
            let id = payee(ledger, choices);
            ledger.block_payee(id)
        }
        Op::Session => {
            let parent = EnvelopeId::Account(account(ledger, choices));
            open(ledger, parent, choices)
        }
        Op::Child => {
            let parent = EnvelopeId::Session(session(ledger, choices));
            open(ledger, parent, choices)
        }
        Op::Debit => {
            let intent = Intent::Key(choices.piece(4));
            debit(ledger, intent, choices)
        }
        Op::Number => {
            let (writer, epoch) = writer(ledger, choices);
            let (number, acked) = (u64::from(choices.byte()), u64::from(choices.byte()));
            let numbered = Numbered { writer, epoch, number, acked_through: acked };
            debit(ledger, Intent::Number(numbered), choices)
        }
        Op::TopUp => {
            let session = session(ledger, choices);
            let (key, add, extend_by) = (choices.piece(4), amount(choices), Span::from_ns(choices.number()));
            ledger.top_up(&TopUp { session, key, add, extend_by, parent_proof: None })
        }
        Op::Reverse => {
            let (key, amount) = (choices.piece(4), amount(choices));
            choices.pick(&ledger.debits).map_or(Ok(()), |debit| {
                ledger.reverse(&Reverse {
                    session: debit.session,
                    key,
                    debit_seq: debit.seq,
                    payee: debit.payee,
                    taken: debit.taken,
                    amount,
                })
            })
        }
        Op::Settle => {
            let (session, cascade) = (session(ledger, choices), choices.flag());
            ledger.settle(session, cascade)
        }
        Op::Writer => {
            let number = NUMBERS[choices.below(2)];
            let id = if choices.flag() { Some(writer(ledger, choices).0) } else { None };
            ledger.open_writer(number, id)
        }
        Op::Position => {
            let (session, writer) = (session(ledger, choices), writer(ledger, choices));
            ledger.position(session, writer)
        }
        Op::Pass => {
            ledger.now = ledger.now.saturating_add(choices.number() >> 16);
            Ok(())
        }
        Op::Sweep => {
            ledger.sweep();
            Ok(())
        }
    };
}

fn create_account(ledger: &mut Ledger, choices: &mut Choices<'_>) -> Result<(), tallystick_core::Refusal> {
    let number = NUMBERS[choices.below(2)];
    let funding = [Funding::Prepaid, Funding::CreditLine, Funding::ExternalAuthority][choices.below(3)];
    let (key, reference) = (choices.piece(4), choices.text(8));
    let limit = amount(choices);
    let facts = ExternalFacts {
        reference: "auth",
        usable_until: Time::from_ns(ledger.now.saturating_add(choices.number())),
        margin: Span::from_ns(choices.number()),
    };
    let is_external = funding == Funding::ExternalAuthority;
    let command = CreateAccount {
        front_end: "",
        key,
        currency: currency(choices),
        reference,
        funding,
        credit_limit: if funding == Funding::CreditLine { limit } else { Amount::ZERO },
        external: is_external.then_some((limit, facts)),
        method: MethodFacts { kind: choices.text(4), ..MethodFacts::default() },
        velocity: &[],
    };
    ledger.create_account(number, &command)
}

fn open(
    ledger: &mut Ledger,
    parent: EnvelopeId,
    choices: &mut Choices<'_>,
) -> Result<(), tallystick_core::Refusal> {
    let flags = choices.byte();
    let (key, cap, ttl) = (choices.piece(4), amount(choices), Span::from_ns(choices.number()));
    let mut command = OpenSession::capped(parent, key, (cap, currency(choices)), ttl);
    if flags & 1 != 0 {
        command.mode = Mode::Shared;
    }
    if flags & 2 != 0 {
        command.payees = (0..choices.below(4)).map(|_| payee(ledger, choices)).collect();
    }
    if flags & 4 != 0 {
        command.payee_caps =
            (0..choices.below(4)).map(|_| (payee(ledger, choices), amount(choices))).collect();
    }
    if flags & 8 != 0 {
        command.default_payee_cap = amount(choices);
    }
    if flags & 16 != 0 {
        (command.debit_min, command.debit_max) = (amount(choices), amount(choices));
    }
    if flags & 32 != 0 {
        command.not_before = Time::from_ns(ledger.now.saturating_add(choices.number()));
    }
    if flags & 64 != 0 {
        (command.principal, command.method) = (choices.text(4), choices.text(4));
        (command.evidence_hash, command.approved_at) = (hash(choices), Time::from_ns(choices.number()));
    }
    ledger.open_session(&command)
}

fn debit(
    ledger: &mut Ledger,
    intent: Intent<'_>,
    choices: &mut Choices<'_>,
) -> Result<(), tallystick_core::Refusal> {
    let (session, payee) = (session(ledger, choices), payee(ledger, choices));
    let (amount, currency, partial) = (amount(choices), currency(choices), choices.flag());
    let (reference, evidence) = (choices.text(4), hash(choices));
    ledger.debit(&Debit {
        act: tallystick_core::command::Act::Debit,
        proof: None,
        session,
        payee,
        amount,
        currency,
        intent,
        reference,
        evidence,
        partial,
    })
}
