//! Is the decoder of records: bytes as they are, and as what a record's length and check stand around.

use super::nothing;
use crate::{Target, forge};
use tallystick_journal::codec;

pub(super) const TARGET: Target = Target {
    name: "records",
    // A record borrows its texts; its lists take at most 32 bytes in memory for one on the wire, and it is read twice, and
    // written twice.
    bytes_most: (4 << 10, 256),
    prepare: nothing,
    read,
};

fn read(bytes: &[u8]) {
    let _ = (codec::decode(bytes), codec::outline(bytes));
    if bytes.len() > codec::RECORD_BYTES_MAX - 6 {
        return;
    }
    let forged = forge::record(bytes);
    let Ok((stamp, record, len)) = codec::decode(&forged) else { return };
    assert_eq!(len, forged.len());
    let outline = codec::outline(&forged).unwrap_or_else(|damage| panic!("{damage}: {record:?}"));
    assert_eq!((usize::from(outline.len), outline.partition), (len, stamp.partition));
    let mut again = Vec::with_capacity(len);
    codec::encode(&stamp, &record, &mut again);
    // Byte 3 is the version: an older one is written as the newest.
    if again.get(3) == forged.get(3) {
        assert_eq!(again, forged, "{record:?} has two forms");
    }
    let (stamp_again, record_again, _) =
        codec::decode(&again).unwrap_or_else(|damage| panic!("{damage}: {record:?}"));
    assert_eq!((stamp_again, record_again), (stamp, record));
}
