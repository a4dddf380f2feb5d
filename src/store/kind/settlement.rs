//! Owns: a settlement by id. Family `settlement`; key `id 16`; payload `seq 8 | encoded settlement`.
//! Never: what a settlement says.

use tallystick_journal::StorageFault;

use super::SETTLEMENT;
use crate::sealed::{Seal, hex};

const SEAL: Seal = Seal { name: "settlement", kind: SETTLEMENT, version: 1 };
/// Is the length of a key.
pub(crate) const KEY_BYTES: usize = 16;
const SEQ_BYTES: usize = 8;

/// Encodes a settlement as it is stored under its id.
pub(crate) fn encode_value(id: [u8; KEY_BYTES], seq: u64, settlement: &[u8]) -> Vec<u8> {
    SEAL.seal(&id, &[&seq.to_le_bytes(), settlement])
}

/// Decodes what is stored under `id` to the settlement's seq and the settlement.
pub(crate) fn decode(id: [u8; KEY_BYTES], stored: &[u8]) -> Result<(u64, &[u8]), StorageFault> {
    let place = || hex(&id);
    let payload = SEAL.open(&id, stored, place)?;
    let (seq, settlement) = SEAL.split::<SEQ_BYTES>(payload, place)?;
    Ok((u64::from_le_bytes(*seq), settlement))
}

/// Is the fault of a settlement that its place by seq names and that is not there, or is of another seq.
pub(crate) fn astray(id: [u8; KEY_BYTES], seq: u64, found: Option<u64>) -> StorageFault {
    let found = found.map_or_else(|| "none".to_owned(), |other| format!("one of seq {other}"));
    SEAL.corrupt(&hex(&id), format!("expected a settlement of seq {seq}, found {found}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trips(id: [u8; 16], seq: u64, settlement: Vec<u8>) {
            let stored = encode_value(id, seq, &settlement);
            prop_assert_eq!(decode(id, &stored).unwrap(), (seq, &settlement[..]));
        }
    }

    #[test]
    fn refuses_a_wrong_size() {
        let id = [0xab; 16];
        let short = SEAL.seal(&id, &[b"1234567"]);
        let fault = decode(id, &short).unwrap_err().to_string();
        assert!(fault.contains("settlement abababab") && fault.contains("found 7"), "{fault}");
        assert!(decode(id, &encode_value(id, 1, b"")[..16]).is_err());
    }
}
