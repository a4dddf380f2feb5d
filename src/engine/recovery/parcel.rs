//! Owns: a stretch of the journal on its way to those who apply it: some groups' records, and where each partition's lie.
//! Never: reads a record.

use tallystick_core::PARTITIONS;
use tallystick_journal::{GroupView, StorageFault};

/// Is a record among its partition's.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// Its seq less the parcel's first.
    nth: u32,
    /// How many bytes it takes.
    len: u16,
}

/// Says where a partition's records begin.
#[derive(Debug, Clone, Copy, Default)]
struct Begin {
    place: usize,
    byte: usize,
}

/// Is records with consecutive seqs, in the order of their partitions, and of their seqs in each: who reads one after another
/// of a partition reads one byte after another, and finds that partition's rows in the processor's cache.
#[derive(Debug)]
pub(super) struct Parcel {
    first_seq: u64,
    bytes: Vec<u8>,
    places: Vec<Place>,
    /// One a partition, and one for the end.
    begins: Vec<Begin>,
}

impl Parcel {
    /// Returns the seqs and bytes of a partition's records, in order.
    pub(super) fn of(&self, partition: u16) -> impl Iterator<Item = (u64, &[u8])> {
        let begin = |number: usize| self.begins.get(number).copied().unwrap_or_default();
        let (from, to) = (begin(partition.into()), begin(usize::from(partition) + 1));
        let mut rest = self.bytes.get(from.byte..to.byte).unwrap_or_default();
        self.places.get(from.place..to.place).unwrap_or_default().iter().map_while(move |place| {
            let (record, after) = rest.split_at_checked(place.len.into())?;
            rest = after;
            Some((self.first_seq + u64::from(place.nth), record))
        })
    }
}

/// Packs parcels. *Cost*: a parcel has its bytes and about an eighth more; as much again while it is packed.
#[derive(Debug, Default)]
pub(super) struct Packer {
    first_seq: u64,
    bytes: Vec<u8>,
    /// Partition and length of each record, in the order of seqs.
    records: Vec<(u16, u16)>,
}

impl Packer {
    /// Returns how many bytes were put in.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Puts a group's records in, which follow those before. *Errors*: `Corrupt`; what comes before the damage is in, and
    /// nothing may follow.
    pub(super) fn put(&mut self, group: &GroupView<'_>) -> Result<(), StorageFault> {
        if self.records.is_empty() {
            self.first_seq = group.first_seq;
        }
        self.bytes.extend_from_slice(group.body());
        group.outlines(|_, outline| {
            // A record of no partition there is goes to the first one's, who reads it and says so.
            let partition = if outline.partition < PARTITIONS { outline.partition } else { 0 };
            self.records.push((partition, outline.len));
        })
    }

    /// Packs what was put in, and begins anew with the same memory.
    pub(super) fn pack(&mut self) -> Parcel {
        let begins = self.begins();
        let mut next = begins.clone();
        let mut bytes = vec![0; self.bytes.len()];
        let mut places = vec![Place::default(); self.records.len()];
        let mut rest = self.bytes.as_slice();
        for (nth, (partition, len)) in (0..).zip(&self.records) {
            let (record, after) = rest.split_at(usize::from(*len));
            rest = after;
            let at = &mut next[usize::from(*partition)];
            bytes[at.byte..at.byte + record.len()].copy_from_slice(record);
            places[at.place] = Place { nth, len: *len };
            *at = Begin { place: at.place + 1, byte: at.byte + record.len() };
        }
        self.bytes.clear();
        self.records.clear();
        Parcel { first_seq: self.first_seq, bytes, places, begins }
    }

    fn begins(&self) -> Vec<Begin> {
        let mut begins = vec![Begin::default(); usize::from(PARTITIONS) + 1];
        for (partition, len) in &self.records {
            let after = &mut begins[usize::from(*partition) + 1];
            *after = Begin { place: after.place + 1, byte: after.byte + usize::from(*len) };
        }
        for number in 1..begins.len() {
            let before = begins[number - 1];
            let begin = &mut begins[number];
            *begin = Begin { place: begin.place + before.place, byte: begin.byte + before.byte };
        }
        begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallystick_core::{Record, Stamp, Time, record::OutboxDelivered};
    use tallystick_journal::{GroupWriter, codec, read_record};

    fn group(first_seq: u64, partitions: &[u16]) -> Vec<u8> {
        let mut writer = GroupWriter::default();
        writer.begin(first_seq);
        for (through, partition) in (first_seq..).zip(partitions) {
            let stamp = Stamp { partition: *partition, at: Time::from_ns(1), actor: 0 };
            let mut bytes = Vec::new();
            codec::encode(&stamp, &Record::OutboxDelivered(OutboxDelivered { through }), &mut bytes);
            writer.push(&bytes, 1);
        }
        writer.finish(0).0.to_vec()
    }

    fn of(parcel: &Parcel, partition: u16) -> Vec<u64> {
        let read = |(seq, bytes)| {
            let (stamp, record) = read_record(seq, bytes).unwrap();
            assert_eq!(record, Record::OutboxDelivered(OutboxDelivered { through: seq }), "another record");
            assert!(stamp.partition == partition || partition == 0, "seq {seq} is another partition's");
            seq
        };
        parcel.of(partition).map(read).collect()
    }

    #[test]
    fn each_partition_finds_its_records_in_order() {
        let mut packer = Packer::default();
        for (seq, partitions) in [(7, &[3, 255, 3][..]), (10, &[0, 300, 3])] {
            packer.put(&GroupView::parse(seq, &group(seq, partitions)).unwrap()).unwrap();
        }
        let parcel = packer.pack();
        assert_eq!([0, 3, 4, 255].map(|p| of(&parcel, p)), [vec![10, 11], vec![7, 9, 12], vec![], vec![8]]);
        packer.put(&GroupView::parse(20, &group(20, &[9])).unwrap()).unwrap();
        let parcel = packer.pack();
        assert_eq!([3, 9].map(|p| of(&parcel, p)), [vec![], vec![20]]);
    }
}
