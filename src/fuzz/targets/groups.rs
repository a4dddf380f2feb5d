//! Is the reader of groups and the chain: bytes as they are; and records, forged or not, in a group whose check holds.

use super::nothing;
use crate::{Target, bytes::Choices, forge};
use tallystick_journal::{Chain, GroupView, GroupWriter, read_record};

pub(super) const TARGET: Target = Target {
    name: "groups",
    // A group's records are read one at a time; its bytes are copied into a forged one and a written one.
    bytes_most: (16 << 10, 256),
    prepare: nothing,
    read,
};

fn read(bytes: &[u8]) {
    for key in [1, 7] {
        let _ = GroupView::parse(key, bytes).map(|group| walk(&group));
    }
    let mut choices = Choices::new(bytes);
    let first_seq = choices.number();
    let (count, previous) = (choices.byte(), choices.number());
    let mut body = Vec::new();
    while !choices.is_over() {
        let forged = choices.flag();
        let piece = choices.piece(255);
        if forged { body.extend(forge::record(piece)) } else { body.extend_from_slice(piece) }
    }
    let forged = forge::group(first_seq, count.into(), previous, &body);
    let Ok(group) = GroupView::parse(first_seq, &forged) else { return };
    let mut writer = GroupWriter::default();
    writer.begin(first_seq);
    writer.push(&body, count.into());
    assert_eq!(writer.finish(previous), (&forged[..], group.check), "a group has two forms");
    walk(&group);
}

fn walk(group: &GroupView<'_>) {
    let (mut read, mut skimmed, mut outlined) = (Vec::new(), Vec::new(), Vec::new());
    let whole = group.records(|seq, stamp, _| read.push((seq, stamp.partition)));
    let skim = group.skim(|seq, stamp, _| skimmed.push((seq, stamp.partition)));
    let outline = group.outlines(|seq, outline| outlined.push((seq, outline.partition)));
    if whole.is_ok() {
        assert!(skim.is_ok() && outline.is_ok(), "{skim:?} {outline:?}");
        assert_eq!((&read, &read), (&skimmed, &outlined));
        assert_eq!(read.last().map(|(seq, _)| *seq), Some(group.last_seq()));
        let _ = read_record(group.first_seq, group.body());
    }
    let mut chain = Chain::default();
    if chain.accept(group).is_ok() {
        assert_eq!((chain.last_seq(), chain.check()), (group.last_seq(), group.check));
        assert!(chain.accept(group).is_err(), "a group does not follow itself");
    }
}
