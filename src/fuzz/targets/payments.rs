//! Is the reader of the command line's file of payments.

use super::nothing;
use crate::{Target, bytes::Choices, money::Money, stream};

pub(super) const TARGET: Target = Target {
    name: "payments",
    // As for traces; a row keeps its texts, and its key twice more.
    bytes_most: (64 << 10, 2_048),
    prepare: nothing,
    read,
};

fn read(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let (has_session, nanos) = (choices.flag(), choices.flag());
    let file = choices.rest();
    let session = format!("ses_{}", "0".repeat(26));
    let money = if nanos { Money::Nanos } else { Money::Decimal };
    let Ok((good, bad)) = stream::payments(file, has_session.then_some(&session), money) else { return };
    let lines = file.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
    assert!(good + bad.len() <= lines, "{lines} lines");
    assert!(bad.iter().all(|bad| bad.starts_with("line ")));
}
