//! Is `BatchResult`, the message that is written by hand, beside what prost would make of it.

use super::nothing;
use crate::Target;
use prost::Message;
use tallystick_proto::v1::{BatchResult, DebitResult};

pub(super) const TARGET: Target = Target {
    name: "batch_results",
    // Two bytes are an empty result, which takes about a hundred in memory; a list doubles as it grows; it is read four times.
    bytes_most: (4 << 10, 2_048),
    prepare: nothing,
    read,
};

/// Is the same message as prost generates it.
#[derive(Clone, PartialEq, Message)]
struct Generated {
    #[prost(uint64, tag = "1")]
    batch_id: u64,
    #[prost(message, repeated, tag = "2")]
    results: Vec<DebitResult>,
}

fn read(bytes: &[u8]) {
    let (ours, theirs) = match (BatchResult::decode(bytes), Generated::decode(bytes)) {
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        (Err(_), Err(_)) => return,
        (ours, theirs) => panic!("{ours:?} is not {theirs:?}"),
    };
    assert_eq!((ours.batch_id, &ours.results), (theirs.batch_id, &theirs.results));
    let written = ours.encode_to_vec();
    assert_eq!(written.len(), ours.encoded_len());
    assert_eq!(written, theirs.encode_to_vec());
    assert_eq!(BatchResult::decode(&written[..]), Ok(ours));
}
