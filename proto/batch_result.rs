//! Owns: `BatchResult`, the one message that is written by hand: a result is most of what a server ever sends, and prost's
//! generated code writes it byte by byte. The bytes are what prost would write, which the tests below hold it to.
//! Never: a field that `authorizer.proto` does not have.

use crate::v1::DebitResult;
use prost::{
    DecodeError, Message,
    bytes::{Buf, BufMut},
    encoding::{
        DecodeContext, WireType, encode_key, encode_varint, encoded_len_varint, key_len, message, skip_field,
        uint64,
    },
};

const BATCH_ID: u32 = 1;
const RESULTS: u32 = 2;
/// Bounds a small result: a key of one byte a field, varints of at most ten.
const SMALL_BYTES_MAX: usize = 64;

/// One result for each debit of the batch, in its order.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct BatchResult {
    /// As in the request.
    pub batch_id: u64,
    /// One for each debit.
    pub results: Vec<DebitResult>,
}

/// Is a result's bytes, as they are put together.
struct Small {
    bytes: [u8; SMALL_BYTES_MAX],
    len: usize,
}

impl Small {
    /// Writes a field's number and value, or nothing for zero, as proto3 says.
    fn put(&mut self, field: u8, value: u64) {
        if value == 0 {
            return;
        }
        self.push(field << 3);
        let mut rest = value;
        while rest >= 0x80 {
            self.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        self.push(rest as u8);
    }

    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    /// Writes a small result, with its length before it.
    fn of(result: &DebitResult) -> Self {
        // Enumerations travel as numbers of 64 bits, negative ones sign-extended.
        let number = |enumeration: i32| i64::from(enumeration) as u64;
        let mut small = Self { bytes: [0; SMALL_BYTES_MAX], len: 2 };
        small.put(1, number(result.outcome));
        small.put(2, number(result.code));
        small.put(3, result.seq);
        small.put(4, result.remaining_nanos);
        small.put(5, result.replayed.into());
        small.put(7, result.partial_nanos);
        small.put(8, result.final_unit.into());
        small.bytes[0] = (RESULTS as u8) << 3 | WireType::LengthDelimited as u8;
        small.bytes[1] = (small.len - 2) as u8;
        small
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Returns whether a result is what nearly all of them are: decided, and of no hold. Then `Small` has all that it says.
fn is_small(result: &DebitResult) -> bool {
    result.refused.is_none() && result.hold.is_none() && !result.late
}

fn varint_field_len(value: u64) -> usize {
    if value == 0 { 0 } else { 1 + encoded_len_varint(value) }
}

/// Returns how many bytes `Small::of` writes.
fn small_len(result: &DebitResult) -> usize {
    let number = |enumeration: i32| i64::from(enumeration) as u64;
    2 + varint_field_len(number(result.outcome))
        + varint_field_len(number(result.code))
        + varint_field_len(result.seq)
        + varint_field_len(result.remaining_nanos)
        + 2 * usize::from(result.replayed)
        + varint_field_len(result.partial_nanos)
        + 2 * usize::from(result.final_unit)
}

impl Message for BatchResult {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        if self.batch_id != 0 {
            uint64::encode(BATCH_ID, &self.batch_id, buf);
        }
        for result in &self.results {
            if is_small(result) {
                buf.put_slice(Small::of(result).as_bytes());
            } else {
                encode_key(RESULTS, WireType::LengthDelimited, buf);
                encode_varint(result.encoded_len() as u64, buf);
                result.encode_raw(buf);
            }
        }
    }

    fn encoded_len(&self) -> usize {
        let whole = |result: &DebitResult| {
            let len = result.encoded_len();
            key_len(RESULTS) + encoded_len_varint(len as u64) + len
        };
        let one = |result: &DebitResult| {
            if is_small(result) { small_len(result) } else { whole(result) }
        };
        varint_field_len(self.batch_id) + self.results.iter().map(one).sum::<usize>()
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        let named = |field: &'static str| {
            move |mut error: DecodeError| {
                error.push("BatchResult", field);
                error
            }
        };
        match tag {
            BATCH_ID => uint64::merge(wire_type, &mut self.batch_id, buf, ctx).map_err(named("batch_id")),
            RESULTS => {
                message::merge_repeated(wire_type, &mut self.results, buf, ctx).map_err(named("results"))
            }
            _ => skip_field(wire_type, tag, buf, ctx),
        }
    }

    fn clear(&mut self) {
        self.batch_id = 0;
        self.results.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{HoldInfo, RefusedDebit};
    use proptest::prelude::*;

    /// Is the same message as prost would generate it.
    #[derive(Clone, PartialEq, Message)]
    struct Generated {
        #[prost(uint64, tag = "1")]
        batch_id: u64,
        #[prost(message, repeated, tag = "2")]
        results: Vec<DebitResult>,
    }

    fn varint() -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), 0..300u64, any::<u64>(), Just(u64::MAX)]
    }

    fn result() -> impl Strategy<Value = DebitResult> {
        let refused = (any::<i32>(), ".{0,200}", varint()).prop_map(|(refusal, message, expected_number)| {
            RefusedDebit { refusal, message, expected_number }
        });
        let numbers = (any::<i32>(), 0..40i32, varint(), varint(), varint());
        let hold = (".{0,40}", varint(), any::<u32>()).prop_map(|(hold_id, held_nanos, capture_count)| {
            Box::new(HoldInfo { hold_id, held_nanos, capture_count, ..HoldInfo::default() })
        });
        let rare = (prop::option::weighted(0.2, refused), prop::option::weighted(0.2, hold), any::<u8>());
        (numbers, any::<bool>(), any::<bool>(), rare).prop_map(
            |((outcome, code, seq, remaining_nanos, partial_nanos), replayed, final_unit, rare)| {
                let (refused, hold, late) = (rare.0, rare.1, rare.2 < 20);
                DebitResult {
                    outcome,
                    code,
                    seq,
                    remaining_nanos,
                    replayed,
                    refused,
                    partial_nanos,
                    final_unit,
                    hold,
                    late,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn the_bytes_are_those_that_prost_would_write(batch_id in varint(), results in prop::collection::vec(result(), 0..20)) {
            let ours = BatchResult { batch_id, results: results.clone() };
            let theirs = Generated { batch_id, results };
            prop_assert_eq!(ours.encoded_len(), theirs.encoded_len());
            prop_assert_eq!(ours.encode_to_vec(), theirs.encode_to_vec());
            prop_assert_eq!(BatchResult::decode(&theirs.encode_to_vec()[..]).unwrap(), ours);
        }
    }

    #[test]
    fn a_field_that_is_not_known_is_passed_over() {
        let bytes = [0x08, 7, 0x78, 1];
        assert_eq!(
            BatchResult::decode(&bytes[..]).unwrap(),
            BatchResult { batch_id: 7, results: Vec::new() }
        );
        assert!(BatchResult::decode(&[0x12, 9][..]).is_err());
    }
}
