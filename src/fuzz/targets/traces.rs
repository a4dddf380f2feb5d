//! Is the reader of the demo's traces.

use super::nothing;
use crate::{Target, scratch, server::demo};

pub(super) const TARGET: Target = Target {
    name: "traces",
    // The reader has a buffer; a record of three empty fields takes a few hundred bytes, a line of one byte as well.
    bytes_most: (64 << 10, 1_024),
    prepare: nothing,
    read,
};

fn read(bytes: &[u8]) {
    scratch::with_file("trace.csv", bytes, |_, file| match demo::requests(file) {
        Ok(count) => {
            let lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
            assert!((1..=lines).contains(&count), "{count} requests in {lines} lines");
        }
        Err(error) => assert!(error.to_string().contains("line ")),
    });
}
