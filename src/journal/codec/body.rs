//! Owns: which layout belongs to which kind of record, and its newest version; the layouts are in the files below, writing
//! and reading side by side. Never: the frame around a body.

mod account;
mod control;
mod credential;
mod debit;
mod payee;
mod piece;
mod session;
mod settlement;
mod token;
mod velocity;

pub(super) use debit::take_debited;

use crate::wire::{Damage, Put as _, Take};
use piece::id;
use tallystick_core::{
    Record, SessionId, WriterId,
    hash::Seed,
    record::{Genesis, OutboxDelivered, SessionClosing, SessionOpened, WriterOpened, WriterPositioned},
};

/// Numbers the kind that most records are.
pub(super) const DEBITED: u8 = 40;
const HOLD: u8 = 41;
const CAPTURE: u8 = 42;
const VOID: u8 = 43;

/// Returns the version in which a kind of record is written, the newest that is read.
pub(super) const fn version(kind: u8) -> u8 {
    match kind {
        // 1 had no limit, no external authority and no payment method; 2 no front-end and no limits in time.
        10 => 3,
        // 1 had no clauses.
        30 | 60 => 2,
        // 1 had no partial debits, 2 no late captures.
        DEBITED => 3,
        _ => 1,
    }
}

/// Returns whether a kind of record is one that `take` reads.
pub(super) const fn is_known(kind: u8) -> bool {
    matches!(kind, 1 | 10..=16 | 20..=23 | 30..=38 | DEBITED..=VOID | 44..=46 | 50..=52 | 60..=64 | 90 | 91)
}

pub(super) fn put(record: &Record<'_>, out: &mut Vec<u8>) {
    match record {
        Record::Genesis(r) => {
            out.put(&r.seed.0);
            out.put_small(r.partitions.into());
        }
        Record::AccountCreated(r) => account::put_created(r, out),
        Record::Deposited(r) => account::put_deposited(r, out),
        Record::DepositMoved(r) => account::put_moved(r, out),
        Record::Withdrawn(r) => account::put_withdrawn(r, out),
        Record::Repaid(r) => account::put_repaid(r, out),
        Record::DepositMade(r) => account::put_made(r, out),
        Record::CreditLimitSet(r) => account::put_limit_set(r, out),
        Record::PayeeCreated(r) => payee::put_created(r, out),
        Record::PayeeStatusSet(r) => payee::put_status_set(r, out),
        Record::PayeeShared(r) => payee::put_shared(r, out),
        Record::PayeeNoticed(r) => payee::put_noticed(r, out),
        Record::SessionOpened(r) => {
            session::put_opened(r, out);
            r.token.iter().for_each(|part| token::put_part(part, out));
        }
        Record::TokenAmended(r) => token::put_amended(r, out),
        Record::PeriodBegun(r) => token::put_begun(r, out),
        Record::FamilyRevoked(r) => out.put_u128(r.standing.bits()),
        Record::RefreshSeen(r) => out.put_u128(r.standing.bits()),
        Record::OpenDeclined(r) => session::put_open_declined(r, out),
        Record::ToppedUp(r) => session::put_topped_up(r, out),
        Record::ControlSet(r) => control::put_set(r, out),
        Record::SessionClosing(r) => out.put_u128(r.session.bits()),
        Record::CommandDeclined(r) => session::put_command_declined(r, out),
        Record::Debited(r) => debit::put_debited(r, out),
        Record::HoldLapsed(r) => debit::put_lapsed(r, out),
        Record::Reversed(r) => debit::put_reversed(r, out),
        Record::WriterOpened(r) => {
            out.put_u128(r.id.bits());
            out.put_small(r.epoch.into());
        }
        Record::WriterPositioned(r) => {
            out.put_u128(r.session.bits());
            out.put_u128(r.writer.bits());
            out.put_small(r.epoch.into());
        }
        Record::SessionSettled(r) => settlement::put_settled(r, out),
        Record::SettlementPosted(r) => settlement::put_posted(r, out),
        Record::OutboxDelivered(r) => out.put_small(r.through),
        Record::CredentialMade(r) => credential::put_made(r, out),
        Record::CredentialRevoked(r) => credential::put_revoked(r, out),
    }
}

/// Reads the body of a kind, written in a version that is at most `version(kind)`.
pub(super) fn take<'a>(kind: u8, version: u8, take: &mut Take<'a>) -> Result<Record<'a>, Damage> {
    Ok(match kind {
        1 => Record::Genesis(Genesis {
            seed: Seed(take.array("seed")?),
            partitions: take.narrow("partitions")?,
        }),
        10 => Record::AccountCreated(account::take_created(version, take)?),
        11 => Record::Deposited(account::take_deposited(take)?),
        12 => Record::DepositMoved(account::take_moved(take)?),
        13 => Record::Withdrawn(account::take_withdrawn(take)?),
        14 => Record::Repaid(account::take_repaid(take)?),
        15 => Record::DepositMade(account::take_made(take)?),
        16 => Record::CreditLimitSet(account::take_limit_set(take)?),
        20 => Record::PayeeCreated(payee::take_created(take)?),
        21 => Record::PayeeStatusSet(payee::take_status_set(take)?),
        22 => Record::PayeeShared(payee::take_shared(take)?),
        23 => Record::PayeeNoticed(payee::take_noticed(take)?),
        30 => Record::SessionOpened(session::take_opened(version, take)?),
        31 => Record::OpenDeclined(session::take_open_declined(take)?),
        32 => Record::ToppedUp(session::take_topped_up(take)?),
        control::PAUSED | control::OPEN | control::REVOKED => {
            Record::ControlSet(control::take_set(kind, take)?)
        }
        36 => Record::SessionClosing(SessionClosing { session: id(take, SessionId::from_bits)? }),
        37 => Record::CommandDeclined(session::take_command_declined(take)?),
        38 => Record::HoldLapsed(debit::take_lapsed(take)?),
        DEBITED => Record::Debited(take_debited(version, take)?),
        HOLD | CAPTURE | VOID => Record::Debited(debit::take_held(kind, take)?),
        44 => Record::Reversed(debit::take_reversed(take)?),
        45 => Record::WriterOpened(WriterOpened {
            id: id(take, WriterId::from_bits)?,
            epoch: take.narrow("epoch")?,
        }),
        46 => Record::WriterPositioned(WriterPositioned {
            session: id(take, SessionId::from_bits)?,
            writer: id(take, WriterId::from_bits)?,
            epoch: take.narrow("epoch")?,
        }),
        50 => Record::SessionSettled(settlement::take_settled(take)?),
        51 => Record::SettlementPosted(settlement::take_posted(take)?),
        60 => {
            let opened = session::take_opened(version, take)?;
            Record::SessionOpened(SessionOpened { token: Some(token::take_part(take)?), ..opened })
        }
        61 => Record::TokenAmended(token::take_amended(take)?),
        62 => Record::PeriodBegun(token::take_begun(take)?),
        63 => Record::FamilyRevoked(token::take_revoked(take)?),
        64 => Record::RefreshSeen(token::take_seen(take)?),
        52 => Record::OutboxDelivered(OutboxDelivered { through: take.small("outbox number")? }),
        90 => Record::CredentialMade(credential::take_made(take)?),
        91 => Record::CredentialRevoked(credential::take_revoked(take)?),
        _ => return Err(take.damage("a record's kind")),
    })
}
