//! Is the way of a request: bytes as a message, the message as core's command, the command decided on a world that stands
//! still, and what was decided as a record's bytes.

use crate::{
    Target,
    bytes::Choices,
    ledger::{Ledger, NUMBERS},
    seeds,
};
use prost::Message;
use std::sync::OnceLock;
use tallystick_core::{
    EnvelopeId, Partition, Record, Refusal, Stamp,
    command::Command,
    decide::{self, Decided},
};
use tallystick_journal::codec;
use tallystick_proto::v1;
use tallystick_rpc::command;

pub(super) const TARGET: Target = Target {
    name: "requests",
    // Two bytes are an empty debit of a batch, which takes 136 in memory; a list doubles as it grows; then come the commands.
    bytes_most: (64 << 10, 2_048),
    prepare: || _ = world(),
    read,
};

fn world() -> &'static Ledger {
    static WORLD: OnceLock<Ledger> = OnceLock::new();
    WORLD.get_or_init(seeds::ledger)
}

/// Reads a message; written and read again it is the same.
fn message<M: Message + Default + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> Option<M> {
    let message = M::decode(bytes).ok()?;
    let written = message.encode_to_vec();
    assert_eq!(written.len(), message.encoded_len());
    assert!(M::decode(&written[..]) == Ok(M::decode(bytes).ok()?), "{message:?}");
    Some(message)
}

/// Is what a partition would write, if there is one of this number.
fn decided<'a, C: Command, T>(
    number: u16,
    command: &C,
    decide: impl FnOnce(&Partition) -> Result<Decided<'a, T>, Refusal>,
) {
    let _ = (command.check(), command.key_hash(tallystick_core::hash::Seed([3; 16])));
    write(number, decide);
}

fn write<'a, T>(number: u16, decide: impl FnOnce(&Partition) -> Result<Decided<'a, T>, Refusal>) {
    if !NUMBERS.contains(&number) {
        return;
    }
    let Ok(Decided::Record(record)) = decide(world().partition(number)) else { return };
    check(number, &record);
}

fn check(number: u16, record: &Record<'_>) {
    let stamp = Stamp { partition: number, at: world().time(number), actor: 0 };
    let mut bytes = Vec::new();
    codec::encode(&stamp, record, &mut bytes);
    let (_, read, _) = codec::decode(&bytes).unwrap_or_else(|damage| panic!("{damage}: {record:?}"));
    assert_eq!(read, *record);
}

fn read(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let kind = choices.below(10);
    asked(kind, choices.rest());
}

fn asked(kind: usize, bytes: &[u8]) -> Option<()> {
    let [first, _] = NUMBERS;
    let time = |number| if NUMBERS.contains(&number) { world().time(number) } else { world().time(first) };
    match kind {
        0 => {
            let r = message::<v1::CreateAccountRequest>(bytes)?;
            let velocity = command::velocity_limits(&r.velocity).ok()?;
            let c = command::create_account(&r, &velocity).ok()?;
            decided(first, &c, |p| decide::create_account(p, &c, None, (time(first), 5)));
        }
        1 => {
            let r = message::<v1::DepositRequest>(bytes)?;
            let c = command::deposit(&r).ok()?;
            decided(c.account.partition(), &c, |p| decide::deposit(p, &c, None, 5));
        }
        2 => {
            let r = message::<v1::WithdrawRequest>(bytes)?;
            let c = command::withdraw(&r).ok()?;
            decided(c.account.partition(), &c, |p| decide::withdraw(p, &c, None));
        }
        3 => {
            let r = message::<v1::RepayRequest>(bytes)?;
            let c = command::repay(&r).ok()?;
            decided(c.account.partition(), &c, |p| decide::repay(p, &c, None));
        }
        4 => {
            let r = message::<v1::SetCreditLimitRequest>(bytes)?;
            let c = command::set_credit_limit(&r).ok()?;
            decided(c.account.partition(), &c, |p| decide::set_credit_limit(p, &c, None));
        }
        5 => {
            let r = message::<v1::CreatePayeeRequest>(bytes)?;
            let c = command::create_payee(&r);
            decided(first, &c, |p| decide::create_payee(p, &c, None, 5));
        }
        6 => {
            let r = message::<v1::OpenSessionRequest>(bytes)?;
            let c = command::open_session(&r, None).ok()?;
            let number = match c.parent {
                EnvelopeId::Account(id) => id.partition(),
                EnvelopeId::Session(id) => id.partition(),
            };
            decided(number, &c, |p| decide::open_session(p, &c, None, (time(number), 5)));
        }
        7 => {
            let r = message::<v1::TopUpRequest>(bytes)?;
            let c = command::top_up(&r, None).ok()?;
            let number = c.session.partition();
            decided(number, &c, |p| decide::top_up(p, &c, None, time(number)));
        }
        8 => {
            let r = message::<v1::AuthorizeRequest>(bytes)?;
            let proof = command::proof(&r.secret, "secret").ok()?;
            debit(&command::debit(&r, proof.as_ref()).ok()?);
        }
        _ => {
            let r = message::<v1::AuthorizeStreamRequest>(bytes)?;
            let Some(v1::authorize_stream_request::Message::Batch(batch)) = &r.message else { return None };
            let writer = *world().writers.first()?;
            let debits = command::batch_debits(batch, writer).ok()?;
            assert_eq!(debits.len(), batch.debits.len(), "each debit has its place");
            debits.iter().flatten().for_each(debit);
        }
    }
    Some(())
}

fn debit(c: &tallystick_core::command::Debit<'_>) {
    let number = c.session.partition();
    let _ = c.check();
    write(number, |p| decide::debit(p, c, world().time(number)).map(|(decided, _)| decided));
}
