//! Owns: where a projection begins: at the journal's first group, whatever that is, or where it left off, if the journal is
//! the same one. What was trimmed before it began it takes from checkpoints, as far as they have it: seed and payees.
//! Never: guesses what a trimmed record said; `complete_from` says that it is not known.

use crate::kind::{head::Head, payee};
use std::ops::ControlFlow;
use tallystick_core::{Time, cut::RowValue, hash::Seed, table::Slot};
use tallystick_journal::{Checkpoints, Entry, GroupView, Journal, StorageFault, rows};

/// The number of the table of notices.
const NOTICES: u8 = 4;

/// Is what is told of a group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group {
    pub(crate) first_seq: u64,
    last_seq: u64,
    previous: u64,
    check: u64,
}

/// Finds the last group that begins at or below `seq`, or the first there is.
pub(crate) fn group_at(journal: &dyn Journal, seq: u64) -> Result<Option<Group>, StorageFault> {
    let mut found = None;
    journal.read(seq, &mut |key, bytes| {
        let group = GroupView::parse(key, bytes)?;
        let (first_seq, last_seq) = (group.first_seq, group.last_seq());
        found = Some(Group { first_seq, last_seq, previous: group.previous, check: group.check });
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found)
}

/// Says why the journal is not the one that the head speaks of; `None` if it is.
pub(crate) fn differs(journal: &dyn Journal, head: &Head) -> Result<Option<String>, StorageFault> {
    let Head { cursor, check, .. } = *head;
    let next = cursor.saturating_add(1);
    Ok(match group_at(journal, cursor.max(1))? {
        None => Some(format!("it has followed to seq {cursor}, and the journal is empty")),
        Some(group) if group.last_seq == cursor && group.check == check => None,
        Some(group) if group.first_seq == next && group.previous == check => None,
        Some(group) if group.first_seq > next => {
            Some(format!("records {next} to {} are missing in the journal", group.first_seq - 1))
        }
        Some(_) => {
            Some(format!("the journal has no group that ends at seq {cursor} with check {check:016x}"))
        }
    })
}

/// Begins anew. Returns the head and what goes with it; `None` as long as the journal is empty.
pub(crate) fn begin(
    journal: &dyn Journal,
    checkpoints: &dyn Checkpoints,
) -> Result<Option<(Head, Vec<Entry>)>, StorageFault> {
    let Some(first) = group_at(journal, 0)? else { return Ok(None) };
    let mut head = Head {
        cursor: first.first_seq - 1,
        check: first.previous,
        complete_from: first.first_seq,
        seed: Seed::default(),
        latest: Time::ZERO,
    };
    let mut entries = Vec::new();
    if first.first_seq > 1 {
        let known = known(checkpoints)?;
        let seed = known.0.ok_or_else(|| StorageFault::Corrupt {
            place: "journal".into(),
            finding: format!("it begins at seq {}, and there is no checkpoint before that", first.first_seq),
        })?;
        (head.seed, entries) = (seed, known.1);
    }
    entries.push(head.entry());
    Ok(Some((head, entries)))
}

/// Returns the seed and the payees that checkpoints have: all that were ever noticed up to them.
fn known(checkpoints: &dyn Checkpoints) -> Result<(Option<Seed>, Vec<Entry>), StorageFault> {
    let (mut seed, mut partitions) = (None, Vec::new());
    checkpoints.heads(&mut |number, bytes| {
        seed = Some(rows::decode_head(bytes)?.seed);
        partitions.extend(u16::try_from(number));
        Ok(ControlFlow::Continue(()))
    })?;
    let mut entries = Vec::new();
    for partition in partitions {
        checkpoints.rows(partition, &mut |at, bytes| {
            let (Ok(table), Ok(slot)) = (u8::try_from(at >> 32), u32::try_from(at & 0xffff_ffff)) else {
                return Ok(ControlFlow::Continue(()));
            };
            if table == NOTICES
                && let RowValue::Notice(Slot::Taken { row, .. }) = rows::decode_row(table, bytes)?
            {
                entries.push(payee::entry(partition, slot, row.id));
            }
            // Tables come in ascending order.
            Ok(if table > NOTICES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
    }
    Ok((seed, entries))
}
