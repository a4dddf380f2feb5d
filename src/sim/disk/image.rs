//! Owns: the bytes on a disk, and what of them a power cut leaves. Values are shared, so that a copy costs little.
//! Never: decides when the power goes.

use crate::rng::Rng;
use std::{collections::BTreeMap, sync::Arc};
use tallystick_journal::{GroupView, StorageFault};

/// Is a stored value with a check of its own, as the index on a real disk keeps one beside each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    bytes: Arc<[u8]>,
    check: u64,
}

fn check(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

impl Sealed {
    /// Seals a value.
    pub fn new(bytes: &[u8]) -> Self {
        Self { bytes: bytes.into(), check: check(bytes) }
    }

    /// Returns the bytes as they are, tested or not.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the value. *Errors*: `Corrupt`, naming the place.
    pub fn open(&self, place: impl FnOnce() -> String) -> Result<Arc<[u8]>, StorageFault> {
        if check(&self.bytes) == self.check {
            return Ok(Arc::clone(&self.bytes));
        }
        Err(StorageFault::Corrupt { place: place(), finding: "its checksum does not hold".into() })
    }

    /// Flips a bit, as a broken disk does.
    pub fn flip(&mut self, bit: u64) {
        flip(&mut self.bytes, bit);
    }
}

/// Flips a bit of a value; does nothing to an empty one.
pub fn flip(bytes: &mut Arc<[u8]>, bit: u64) {
    let mut changed = bytes.to_vec();
    let bits = (changed.len() as u64) * 8;
    if let Some(at) = bit.checked_rem(bits) {
        let byte = usize::try_from(at / 8).unwrap_or(0);
        if let Some(byte) = changed.get_mut(byte) {
            *byte ^= 1 << (at % 8);
        }
    }
    *bytes = changed.into();
}

/// Is a place in a projection: table and key.
pub(super) type Place = (u8, Vec<u8>);

/// Is what one write changed, as it was before.
type Before = Vec<(Place, Option<Arc<[u8]>>)>;

/// Is what a disk keeps of a projection: writes come in order, and a power cut takes the last of them.
#[derive(Debug, Clone, Default)]
pub struct Projected {
    pub(super) entries: BTreeMap<Place, Arc<[u8]>>,
    /// What each write since the last sync changed, as it was before.
    pub(super) unsynced: Vec<Before>,
}

/// Is all that is on a disk.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "named as in the storage traits")]
pub struct Image {
    pub groups: BTreeMap<u64, Arc<[u8]>>,
    /// A group that is being appended: a power cut may keep it, lose it, or tear it.
    pub appending: Option<(u64, Arc<[u8]>)>,
    pub heads: BTreeMap<u16, Sealed>,
    pub rows: BTreeMap<(u16, u8, u32), Sealed>,
    pub settlements: BTreeMap<[u8; 16], Sealed>,
    pub settled_at: BTreeMap<u64, [u8; 16]>,
    pub command_keys: BTreeMap<(u16, [u8; 16]), Sealed>,
    pub floor: Option<Sealed>,
    pub projected: Projected,
}

/// Says what a power cut left of the group that was being appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// There was none.
    Nothing,
    /// All of it.
    Whole,
    /// Its first records, up to this one, as if the committer had come by a moment earlier: whoever decides under a lock
    /// draws seqs among others who do, so that a group may end between any two records of one command.
    Through(u64),
    /// None of it.
    Lost,
    /// Its beginning; whoever opens the disk cuts that off, since nobody was told of it.
    Torn,
}

impl Image {
    /// Returns what a power cut leaves, and what became of the last group.
    pub fn survivors(&self, rng: &mut Rng) -> (Self, Kept) {
        let mut left = self.clone();
        let kept = match left.appending.take() {
            None => Kept::Nothing,
            Some((first_seq, group)) => match rng.below(4) {
                0 => {
                    left.groups.insert(first_seq, group);
                    Kept::Whole
                }
                1 => Kept::Lost,
                2 => Kept::Torn,
                _ => {
                    let last_seq =
                        GroupView::parse(first_seq, &group).map_or(first_seq, |view| view.last_seq());
                    left.appending = Some((first_seq, group));
                    left.keep_through(rng.between(first_seq, last_seq))
                }
            },
        };
        let unsynced = left.projected.unsynced.len() as u64;
        // All, some or none of what was not synced.
        let lost = if rng.chance(1, 3) { unsynced } else { rng.between(0, unsynced) };
        left.projected.lose(usize::try_from(lost).unwrap_or(usize::MAX));
        (left, kept)
    }

    /// Keeps the group that is being appended up to a seq.
    pub fn keep_through(&mut self, seq: u64) -> Kept {
        let Some((first_seq, group)) = self.appending.take() else { return Kept::Nothing };
        match GroupView::parse(first_seq, &group).and_then(|view| view.cut(seq)) {
            Ok(cut) => {
                self.groups.insert(first_seq, cut.into());
                Kept::Through(seq)
            }
            Err(_) => Kept::Lost,
        }
    }

    /// Forgets the projection.
    pub fn wipe_projection(&mut self) {
        self.projected = Projected::default();
    }

    /// Returns the first seq of the last group; zero of none.
    pub fn last_group(&self) -> u64 {
        self.groups.last_key_value().map_or(0, |(first_seq, _)| *first_seq)
    }
}

impl Projected {
    /// Takes back the last `lost` writes; the rest is as if it had been synced.
    fn lose(&mut self, lost: usize) {
        for _ in 0..lost {
            for (place, was) in self.unsynced.pop().unwrap_or_default().into_iter().rev() {
                match was {
                    Some(value) => self.entries.insert(place, value),
                    None => self.entries.remove(&place),
                };
            }
        }
        self.unsynced.clear();
    }
}
