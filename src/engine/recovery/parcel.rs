//! Owns: a stretch of the journal on its way to those who apply it: some groups' records, and where each partition's lie.
//! Never: reads a record.

use std::mem;
use tallystick_core::PARTITIONS;
use tallystick_journal::{GroupView, StorageFault};

/// Says where a record lies.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// Its seq less the parcel's first.
    nth: u32,
    /// Where its bytes begin.
    at: u32,
}

/// Is records with consecutive seqs, found by partition.
#[derive(Debug)]
pub(super) struct Parcel {
    first_seq: u64,
    bytes: Vec<u8>,
    /// In the order of partitions, and of seqs in each.
    places: Vec<Place>,
    /// Where each partition's places begin, and where the last one's end.
    begins: Vec<u32>,
}

impl Parcel {
    /// Returns the seqs and bytes of a partition's records, in order. What follows a record follows its bytes, too.
    pub(super) fn of(&self, partition: u16) -> impl Iterator<Item = (u64, &[u8])> {
        let begins = |number: usize| self.begins.get(number).map_or(0, |at| *at as usize);
        let range = begins(partition.into())..begins(usize::from(partition) + 1);
        let places = self.places.get(range).unwrap_or_default().iter();
        places.map(|place| {
            let bytes = self.bytes.get(place.at as usize..).unwrap_or_default();
            (self.first_seq + u64::from(place.nth), bytes)
        })
    }
}

/// Packs parcels. *Cost*: a parcel has its bytes and about an eighth more; as much again while it is packed.
#[derive(Debug, Default)]
pub(super) struct Packer {
    first_seq: u64,
    bytes: Vec<u8>,
    /// Partition and place, in the order of seqs.
    places: Vec<(u16, u32)>,
}

impl Packer {
    /// Returns how many bytes were packed.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Puts a group's records in, which follow those before. *Errors*: `Corrupt`; what comes before the damage is in.
    pub(super) fn put(&mut self, group: &GroupView<'_>) -> Result<(), StorageFault> {
        if self.places.is_empty() {
            self.first_seq = group.first_seq;
        }
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(group.body());
        group.outlines(|_, at, outline| {
            // A record of no partition there is goes to the first one's, who reads it and says so.
            let partition = if outline.partition < PARTITIONS { outline.partition } else { 0 };
            self.places.push((partition, narrow(begin + at)));
        })
    }

    /// Packs what was put in, and begins anew.
    pub(super) fn pack(&mut self) -> Parcel {
        let mut begins = vec![0; usize::from(PARTITIONS) + 1];
        for (partition, _) in &self.places {
            begins[usize::from(*partition) + 1] += 1;
        }
        for number in 1..begins.len() {
            begins[number] += begins[number - 1];
        }
        let (mut next, mut places) = (begins.clone(), vec![Place::default(); self.places.len()]);
        for (nth, (partition, at)) in (0..).zip(&self.places) {
            let place = &mut next[usize::from(*partition)];
            places[*place as usize] = Place { nth, at: *at };
            *place += 1;
        }
        self.places.clear();
        // The next one will be about as large.
        let room = Vec::with_capacity(self.bytes.len());
        let bytes = mem::replace(&mut self.bytes, room);
        Parcel { first_seq: self.first_seq, bytes, places, begins }
    }
}

/// A group alone has less than 4 GiB, and more than one have less than a parcel.
fn narrow(at: usize) -> u32 {
    u32::try_from(at).unwrap_or_else(|_| panic!("bug: a parcel of {at} bytes"))
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
