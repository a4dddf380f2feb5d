//! Owns: `Tables` over the index's instance.
//! Never: writes; what a settlement means.

use std::ops::ControlFlow;

use tallystick_journal::{StorageFault, Tables, Visit};

use super::{Family, RocksIndex};
use crate::{
    fault, instance,
    kind::{command_key, settlement, settlement_seq},
};

impl Tables for RocksIndex {
    fn settlement(&self, id: [u8; 16]) -> Result<Option<Vec<u8>>, StorageFault> {
        let Some(stored) = self.get(Family::Settlement, &id)? else { return Ok(None) };
        let (_, encoded) = settlement::decode(id, &stored)?;
        Ok(Some(encoded.to_vec()))
    }

    fn settlements_after(&self, after_seq: u64, visit: &mut Visit<'_>) -> Result<(), StorageFault> {
        let Some(first) = after_seq.checked_add(1) else { return Ok(()) };
        let mut walk =
            self.db.raw_iterator_cf_opt(self.family(Family::SettlementSeq)?, instance::walk_options());
        walk.seek(settlement_seq::encode_key(first, [0; settlement::KEY_BYTES]));
        while let Some((key, stored)) = walk.item() {
            let (seq, id) = settlement_seq::decode(key, stored)?;
            if self.show(seq, id, visit)? == ControlFlow::Break(()) {
                return Ok(());
            }
            walk.next();
        }
        // The walk ends at the last place and at the first damaged block alike.
        walk.status().map_err(|error| fault::from_rocks(Family::SettlementSeq.name(), error))
    }

    fn command_key(&self, partition: u16, hash: [u8; 16]) -> Result<Option<Vec<u8>>, StorageFault> {
        let Some(stored) = self.get(Family::CommandKey, &command_key::encode_key(partition, hash))? else {
            return Ok(None);
        };
        Ok(Some(command_key::decode(partition, hash, &stored)?.to_vec()))
    }
}

impl RocksIndex {
    fn show(&self, seq: u64, id: [u8; 16], visit: &mut Visit<'_>) -> Result<ControlFlow<()>, StorageFault> {
        let stored = self.get(Family::Settlement, &id)?.ok_or_else(|| settlement::astray(id, seq, None))?;
        let (found, encoded) = settlement::decode(id, &stored)?;
        if found != seq {
            return Err(settlement::astray(id, seq, Some(found)));
        }
        visit(seq, encoded)
    }
}
