//! Owns: harm done to a copy of a disk, and what must come of it: it is refused and located, or it lies where nothing is
//! read, and the world that comes back is the same.
//! Never: the world's own disk.

use crate::{
    disk::{Deed, Image, Ordered, Sealed},
    rng::Rng,
    time::SimClock,
    world::start_apart,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tallystick_core::{Record, Stamp};
use tallystick_engine::{Aside, StartFault};
use tallystick_journal::{GroupView, GroupWriter, StorageFault, codec};

/// Is some harm.
#[derive(Debug, Clone)]
enum Harm {
    /// A bit of a group is another one.
    GroupBit(u64),
    /// A group is cut short.
    GroupShort(u64),
    /// The group to which the floor reaches is another one, and whole; what came after it is gone.
    Forged(u64),
    /// A group between the floor and the last one is another one, and whole.
    Replaced(u64),
    /// A group in the middle is gone.
    GroupGone(u64),
    /// The journal ends earlier.
    TailGone(u64),
    /// A bit of a checkpoint's row is another one.
    Row(u16, u8, u32),
    /// A bit of a checkpoint's head is another one.
    Head(u16),
    /// A bit of the durable floor is another one.
    Floor,
    /// The disk does not read.
    Unread(Deed, u64),
}

/// Is nobody to give way to.
struct Alone;

impl Aside for Alone {
    fn pause(&self, _: Duration) {}
}

/// Harms a copy of `image` and starts it. *Errors*: says what it came to that it must not.
pub fn try_one(
    image: &Image,
    rng: &mut Rng,
    clock: &Arc<SimClock>,
    threads: usize,
) -> Result<String, String> {
    let Some(harm) = draw(image, rng) else { return Ok("nothing to harm".into()) };
    let (mut harmed, mut order) = (image.clone(), Vec::new());
    let bit = rng.draw();
    let flip = |sealed: Option<&mut Sealed>| sealed.into_iter().for_each(|sealed| sealed.flip(bit));
    match &harm {
        Harm::GroupBit(at) => {
            harmed.groups.get_mut(at).into_iter().for_each(|group| crate::disk::flip(group, bit));
        }
        Harm::GroupShort(at) => {
            if let Some(group) = harmed.groups.get_mut(at) {
                let left = rng.index(group.len());
                *group = group.get(..left).unwrap_or_default().into();
            }
        }
        Harm::Forged(at) => {
            let forged = harmed.groups.get(at).and_then(|group| forged(*at, group));
            match forged {
                Some(forged) => {
                    harmed.groups.split_off(at);
                    harmed.groups.insert(*at, forged);
                }
                None => return Ok("nothing to forge".into()),
            }
        }
        Harm::Replaced(at) => {
            let other = harmed.groups.get(at).and_then(|group| forged(*at, group));
            other.into_iter().for_each(|other| drop(harmed.groups.insert(*at, other)));
        }
        Harm::GroupGone(at) => drop(harmed.groups.remove(at)),
        Harm::TailGone(from) => drop(harmed.groups.split_off(from)),
        Harm::Row(partition, table, slot) => flip(harmed.rows.get_mut(&(*partition, *table, *slot))),
        Harm::Head(partition) => flip(harmed.heads.get_mut(partition)),
        Harm::Floor => flip(harmed.floor.as_mut()),
        Harm::Unread(deed, after) => {
            order.push(Ordered { deed: *deed, after: *after, text: "Input/output error (simulated)" });
        }
    }
    let shards = rng.index(8) + 1;
    match start_apart(harmed, clock, (shards, threads), &order) {
        Err(StartFault::Storage(fault)) => refused(&harm, &fault),
        Err(other) => Err(format!("{harm:?} came to {other}")),
        Ok((disk, stepped)) => {
            let same = || -> Result<BTreeMap<_, _>, String> {
                let apart = start_apart(image.clone(), clock, (shards, threads), &[]);
                let (disk, stepped) = apart.map_err(|fault| fault.to_string())?;
                everything(&disk, &stepped)
            };
            came_back(image, &harm, &disk, &stepped, same)
        }
    }
}

/// Writes a group again whose records were asked for by somebody else.
fn forged(at: u64, group: &[u8]) -> Option<Arc<[u8]>> {
    let view = GroupView::parse(at, group).ok()?;
    let mut bytes = Vec::new();
    let encode = |_: u64, stamp: &Stamp, record: &Record<'_>| {
        codec::encode(&Stamp { actor: stamp.actor + 1, ..*stamp }, record, &mut bytes);
    };
    view.records(encode).ok()?;
    let mut writer = GroupWriter::default();
    writer.begin(at);
    writer.push(&bytes, view.count);
    Some(writer.finish(view.previous).0.into())
}

fn draw(image: &Image, rng: &mut Rng) -> Option<Harm> {
    let groups: Vec<u64> = image.groups.keys().copied().collect();
    let group = *rng.pick(&groups)?;
    if rng.chance(1, 8) {
        let floor = image.read_floor().ok()?.seq;
        let (at, _) = image.groups.range(..=floor).next_back()?;
        return Some(Harm::Forged(*at));
    }
    // What lies beyond the floor is always read; of the last group there, nothing tells another from what a crash may leave.
    let floor = image.read_floor().map_or(u64::MAX, |floor| floor.seq);
    let is_between = group > floor && groups.last() != Some(&group);
    Some(match rng.below(if is_between { 14 } else { 9 }) {
        0 | 1 => Harm::GroupBit(group),
        2 => Harm::GroupShort(group),
        3 => Harm::GroupGone(group),
        4 => Harm::TailGone(group),
        5 => {
            let keys: Vec<_> = image.rows.keys().copied().collect();
            let (partition, table, slot) = *rng.pick(&keys)?;
            Harm::Row(partition, table, slot)
        }
        6 => Harm::Head(*rng.pick(&image.heads.keys().copied().collect::<Vec<_>>())?),
        7 => Harm::Floor,
        9.. => Harm::Replaced(group),
        _ => Harm::Unread(if rng.chance(1, 2) { Deed::Read } else { Deed::Load }, rng.below(30)),
    })
}

/// Tests that a refusal says where.
fn refused(harm: &Harm, fault: &StorageFault) -> Result<String, String> {
    let text = fault.to_string();
    let says = |what: &str| text.contains(what);
    let is_located = match (harm, fault) {
        (Harm::GroupBit(at) | Harm::GroupShort(at), StorageFault::Corrupt { place, .. }) => {
            *place == format!("journal group at seq {at}")
        }
        (Harm::Forged(at), StorageFault::Corrupt { place, .. }) => {
            *place == format!("journal group at seq {at}") && says("the durable floor's")
        }
        (Harm::Replaced(_), StorageFault::Corrupt { place, .. }) => {
            place.starts_with("journal group at seq ")
                && (says("but the group before is") || says("the durable floor's"))
        }
        (Harm::GroupGone(at), StorageFault::Corrupt { .. }) => {
            // Where the first group to be read is the one that is gone, it is the floor that is not found.
            says("no group ends at")
                || says("missing")
                    && (says(&format!("records {at} ")) || says("ends at") || says("at its beginning"))
        }
        (Harm::TailGone(_), StorageFault::Corrupt { .. }) => says("missing") || says("durable"),
        (Harm::Row(partition, table, slot), StorageFault::Corrupt { place, .. }) => {
            *place == format!("index row of partition {partition}, table {table}, slot {slot}")
        }
        (Harm::Head(partition), StorageFault::Corrupt { place, .. }) => {
            *place == format!("index head of partition {partition}")
        }
        (Harm::Floor, StorageFault::Corrupt { place, .. }) => place == "index durable floor",
        (Harm::Unread(_, _), StorageFault::Io(text)) => text.contains("simulated"),
        _ => false,
    };
    if is_located { Ok(format!("{harm:?}: {text}")) } else { Err(format!("{harm:?} was refused as: {text}")) }
}

/// Returns all that a started engine has, once what it had to finish is durable.
fn everything(
    disk: &crate::disk::Disk,
    stepped: &tallystick_engine::Stepped,
) -> Result<BTreeMap<(u16, u8, u32), Sealed>, String> {
    while stepped.commit().map_err(|fault| fault.to_string())? {}
    stepped.checkpoint(&Alone).map_err(|fault| fault.to_string())?;
    let image = disk.image();
    let mut all = image.rows.clone();
    all.extend(image.heads.iter().map(|(partition, head)| ((*partition, 0, 0), head.clone())));
    Ok(all)
}

/// Tests that harm which was not refused has changed nothing, or took only what nobody can have been sure of.
fn came_back(
    image: &Image,
    harm: &Harm,
    disk: &crate::disk::Disk,
    stepped: &tallystick_engine::Stepped,
    same: impl FnOnce() -> Result<BTreeMap<(u16, u8, u32), Sealed>, String>,
) -> Result<String, String> {
    let floor = image.read_floor().map_err(|fault| fault.to_string())?;
    let durable = stepped.engine().durable_seq();
    let last = image.groups.last_key_value();
    let gone = match harm {
        Harm::TailGone(from) | Harm::GroupGone(from) => Some(*from),
        _ => None,
    };
    if matches!(harm, Harm::Replaced(_)) {
        return Err(format!("{harm:?}: it was read, in silence"));
    }
    let is_tail =
        gone.is_some_and(|from| matches!(harm, Harm::TailGone(_)) || last.is_some_and(|(at, _)| *at == from));
    if is_tail {
        let from = gone.unwrap_or(0);
        if durable + 1 == from && floor.seq <= durable {
            return Ok(format!("{harm:?}: it ends at {durable}, and the floor is at {}", floor.seq));
        }
        return Err(format!("{harm:?}: it came back at {durable}, and the floor is at {}", floor.seq));
    }
    let end =
        last.and_then(|(at, group)| GroupView::parse(*at, group).ok()).map_or(0, |group| group.last_seq());
    if durable != end {
        return Err(format!("{harm:?}: it came back at {durable}, and the journal ends at {end}"));
    }
    if everything(disk, stepped)? == same()? {
        return Ok(format!("{harm:?}: nothing of it is read, and the same world comes back"));
    }
    Err(format!("{harm:?}: another world came back, in silence"))
}
