//! Owns: bytes as a series of choices: whatever they are, they say something; past their end they say zero.
//! Never: an error.

/// Reads choices from the front.
#[derive(Debug)]
pub(crate) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end.max(1)
    }

    /// Returns at most `most` bytes, as many as a byte before them says.
    pub(crate) fn piece(&mut self, most: usize) -> &'a [u8] {
        let len = usize::from(self.byte()).min(most).min(self.0.len());
        let (piece, rest) = self.0.split_at(len);
        self.0 = rest;
        piece
    }

    /// As `piece`, with two bytes before them.
    pub(crate) fn long_piece(&mut self) -> &'a [u8] {
        let len = (usize::from(self.byte()) | usize::from(self.byte()) << 8).min(self.0.len());
        let (piece, rest) = self.0.split_at(len);
        self.0 = rest;
        piece
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// Returns a number that is likely to matter: small, about a power of ten, or at the end of a range.
    pub(crate) fn number(&mut self) -> u64 {
        let (kind, byte) = (self.byte(), u64::from(self.byte()));
        match kind % 8 {
            0 => byte,
            1 => byte * 1_000_000,
            2 => byte * 1_000_000_000,
            3 => 10u64.pow((byte % 20) as u32),
            4 => (1 << 63) - 1 - byte,
            5 => u64::MAX - byte,
            6 => 1 << (byte % 64),
            _ => self.u64(),
        }
    }

    pub(crate) fn pick<T: Copy>(&mut self, some: &[T]) -> Option<T> {
        let at = self.below(some.len());
        some.get(at).copied()
    }

    pub(crate) fn text(&mut self, most: usize) -> &'a str {
        let piece = self.piece(most);
        let valid = std::str::from_utf8(piece).map_or_else(|error| error.valid_up_to(), str::len);
        std::str::from_utf8(&piece[..valid]).unwrap_or_default()
    }
}
