//! Owns: what was taken back of a debit, beside the chunk that has it: a chunk is not rewritten for that. Key: partition 2,
//! slot 4, the debit's seq 8, big-endian; value: the sum.
//! Never: whether it may be taken back.

use super::{At, REVERSAL};
use tallystick_core::Amount;
use tallystick_journal::{Entry, ProjectionStore, StorageFault, wire::Put as _};

pub(crate) fn entry(at: At, seq: u64, sum: Amount) -> Entry {
    let mut value = REVERSAL.begin();
    value.put_small(sum.nanos());
    REVERSAL.put(&at.key(seq), value)
}

pub(crate) fn find(store: &dyn ProjectionStore, at: At, seq: u64) -> Result<Amount, StorageFault> {
    let key = at.key(seq);
    let found = store.get(REVERSAL.table, &key)?;
    found.map_or(Ok(Amount::ZERO), |value| decode(&key, &value).map(|(_, _, sum)| sum))
}

pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<(At, u64, Amount), StorageFault> {
    let (at, seq) = At::read(REVERSAL, key)?;
    let sum = REVERSAL.read(key, value, |take| take.small("sum").map(Amount::from_nanos))?;
    Ok((at, seq, sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trips(partition: u16, slot: u32, seq: u64, sum: u64) {
            let (at, sum) = (At { partition, slot }, Amount::from_nanos(sum));
            let entry = entry(at, seq, sum);
            prop_assert_eq!(decode(&entry.key, &entry.value.unwrap()).unwrap(), (at, seq, sum));
        }
    }

    #[test]
    fn refuses_a_wrong_size() {
        let at = At { partition: 1, slot: 2 };
        assert!(decode(&at.key(3)[..13], &[1, 5]).is_err());
        assert!(decode(&at.key(3), &[1, 5, 0]).is_err());
        assert!(decode(&at.key(3), &[1]).is_err());
    }
}
