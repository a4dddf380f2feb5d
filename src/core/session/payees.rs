//! Owns: a session's parts of payees, in order: the first two short and in place, as long as nothing but spending is known
//! of them; else a list. Never: what a part means.

use super::PayeePart;
use crate::{Amount, Cap};
use alloc::vec::Vec;
use core::{mem, num::NonZeroU32};

/// How many parts are kept in place.
const IN_PLACE: usize = 2;

/// Is the part of a payee that has the session's own cap for payees, and of which nothing is known below.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct Short {
    /// Its payee plus one. It comes first and is never zero, so that `Few` is told from `Many` without a word for it.
    after_payee: NonZeroU32,
    debit_count: u32,
    spent: Amount,
}

impl Short {
    /// Is no part. Its payee is beyond every slot, so it comes last in their order.
    const NONE: Self = Self { after_payee: NonZeroU32::MAX, debit_count: 0, spent: Amount::ZERO };

    /// Shortens a part, if nothing of it is lost by that.
    fn of(part: &PayeePart, default_cap: Cap) -> Option<Self> {
        let debit_count = u32::try_from(part.debit_count).ok()?;
        let short = Self { after_payee: Self::after(part.payee)?, debit_count, spent: part.spent };
        (part.cap == default_cap && part.spent_below.is_zero()).then_some(short)
    }

    fn after(payee: u32) -> Option<NonZeroU32> {
        let after = payee.checked_add(1).and_then(NonZeroU32::new);
        after.filter(|after| *after != Self::NONE.after_payee)
    }

    fn is_some(&self) -> bool {
        self.after_payee != Self::NONE.after_payee
    }

    fn is_of(&self, payee: u32) -> bool {
        Self::after(payee) == Some(self.after_payee)
    }

    fn part(&self, default_cap: Cap) -> PayeePart {
        let new = PayeePart::new(self.after_payee.get() - 1, default_cap);
        PayeePart { spent: self.spent, debit_count: self.debit_count.into(), ..new }
    }
}

const _: () = assert!(size_of::<Payees>() == IN_PLACE * size_of::<Short>());

/// Keeps one part a payee. Everywhere, `default_cap` is the session's cap of a payee that has none of its own.
#[derive(Debug, Clone)]
pub(super) enum Payees {
    /// At most two, each of which can be short.
    Few([Short; IN_PLACE]),
    /// In order of `payee`.
    Many(Vec<PayeePart>),
}

impl Payees {
    /// Takes parts, which are in order of `payee`.
    pub(super) fn new(parts: Vec<PayeePart>, default_cap: Cap) -> Self {
        let mut few = [Short::NONE; IN_PLACE];
        if parts.len() > few.len() {
            return Self::Many(parts);
        }
        for (place, part) in few.iter_mut().zip(&parts) {
            match Short::of(part, default_cap) {
                Some(short) => *place = short,
                None => return Self::Many(parts),
            }
        }
        Self::Few(few)
    }

    /// Returns how many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few(few) => few.iter().filter(|short| short.is_some()).count(),
            Self::Many(parts) => parts.len(),
        }
    }

    /// Returns each part, in order of `payee`.
    pub(super) fn iter(&self, default_cap: Cap) -> impl Iterator<Item = PayeePart> + Clone {
        let (few, many): (&[Short], &[PayeePart]) = match self {
            Self::Few(few) => (few, &[]),
            Self::Many(parts) => (&[], parts),
        };
        let few = few.iter().filter(|short| short.is_some()).map(move |short| short.part(default_cap));
        few.chain(many.iter().copied())
    }

    /// Finds a payee's part.
    pub(super) fn get(&self, payee: u32, default_cap: Cap) -> Option<PayeePart> {
        match self {
            Self::Few(few) => {
                let short = few.iter().find(|short| short.is_of(payee));
                short.map(|short| short.part(default_cap))
            }
            Self::Many(parts) => {
                let at = parts.binary_search_by_key(&payee, |part| part.payee).ok()?;
                parts.get(at).copied()
            }
        }
    }

    /// Changes a payee's part, which is a new one if it had none.
    pub(super) fn change(&mut self, payee: u32, default_cap: Cap, change: impl FnOnce(&mut PayeePart)) {
        let before = self.get(payee, default_cap);
        let mut part = before.unwrap_or(PayeePart::new(payee, default_cap));
        change(&mut part);
        self.put(part, default_cap);
    }

    fn put(&mut self, part: PayeePart, default_cap: Cap) {
        match self {
            Self::Few(few) => {
                let place = few.iter_mut().find(|short| short.is_of(part.payee) || !short.is_some());
                if let (Some(place), Some(short)) = (place, Short::of(&part, default_cap)) {
                    *place = short;
                    let [first, second] = few;
                    if second.after_payee < first.after_payee {
                        mem::swap(first, second);
                    }
                    return;
                }
                let mut parts = Vec::with_capacity(2 * IN_PLACE);
                parts.extend(self.iter(default_cap));
                *self = Self::Many(parts);
                self.put(part, default_cap);
            }
            Self::Many(parts) => match parts.binary_search_by_key(&part.payee, |part| part.payee) {
                Ok(at) => parts.iter_mut().skip(at).take(1).for_each(|place| *place = part),
                Err(at) => parts.insert(at, part),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{collections::BTreeMap, vec};
    use proptest::prelude::*;

    proptest! {
        /// Against a plain map: whatever becomes of the parts, and wherever they are kept.
        #[test]
        fn parts_are_kept_as_a_map_would(
            capped in any::<bool>(),
            steps in prop::collection::vec((0..5u32, 0..3u64, prop::sample::select(vec![1, u64::from(u32::MAX)]), 0..8u8), 0..20),
        ) {
            let default_cap = if capped { Cap::of(Amount::MAX) } else { Cap::NONE };
            let (mut payees, mut all) = (Payees::new(Vec::new(), default_cap), BTreeMap::new());
            for (payee, nanos, count, kind) in steps {
                let change = |part: &mut PayeePart| {
                    part.spent = Amount::from_nanos(nanos);
                    part.debit_count += count;
                    match kind {
                        0 => part.spent_below = Amount::from_nanos(nanos),
                        1 => part.cap = Cap::of(Amount::from_nanos(nanos)),
                        _ => {}
                    }
                };
                payees.change(payee, default_cap, change);
                change(all.entry(payee).or_insert(PayeePart::new(payee, default_cap)));
                prop_assert_eq!(payees.len(), all.len());
                prop_assert!(payees.iter(default_cap).eq(all.values().copied()));
                for payee in (0..5).chain([u32::MAX]) {
                    prop_assert_eq!(payees.get(payee, default_cap), all.get(&payee).copied());
                }
                let again = Payees::new(payees.iter(default_cap).collect(), default_cap);
                prop_assert!(again.iter(default_cap).eq(all.values().copied()));
            }
        }
    }
}
