//! Owns: what single payees took of a limit that each has for itself: one entry a payee, at most `limits::PAYEES_IN_VELOCITY`.
//! Never: drops an entry that still holds something; nor does anything depend on when an idle one is dropped.

use super::{Used, VelocityLimit, Wait};
use crate::{Time, limits};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Idle entries are looked for whenever this many have become a power of two.
const SWEPT_FROM: usize = 8;

/// Keeps one entry a payee, in order of payee.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Payees(Vec<(u32, Used)>);

impl Payees {
    pub(super) const NONE: Self = Self(Vec::new());

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn find(&self, payee: u32) -> Result<usize, usize> {
        self.0.binary_search_by_key(&payee, |(payee, _)| *payee)
    }

    fn get(&self, payee: u32) -> Option<&Used> {
        self.0.get(self.find(payee).ok()?).map(|(_, used)| used)
    }

    #[inline]
    pub(super) fn test(&self, limit: &VelocityLimit, payee: u32, units: u64, at: Time) -> Result<(), Wait> {
        match self.get(payee) {
            Some(used) => used.test(limit, units, at),
            None => self.test_new(limit, units, at),
        }
    }

    fn test_new(&self, limit: &VelocityLimit, units: u64, at: Time) -> Result<(), Wait> {
        if units > limit.at_once() {
            return Err(Wait::Never);
        }
        match self.has_place_at(limit) {
            Some(free_at) if free_at <= at => Ok(()),
            Some(free_at) => Err(Wait::Until(free_at)),
            None => Err(Wait::Never),
        }
    }

    /// Returns from when on one payee more has a place; `None` past the end of time.
    fn has_place_at(&self, limit: &VelocityLimit) -> Option<Time> {
        if self.0.len() < limits::PAYEES_IN_VELOCITY {
            return Some(Time::ZERO);
        }
        self.0.iter().filter_map(|(_, used)| used.idle_at(limit)).min()
    }

    #[inline]
    pub(super) fn take(&mut self, limit: &VelocityLimit, payee: u32, units: u64, at: Time) {
        let found = match self.find(payee) {
            Ok(found) => found,
            Err(_) => self.insert(limit, payee, at),
        };
        if let Some((_, used)) = self.0.get_mut(found) {
            used.take(limit, units, at);
        }
    }

    fn insert(&mut self, limit: &VelocityLimit, payee: u32, at: Time) -> usize {
        if self.0.len() >= SWEPT_FROM && self.0.len().is_power_of_two() {
            self.0.retain(|(_, used)| !used.is_idle(limit, at));
        }
        assert!(
            self.0.len() < limits::PAYEES_IN_VELOCITY,
            "bug: payee {payee} has no place in a velocity limit"
        );
        let place = self.find(payee).unwrap_or_else(|place| place);
        self.0.insert(place, (payee, Used::nothing(limit)));
        place
    }

    pub(super) fn left(&self, limit: &VelocityLimit, payee: u32, at: Time) -> u64 {
        match self.get(payee) {
            Some(used) => used.left(limit, at),
            None if self.has_place_at(limit).is_some_and(|free_at| free_at <= at) => limit.at_once(),
            None => 0,
        }
    }

    pub(super) fn least_left(&self, limit: &VelocityLimit, at: Time) -> u64 {
        self.0.iter().map(|(_, used)| used.left(limit, at)).min().unwrap_or(limit.at_once())
    }

    pub(super) fn amended(mut self, from: &VelocityLimit, to: &VelocityLimit, at: Time) -> Self {
        for (_, used) in &mut self.0 {
            *used = used.clone().amended(from, to, at);
        }
        self
    }

    pub(super) fn is_sound(&self, is_sound: impl Fn(&Used) -> bool) -> bool {
        self.0.len() <= limits::PAYEES_IN_VELOCITY
            && self.0.is_sorted_by(|(a, _), (b, _)| a < b)
            && self.0.iter().all(|(_, used)| is_sound(used))
    }
}

const _: () =
    assert!(limits::PAYEES_IN_VELOCITY.is_power_of_two(), "a full list is swept before it declines");
