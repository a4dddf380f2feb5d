//! Owns: a list in pages of one size, so that growing moves nothing: a list of millions of rows that doubled its room would
//! copy them all while someone waits, and hold both copies. Never: takes away; a list only grows.

use alloc::vec::Vec;

/// How many items a page has.
const ITEMS: usize = 1 << SHIFT;
const SHIFT: u32 = 13;

/// Keeps items in pages, each of which but the last is full.
#[derive(Debug)]
pub(super) struct Pages<T>(Vec<Vec<T>>);

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Pages<T> {
    pub(super) fn get(&self, at: u32) -> Option<&T> {
        self.0.get((at >> SHIFT) as usize)?.get(at as usize % ITEMS)
    }

    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        self.0.get_mut((at >> SHIFT) as usize)?.get_mut(at as usize % ITEMS)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }

    pub(super) fn push(&mut self, item: T) {
        match self.0.last_mut() {
            // The first page grows as it needs: most tables are small.
            Some(page) if page.len() < ITEMS => {
                if page.len() == page.capacity() {
                    page.reserve_exact(page.len().min(ITEMS - page.len()));
                }
                page.push(item);
            }
            first_or_full => {
                let mut page = Vec::with_capacity(if first_or_full.is_some() { ITEMS } else { 4 });
                page.push(item);
                self.0.push(page);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_stay_where_they_were_put() {
        let mut pages = Pages::default();
        let most = u32::try_from(2 * ITEMS + 3).unwrap();
        for at in 0..most {
            assert_eq!(pages.get(at), None, "before it is there");
            pages.push(at);
            assert_eq!(pages.get(at), Some(&at));
        }
        assert!(pages.iter().copied().eq(0..most));
        assert!((0..most).all(|at| pages.get_mut(at).copied() == Some(at)));
        assert!(pages.0.iter().all(|page| page.capacity() <= ITEMS));
    }
}
