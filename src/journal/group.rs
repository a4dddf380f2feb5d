//! Owns: groups: the records that one sync makes durable, as one value, chained to the group before.
//!
//! ```text
//! magic:4 | version:u16 | zero:u16 | first_seq:u64 | count:u32 | body_len:u32 | previous:u64 | check:u64 | body
//! ```
//!
//! `previous` is the check of the group before, zero for the first; `check` covers all but itself. Records have no seq of
//! their own: the first has `first_seq`, and the next ones count up.
//! Never: decides what is missing; `Chain` says what does not follow, recovery says what that means.

use crate::{
    Damage, StorageFault,
    codec::{self, Outline},
    wire::Take,
};
use tallystick_core::{Record, Stamp};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

const MAGIC: [u8; 4] = *b"TSgr";
const VERSION: u16 = 1;
const CHECKED_BYTES: usize = 32;
const HEADER_BYTES: usize = 40;

fn check(header: &[u8], body: &[u8]) -> u64 {
    xxh3_64_with_seed(body, xxh3_64(header))
}

/// Gathers the records of one group into one value.
#[derive(Debug, Default)]
pub struct GroupWriter {
    bytes: Vec<u8>,
    first_seq: u64,
    count: u32,
}

impl GroupWriter {
    /// Begins a group; what was gathered before is gone, its memory is used again.
    pub fn begin(&mut self, first_seq: u64) {
        self.bytes.clear();
        self.bytes.resize(HEADER_BYTES, 0);
        (self.first_seq, self.count) = (first_seq, 0);
    }

    /// Adds encoded records whose seqs follow those before.
    pub fn push(&mut self, records: &[u8], count: u32) {
        self.bytes.extend_from_slice(records);
        self.count += count;
    }

    /// Returns how many bytes were gathered.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Returns how many records were gathered.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Ends the group: returns its bytes and its check, which the next group needs. *Panics*: past 4 GiB.
    pub fn finish(&mut self, previous: u64) -> (&[u8], u64) {
        assert!(self.count > 0, "bug: an empty group at seq {}", self.first_seq);
        let body_len = u32::try_from(self.bytes.len() - HEADER_BYTES);
        let Ok(body_len) = body_len else { panic!("bug: a group of {} bytes", self.bytes.len()) };
        let mut header = [0; HEADER_BYTES];
        header[..4].copy_from_slice(&MAGIC);
        header[4..6].copy_from_slice(&VERSION.to_le_bytes());
        header[8..16].copy_from_slice(&self.first_seq.to_le_bytes());
        header[16..20].copy_from_slice(&self.count.to_le_bytes());
        header[20..24].copy_from_slice(&body_len.to_le_bytes());
        header[24..32].copy_from_slice(&previous.to_le_bytes());
        let (_, body) = self.bytes.split_at(HEADER_BYTES);
        let check = check(&header[..CHECKED_BYTES], body);
        header[32..].copy_from_slice(&check.to_le_bytes());
        self.bytes[..HEADER_BYTES].copy_from_slice(&header);
        (&self.bytes, check)
    }
}

/// Is a group that was read and whose check holds.
#[derive(Debug, Clone, Copy)]
pub struct GroupView<'a> {
    /// The seq of its first record.
    pub first_seq: u64,
    /// How many records it has; at least one.
    pub count: u32,
    /// The check of the group before.
    pub previous: u64,
    /// Its own.
    pub check: u64,
    body: &'a [u8],
}

impl<'a> GroupView<'a> {
    /// Reads a group. *Errors*: `Corrupt`, naming the key it was found under, if anything is not as it was written.
    pub fn parse(key: u64, bytes: &'a [u8]) -> Result<Self, StorageFault> {
        let corrupt =
            |finding: String| StorageFault::Corrupt { place: format!("journal group at seq {key}"), finding };
        let read = || {
            let mut take = Take::new(bytes);
            let magic: [u8; 4] = take.array("a group's magic")?;
            let version = take.array("a group's version").map(u16::from_le_bytes)?;
            let zero = take.array("a group's flags").map(u16::from_le_bytes)?;
            let first_seq = take.u64("a group's first seq")?;
            let count = take.array("a group's count").map(u32::from_le_bytes)?;
            let len = take.array("a group's length").map(u32::from_le_bytes)?;
            let (previous, stored) = (take.u64("a group's previous check")?, take.u64("a group's check")?);
            let body = take.take(len as usize, "a group's body")?;
            take.end("a group's end")?;
            Ok::<_, Damage>((magic, version, zero, Self { first_seq, count, previous, check: stored, body }))
        };
        let (magic, version, zero, group) = read().map_err(|damage| corrupt(damage.to_string()))?;
        if magic != MAGIC {
            return Err(corrupt("these bytes are no group".into()));
        }
        let computed = check(bytes.get(..CHECKED_BYTES).unwrap_or_default(), group.body);
        if computed != group.check {
            return Err(corrupt(format!(
                "its checksum is {computed:016x} and should be {:016x}",
                group.check
            )));
        }
        // After the checksum, so that a flipped bit is not taken for a newer build: every version begins with these fields.
        if version > VERSION {
            let place = format!("journal group at seq {key}");
            return Err(StorageFault::Newer { place, found: version.into(), known: VERSION.into() });
        }
        if version != VERSION || zero != 0 {
            return Err(corrupt(format!("there is no format version {version} with flags {zero}")));
        }
        if group.first_seq != key || group.count == 0 {
            return Err(corrupt(format!(
                "it says that it begins at seq {} with {} records",
                group.first_seq, group.count
            )));
        }
        // The seq after its last record is what the next group begins with.
        if group.first_seq.checked_add(group.count.into()).is_none() {
            return Err(corrupt(format!("{} records from there on have no seqs", group.count)));
        }
        Ok(group)
    }

    /// Returns the seq of its last record.
    pub fn last_seq(&self) -> u64 {
        self.first_seq + u64::from(self.count) - 1
    }

    /// Returns its records' bytes.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Makes a group of its records up to `seq`, which is one of them, after the same group before.
    /// *Errors*: `Corrupt`, naming the record without an end.
    pub fn cut(&self, seq: u64) -> Result<Vec<u8>, StorageFault> {
        let (mut writer, mut len) = (GroupWriter::default(), 0);
        self.outlines(|at, outline| {
            if at <= seq {
                len += usize::from(outline.len);
            }
        })?;
        let count = u32::try_from(seq - self.first_seq + 1).unwrap_or(self.count).min(self.count);
        writer.begin(self.first_seq);
        writer.push(self.body.get(..len).unwrap_or_default(), count);
        Ok(writer.finish(self.previous).0.to_vec())
    }

    /// Visits the records in order. *Errors*: `Corrupt`, naming the seq.
    pub fn records(&self, mut visit: impl FnMut(u64, &Stamp, &Record<'a>)) -> Result<(), StorageFault> {
        self.walk(|seq, rest| {
            let read = codec::verify(rest)
                .and_then(|()| codec::visit(rest, |stamp, record| visit(seq, stamp, &record)));
            read.map_err(|damage| damaged(seq, rest, damage))
        })
    }

    /// Visits the records as `records` does, but leaves their own checks alone: the group's, which holds, covers them. What
    /// they would still find is harm done between a decision and its group; whoever recovers money looks for that, whoever
    /// derives what can be derived again need not.
    pub fn skim(&self, mut visit: impl FnMut(u64, &Stamp, &Record<'a>)) -> Result<(), StorageFault> {
        self.walk(|seq, rest| {
            let read = codec::visit(rest, |stamp, record| visit(seq, stamp, &record));
            read.map_err(|damage| damaged(seq, rest, damage))
        })
    }

    /// Visits the records in order, without reading them. *Errors*: `Corrupt`, naming the seq.
    pub fn outlines(&self, mut visit: impl FnMut(u64, Outline)) -> Result<(), StorageFault> {
        self.walk(|seq, rest| {
            let outline = codec::outline(rest).map_err(|damage| damaged(seq, rest, damage))?;
            visit(seq, outline);
            Ok(outline.len.into())
        })
    }

    /// Walks from record to record: `step` is told the seq and the bytes from there on, and returns how many of them the
    /// record takes.
    fn walk(
        &self,
        mut step: impl FnMut(u64, &'a [u8]) -> Result<usize, StorageFault>,
    ) -> Result<(), StorageFault> {
        let mut at = 0;
        for seq in self.first_seq..=self.last_seq() {
            at += step(seq, self.body.get(at..).unwrap_or_default())?;
        }
        if at == self.body.len() {
            return Ok(());
        }
        let (place, more) = (format!("journal group at seq {}", self.first_seq), self.body.len() - at);
        Err(StorageFault::Corrupt { place, finding: format!("{more} bytes follow its last record") })
    }
}

fn damaged(seq: u64, bytes: &[u8], damage: Damage) -> StorageFault {
    match codec::newer(bytes) {
        Some((kind, found, known)) => StorageFault::Newer {
            place: format!("journal record {seq}, of kind {kind},"),
            found: found.into(),
            known: known.into(),
        },
        None => StorageFault::Corrupt { place: format!("journal record {seq}"), finding: damage.to_string() },
    }
}

/// Reads the record with this seq, which `GroupView::outlines` found. *Errors*: `Corrupt`, naming the seq.
pub fn read_record(seq: u64, bytes: &[u8]) -> Result<(Stamp, Record<'_>), StorageFault> {
    let (stamp, record, _) = codec::decode(bytes).map_err(|damage| damaged(seq, bytes, damage))?;
    Ok((stamp, record))
}

/// Follows groups and refuses what does not follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Chain {
    last: Option<(u64, u64)>,
}

impl Chain {
    /// Returns the last seq accepted; zero before the first.
    pub fn last_seq(&self) -> u64 {
        self.last.map_or(0, |(seq, _)| seq)
    }

    /// Returns the check of the last group accepted; zero before the first.
    pub fn check(&self) -> u64 {
        self.last.map_or(0, |(_, check)| check)
    }

    /// Accepts the next group. The first one that is seen begins the chain; only seq 1 has nothing before it.
    /// *Errors*: `Corrupt`, naming the gap or the break.
    pub fn accept(&mut self, group: &GroupView<'_>) -> Result<(), StorageFault> {
        let corrupt = |finding: String| {
            Err(StorageFault::Corrupt { place: format!("journal group at seq {}", group.first_seq), finding })
        };
        match self.last {
            Some((seq, _)) if group.first_seq != seq + 1 => {
                return corrupt(format!(
                    "records {} to {} are missing",
                    seq + 1,
                    group.first_seq.saturating_sub(1)
                ));
            }
            Some((_, check)) if group.previous != check => {
                return corrupt(format!(
                    "it follows {:016x}, but the group before is {check:016x}",
                    group.previous
                ));
            }
            None if group.first_seq == 1 && group.previous != 0 => {
                return corrupt("the first group follows another".into());
            }
            _ => {}
        }
        self.last = Some((group.last_seq(), group.check));
        Ok(())
    }

    /// Takes a group that we have just written ourselves.
    pub fn extend(&mut self, last_seq: u64, check: u64) {
        assert!(last_seq > self.last_seq(), "bug: the journal went back to {last_seq}");
        self.last = Some((last_seq, check));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallystick_core::{Time, record::OutboxDelivered};

    fn group(first_seq: u64, count: u32, previous: u64) -> (Vec<u8>, u64) {
        let mut writer = GroupWriter::default();
        writer.begin(first_seq);
        for through in 0..count {
            let stamp = Stamp { partition: 0, at: Time::from_ns(1), actor: 0 };
            let record = Record::OutboxDelivered(OutboxDelivered { through: through.into() });
            let mut bytes = Vec::new();
            codec::encode(&stamp, &record, &mut bytes);
            writer.push(&bytes, 1);
        }
        let (bytes, check) = writer.finish(previous);
        (bytes.to_vec(), check)
    }

    #[test]
    fn a_group_comes_back_with_its_seqs() {
        let (bytes, _) = group(7, 3, 5);
        let view = GroupView::parse(7, &bytes).unwrap();
        let mut seqs = Vec::new();
        view.records(|seq, _, _| seqs.push(seq)).unwrap();
        assert_eq!((seqs, view.last_seq(), view.previous), (vec![7, 8, 9], 9, 5));
    }

    #[test]
    fn a_record_harmed_before_its_group_is_found_by_its_own_check() {
        let stamp = Stamp { partition: 0, at: Time::from_ns(1), actor: 0 };
        let mut bytes = Vec::new();
        codec::encode(&stamp, &Record::OutboxDelivered(OutboxDelivered { through: 5 }), &mut bytes);
        *bytes.last_mut().unwrap() ^= 1;
        let mut writer = GroupWriter::default();
        writer.begin(7);
        writer.push(&bytes, 1);
        let (bytes, _) = writer.finish(0);
        let view = GroupView::parse(7, bytes).unwrap();
        let fault = view.records(|_, _, _| panic!("shown")).unwrap_err().to_string();
        assert!(fault.contains("journal record 7: a record's checksum"), "{fault}");
        let mut seqs = Vec::new();
        view.skim(|seq, _, _| seqs.push(seq)).unwrap();
        assert_eq!(seqs, [7]);
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let (mut bytes, _) = group(7, 2, 5);
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(GroupView::parse(7, &bytes).is_err(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(GroupView::parse(8, &bytes).is_err(), "another key");
    }

    /// A check that holds is no promise: the numbers in the header may be anything.
    #[test]
    fn a_group_that_would_count_past_the_last_seq_is_refused() {
        for (first_seq, count, is_read) in
            [(u64::MAX - 2, 2, true), (u64::MAX - 2, 3, false), (u64::MAX, 1, false)]
        {
            let (bytes, _) = group(first_seq, count, 0);
            let read = GroupView::parse(first_seq, &bytes).map(|view| view.last_seq());
            assert_eq!(read.is_ok(), is_read, "{count} records from {first_seq} on: {read:?}");
        }
    }

    #[test]
    fn a_gap_and_a_break_are_told_apart() {
        let (first, check) = group(1, 2, 0);
        let mut chain = Chain::default();
        chain.accept(&GroupView::parse(1, &first).unwrap()).unwrap();
        let (gap, _) = group(4, 1, check);
        let text = chain.accept(&GroupView::parse(4, &gap).unwrap()).unwrap_err().to_string();
        assert!(text.contains("records 3 to 3 are missing"), "{text}");
        let (fork, _) = group(3, 1, check ^ 1);
        let text = chain.accept(&GroupView::parse(3, &fork).unwrap()).unwrap_err().to_string();
        assert!(text.contains("the group before"), "{text}");
    }

    /// Changes a group's header, and makes its checksum hold again.
    fn changed(change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
        let (mut bytes, _) = group(3, 1, 7);
        change(&mut bytes);
        let sum = check(&bytes[..CHECKED_BYTES], &bytes[HEADER_BYTES..]);
        bytes[32..40].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let newer = changed(|bytes| bytes[4] = 2);
        let fault = GroupView::parse(3, &newer).unwrap_err();
        let place = "journal group at seq 3".to_owned();
        assert_eq!(fault, StorageFault::Newer { place, found: 2, known: 1 });
        let text = fault.to_string();
        assert!(text.contains("format version 2, newer than 1"), "{text}");
        for odd in [changed(|bytes| bytes[4] = 0), changed(|bytes| bytes[6] = 1)] {
            assert!(matches!(GroupView::parse(3, &odd), Err(StorageFault::Corrupt { .. })));
        }
        let (mut flipped, _) = group(3, 1, 7);
        flipped[4] = 3;
        assert!(matches!(GroupView::parse(3, &flipped), Err(StorageFault::Corrupt { .. })));
    }

    #[test]
    fn a_record_of_a_newer_version_or_an_unknown_kind_is_told_from_damage() {
        for (at, value, found, known) in [(3, 9, 9, 1), (2, 250, 1, 0)] {
            let stamp = Stamp { partition: 0, at: Time::from_ns(1), actor: 0 };
            let mut bytes = Vec::new();
            codec::encode(&stamp, &Record::OutboxDelivered(OutboxDelivered { through: 5 }), &mut bytes);
            bytes[at] = value;
            let end = bytes.len() - 4;
            let sum = xxh3_64(&bytes[..end]).to_le_bytes();
            bytes[end..].copy_from_slice(&sum[..4]);
            let mut writer = GroupWriter::default();
            writer.begin(7);
            writer.push(&bytes, 1);
            let (bytes, _) = writer.finish(0);
            let fault = GroupView::parse(7, bytes).unwrap().records(|_, _, _| panic!("shown")).unwrap_err();
            assert!(
                matches!(&fault, StorageFault::Newer { place, found: f, known: k }
                    if place.starts_with("journal record 7") && (*f, *k) == (found, known)),
                "{fault:?}"
            );
        }
    }

    #[test]
    fn a_group_is_cut_to_a_group() {
        let (bytes, whole) = group(7, 3, 5);
        let view = GroupView::parse(7, &bytes).unwrap();
        for last in 7..=9 {
            let cut = view.cut(last).unwrap();
            let cut = GroupView::parse(7, &cut).unwrap();
            assert_eq!((cut.last_seq(), cut.previous, cut.check == whole), (last, 5, last == 9));
            let mut seqs = Vec::new();
            cut.records(|seq, _, _| seqs.push(seq)).unwrap();
            assert!(seqs.into_iter().eq(7..=last));
        }
    }
}
