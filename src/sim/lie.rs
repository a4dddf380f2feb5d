//! Owns: what clients ask that they should not: a key with other content, gaps in numbers, old epochs, ids that were never
//! given out, fields that break their rules. Never: a number that could be the next of an honest writer.

use crate::{
    asked::{Asked, Named, NewDebit},
    client::{Clients, Intent},
    rng::Rng,
    wish::Drawing,
};
use tallystick_core::{
    AccountId, Amount, Currency, DepositId, EnvelopeId, PayeeId, SessionId, Span, Time, WriterId,
    command::Act,
    id::Place,
    session::{Mode, SecretHash},
    writer::Numbered,
};

/// Makes one; `None` when there is nothing to lie about yet.
pub fn make(clients: &mut Clients, client: usize, drawing: Drawing<'_>) -> Option<Asked> {
    match clients.rng.below(6) {
        0 => other_content(clients, drawing),
        1 => out_of_order(clients, client, drawing),
        2 => unknown(clients, drawing),
        3 => malformed(clients, drawing),
        4 => wrong_secret(clients, client, drawing),
        _ => repeated(clients, client),
    }
}

fn place(rng: &mut Rng) -> Place {
    Place { partition: 37, slot: u32::try_from(rng.below(4)).unwrap_or(0), generation: 0 }
}

/// Uses a key again for something else.
fn other_content(clients: &mut Clients, drawing: Drawing<'_>) -> Option<Asked> {
    let (session, key) = clients.rng.pick(&clients.roster.keys)?.clone();
    let new = clients.debit(drawing)?;
    Some(Asked::Debit(NewDebit { session, named: Named::Key(key), ..new }))
}

/// Leaves a gap, repeats a number with other content, or asks under another epoch.
fn out_of_order(clients: &mut Clients, client: usize, drawing: Drawing<'_>) -> Option<Asked> {
    let new = clients.debit(drawing)?;
    let owner = clients.each.get(client)?;
    let (writer, epoch) = owner.writer.open?;
    let next = owner.writer.next.get(&new.session).copied().unwrap_or(1);
    let (number, epoch) = match clients.rng.below(4) {
        0 => (next + clients.rng.between(1, 5), epoch),
        1 => (clients.rng.between(1, next.saturating_sub(1).max(1)), epoch),
        2 => (next, epoch.saturating_sub(1)),
        _ => (next, epoch + 1),
    };
    // Number 1 could be the next, if nothing was ever numbered here.
    if number >= next && epoch == owner.writer.open?.1 && number <= next {
        return None;
    }
    let at = Numbered { writer, epoch, number, acked_through: 0 };
    Some(Asked::Debit(NewDebit { named: Named::Number(at), ..new }))
}

/// Asks without the secret, or with another.
fn wrong_secret(clients: &mut Clients, client: usize, drawing: Drawing<'_>) -> Option<Asked> {
    let proof = if clients.rng.chance(1, 2) { None } else { Some(SecretHash([255; 32])) };
    if clients.rng.chance(1, 4) {
        let Asked::OpenSession(mut open) = crate::wish::Wish::Open.make(clients, client, drawing)?.asked
        else {
            return None;
        };
        open.parent_proof = proof;
        return Some(Asked::OpenSession(open));
    }
    let new = clients.debit(drawing)?;
    // A number that could be an honest writer's next is not used up by it: whoever has no secret is refused.
    Some(Asked::Debit(NewDebit { proof, ..new }))
}

/// Names what was never given out.
fn unknown(clients: &mut Clients, drawing: Drawing<'_>) -> Option<Asked> {
    let random = clients.rng.draw();
    let at = place(&mut clients.rng);
    let (account, session) = (AccountId::new(at, random), SessionId::new(at, random));
    let key = clients.key(256);
    let amount = Amount::from_nanos(5);
    let currency = Currency::from_number(840);
    Some(match clients.rng.below(11) {
        0 => Asked::Deposit { account, key, amount, currency, pending: false },
        1 => Asked::ShowAccount(account),
        2 => Asked::ShowSession(session),
        3 => Asked::ShowSettlement(session.settlement()),
        4 => Asked::BlockPayee(PayeeId::new(at, random)),
        5 => Asked::Settle { session, cascade: true },
        6 => Asked::OpenWriter(Some(WriterId::new(at, random))),
        7 => Asked::MoveDeposit {
            deposit: DepositId::new(at, random),
            to: tallystick_core::deposit::DepositState::Available,
        },
        8 => Asked::Debit(NewDebit { session, ..clients.debit(drawing)? }),
        9 => Asked::Debit(NewDebit { payee: PayeeId::new(at, random), ..clients.debit(drawing)? }),
        _ => Asked::LookUpKey { session, key },
    })
}

/// Breaks a rule of a field.
fn malformed(clients: &mut Clients, drawing: Drawing<'_>) -> Option<Asked> {
    let new = clients.debit(drawing)?;
    Some(match clients.rng.below(8) {
        6 => Asked::Debit(NewDebit { partial: true, act: Act::Void { hold: 1 }, ..new }),
        7 => {
            let tolerance = Amount::from_nanos(u64::MAX);
            Asked::Debit(NewDebit { partial: false, act: Act::Hold { tolerance, until: Time::ZERO }, ..new })
        }
        0 => Asked::Debit(NewDebit { amount: Amount::ZERO, ..new }),
        1 => Asked::Debit(NewDebit { amount: Amount::from_nanos(u64::MAX), ..new }),
        2 => Asked::Debit(NewDebit { named: Named::Key(Vec::new()), ..new }),
        3 => Asked::Debit(NewDebit { named: Named::Key(vec![b'k'; 256]), ..new }),
        4 => Asked::Debit(NewDebit { reference: "r".repeat(129), ..new }),
        _ => {
            let Asked::OpenSession(mut open) = crate::wish::Wish::Open.make(clients, 0, drawing)?.asked
            else {
                return None;
            };
            match clients.rng.below(3) {
                0 => open.ttl = Span::from_days(31),
                1 => open.cap = Amount::ZERO,
                _ => {
                    open.parent = EnvelopeId::Account(clients.rng.pick(&clients.roster.accounts)?.id);
                    open.ttl = Span::from_ns(0);
                }
            }
            Asked::OpenSession(open)
        }
    })
}

/// Sends what is out already once more, with something changed or nothing.
fn repeated(clients: &mut Clients, client: usize) -> Option<Asked> {
    let intents: Vec<Intent> = clients.each.get(client)?.intents.clone();
    let mut asked = clients.rng.pick(&intents)?.asked.clone();
    // A number that is out may not have been decided: it is only repeated as it is.
    if clients.rng.chance(1, 2) {
        match &mut asked {
            Asked::Debit(new) if matches!(new.named, Named::Key(_)) => match &mut new.act {
                Act::Debit => new.partial = !new.partial,
                Act::Hold { tolerance, .. } => *tolerance = Amount::from_nanos(tolerance.nanos() / 2 + 1),
                Act::Capture { last, .. } => *last = !*last,
                Act::Void { hold } => new.act = Act::Capture { hold: *hold, last: true },
            },
            Asked::Deposit { amount, .. } | Asked::Withdraw { amount, .. } | Asked::Repay { amount, .. } => {
                *amount = Amount::from_nanos(amount.nanos().saturating_add(1));
            }
            Asked::OpenSession(open) => match clients.rng.below(4) {
                0 => open.cap = Amount::from_nanos(open.cap.nanos() / 2 + 1),
                1 => open.ttl = Span::from_ns(open.ttl.ns() / 2 + 1),
                2 => open.reference.push('x'),
                _ => {
                    open.mode = if open.mode == Mode::Shared { Mode::Reserved } else { Mode::Shared };
                }
            },
            Asked::CreatePayee { name, .. } => *name = "another".into(),
            _ => {}
        }
    }
    // An epoch for nobody would fence an honest writer.
    if matches!(asked, Asked::OpenWriter(Some(_)) | Asked::Position { .. }) { None } else { Some(asked) }
}
