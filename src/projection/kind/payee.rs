//! Owns: which payee a partition's notice names. Key: partition 2, slot 4, big-endian; value: the id.
//! Never: a payee's status.

use super::PAYEE;
use tallystick_core::PayeeId;
use tallystick_journal::{
    Entry, ProjectionStore, StorageFault,
    wire::{Damage, Put as _},
};

fn key(partition: u16, slot: u32) -> [u8; 6] {
    let ([a, b], [c, d, e, f]) = (partition.to_be_bytes(), slot.to_be_bytes());
    [a, b, c, d, e, f]
}

pub(crate) fn entry(partition: u16, slot: u32, id: PayeeId) -> Entry {
    let mut value = PAYEE.begin();
    value.put_u128(id.bits());
    PAYEE.put(&key(partition, slot), value)
}

/// Finds a payee. *Errors*: `Corrupt` when it is not there: a debit never comes before its payee's notice.
pub(crate) fn find(store: &dyn ProjectionStore, partition: u16, slot: u32) -> Result<PayeeId, StorageFault> {
    let key = key(partition, slot);
    let absent = || PAYEE.corrupt(&key, Damage { what: "the whole entry, which a debit names,", at: 0 });
    let value = store.get(PAYEE.table, &key)?.ok_or_else(absent)?;
    PAYEE.read(&key, &value, |take| {
        let bits = take.u128("id")?;
        PayeeId::from_bits(bits).map_err(|_| take.damage("id"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallystick_core::id::Place;
    use tallystick_journal::memory::MemoryProjection;

    #[test]
    fn round_trips_and_refuses_a_wrong_size() {
        let id = PayeeId::new(Place { partition: 9, slot: 8, generation: 0 }, 7);
        let store = MemoryProjection::default();
        store.write(&[entry(3, 4, id)]).unwrap();
        assert_eq!(find(&store, 3, 4).unwrap(), id);
        assert!(find(&store, 3, 5).unwrap_err().to_string().contains("payee at 000300000005"));
        store.tamper(|entries| entries.values_mut().for_each(|value| value.push(0)));
        assert!(find(&store, 3, 4).is_err());
    }
}
