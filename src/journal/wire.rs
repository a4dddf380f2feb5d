//! Owns: integers, texts and options as bytes: little-endian, or seven bits a byte where small numbers are the rule.
//! Never: knows what it writes.

use std::fmt;

/// Says that bytes are not what they should be, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// What was being read.
    pub what: &'static str,
    /// How far into the bytes.
    pub at: usize,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} does not hold at byte {}", self.what, self.at)
    }
}

/// Writes to the end of a buffer.
pub trait Put {
    /// Writes bytes as they are.
    fn put(&mut self, bytes: &[u8]);

    /// Writes a byte.
    fn put_u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    /// Writes eight bytes.
    fn put_u64(&mut self, value: u64) {
        self.put(&value.to_le_bytes());
    }

    /// Writes sixteen bytes.
    fn put_u128(&mut self, value: u128) {
        self.put(&value.to_le_bytes());
    }

    /// Writes a number that is mostly small: seven bits a byte, the lowest first, the last byte below 128.
    #[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
    fn put_small(&mut self, mut value: u64) {
        while value >= 128 {
            self.put_u8(value as u8 | 128);
            value >>= 7;
        }
        self.put_u8(value as u8);
    }

    /// Writes a length and a text.
    fn put_text(&mut self, text: &str) {
        self.put_small(text.len() as u64);
        self.put(text.as_bytes());
    }

    /// Writes whether there is a hash, and the hash.
    fn put_hash(&mut self, hash: Option<&[u8; 32]>) {
        self.put_u8(u8::from(hash.is_some()));
        self.put(hash.map_or(&[], |hash| hash.as_slice()));
    }
}

impl Put for Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    #[inline]
    fn put_u8(&mut self, value: u8) {
        self.push(value);
    }
}

/// Reads from the front of bytes; every read may find damage, named by its `what`, and none allocates.
#[derive(Debug)]
pub struct Take<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Take<'a> {
    /// Begins at the front.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Returns the damage that is at this place.
    pub fn damage(&self, what: &'static str) -> Damage {
        Damage { what, at: self.at }
    }

    /// Reads `len` bytes.
    #[inline]
    pub fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], Damage> {
        let bytes = self.bytes.get(self.at..).and_then(|rest| rest.get(..len)).ok_or(self.damage(what))?;
        self.at += len;
        Ok(bytes)
    }

    /// Reads exactly `N` bytes.
    #[inline]
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Damage> {
        let bytes = self.take(N, what)?;
        bytes.try_into().map_err(|_| self.damage(what))
    }

    /// Reads a byte.
    #[inline]
    pub fn u8(&mut self, what: &'static str) -> Result<u8, Damage> {
        self.array::<1>(what).map(|[byte]| byte)
    }

    /// Reads eight bytes.
    pub fn u64(&mut self, what: &'static str) -> Result<u64, Damage> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// Reads sixteen bytes.
    pub fn u128(&mut self, what: &'static str) -> Result<u128, Damage> {
        self.array(what).map(u128::from_le_bytes)
    }

    /// Reads a number of seven bits a byte.
    #[inline]
    pub fn small(&mut self, what: &'static str) -> Result<u64, Damage> {
        // Most are one byte.
        match self.bytes.get(self.at) {
            Some(&byte) if byte < 128 => {
                self.at += 1;
                Ok(byte.into())
            }
            _ => self.small_of_many(what),
        }
    }

    fn small_of_many(&mut self, what: &'static str) -> Result<u64, Damage> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8(what)?;
            let bits = u64::from(byte & 127);
            if bits.leading_zeros() < shift {
                break;
            }
            value |= bits << shift;
            if byte < 128 {
                // One number has one form: no padding with empty bytes.
                return if byte == 0 && shift > 0 { Err(self.damage(what)) } else { Ok(value) };
            }
        }
        Err(self.damage(what))
    }

    /// Reads a small number into a narrower type.
    pub fn narrow<T: TryFrom<u64>>(&mut self, what: &'static str) -> Result<T, Damage> {
        let value = self.small(what)?;
        T::try_from(value).map_err(|_| self.damage(what))
    }

    /// Reads a count of things that take at least `least` bytes each, so that no damage makes us allocate for more than
    /// there are bytes.
    pub fn count(&mut self, least: usize, what: &'static str) -> Result<usize, Damage> {
        let count: usize = self.narrow(what)?;
        let left = self.bytes.len() - self.at;
        if count.checked_mul(least).is_none_or(|bytes| bytes > left) {
            return Err(self.damage(what));
        }
        Ok(count)
    }

    /// Reads a length and a text.
    pub fn text(&mut self, what: &'static str) -> Result<&'a str, Damage> {
        let len = self.count(1, what)?;
        let bytes = self.take(len, what)?;
        std::str::from_utf8(bytes).map_err(|_| self.damage(what))
    }

    /// Reads a hash that may be absent.
    pub fn hash(&mut self, what: &'static str) -> Result<Option<[u8; 32]>, Damage> {
        match self.u8(what)? {
            0 => Ok(None),
            1 => self.array(what).map(Some),
            _ => Err(self.damage(what)),
        }
    }

    /// Reads all that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        let bytes = self.bytes.get(self.at..).unwrap_or_default();
        self.at = self.bytes.len();
        bytes
    }

    /// Says that nothing follows.
    pub fn end(&self, what: &'static str) -> Result<(), Damage> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.damage(what)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn small_numbers_come_back(value: u64) {
            let mut bytes = Vec::new();
            bytes.put_small(value);
            let mut take = Take::new(&bytes);
            prop_assert_eq!(take.small("n"), Ok(value));
            prop_assert!(take.end("n").is_ok());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Take::new(&bytes).small("n");
            let _ = Take::new(&bytes).text("t");
            let _ = Take::new(&bytes).hash("h");
        }
    }

    #[test]
    fn a_count_is_bounded_by_the_bytes_there_are() {
        let mut bytes = Vec::new();
        bytes.put_small(1 << 40);
        assert!(Take::new(&bytes).count(1, "c").is_err());
    }

    #[test]
    fn a_number_has_one_form() {
        assert!(Take::new(&[0x80, 0x00]).small("n").is_err());
        assert!(Take::new(&[0xff; 11]).small("n").is_err());
    }
}
