//! Owns: frames: pieces one after another in a file or a stream, each with its own check; and the header of a file.
//!
//! ```text
//! file:   magic 4 | version 2 | zero 2 | check 8 | frame, frame, … | end
//! frame:  length 4 | kind 1 | piece | check 8        the length is the piece's, the check covers all before it
//! end:    length 4 | 0 | count 8 | check 8           how many frames came before
//! ```
//!
//! Never: memory beyond one frame and what was handed in; a frame whose check does not hold.

use super::{manifest::BACKUP_FORMAT, piece::Piece};
use tallystick_journal::{StorageFault, wire::Put as _};
use xxhash_rust::xxh3::xxh3_64;

const MAGIC: [u8; 4] = *b"TSbk";
/// Is the length of a file's header.
pub(super) const HEADER_BYTES: usize = 16;
const FRONT_BYTES: usize = 5;
const CHECK_BYTES: usize = 8;
const END: u8 = 0;
/// Bounds a frame. A group is about 64 MiB at most, a row far less.
const PIECE_BYTES_MAX: usize = 1 << 30;

/// Returns a file's header.
pub(super) fn header() -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..4].copy_from_slice(&MAGIC);
    header[4..6].copy_from_slice(&BACKUP_FORMAT.to_le_bytes());
    let check = xxh3_64(&header[..8]);
    header[8..].copy_from_slice(&check.to_le_bytes());
    header
}

/// Checks a file's header. *Errors*: `Newer`; `Corrupt`, naming the file.
pub(super) fn check_header(name: &str, bytes: &[u8]) -> Result<(), StorageFault> {
    let Some(found) = bytes.first_chunk::<HEADER_BYTES>() else {
        return Err(corrupt(name, 0, "the file ends within its header"));
    };
    let [magic @ .., low, high, _, _] = found.first_chunk::<8>().unwrap_or(&[0; 8]);
    if *magic != MAGIC || xxh3_64(&found[..8]).to_le_bytes() != found[8..] {
        return Err(corrupt(name, 0, "this is not the header of a backup's file"));
    }
    match u16::from_le_bytes([*low, *high]) {
        BACKUP_FORMAT => Ok(()),
        version if version > BACKUP_FORMAT => Err(StorageFault::Newer {
            place: format!("backup file {name}"),
            found: version.into(),
            known: BACKUP_FORMAT.into(),
        }),
        version => Err(corrupt(name, 4, &format!("there is no format version {version}"))),
    }
}

pub(super) fn corrupt(name: &str, at: u64, finding: &str) -> StorageFault {
    StorageFault::Corrupt { place: format!("backup file {name}, byte {at}"), finding: finding.to_owned() }
}

fn close(out: &mut Vec<u8>, from: usize) {
    let length = out.len() - from - FRONT_BYTES;
    let Some(length) = u32::try_from(length).ok().filter(|_| length <= PIECE_BYTES_MAX) else {
        panic!("bug: a piece of {length} bytes")
    };
    out[from..from + 4].copy_from_slice(&length.to_le_bytes());
    let check = xxh3_64(&out[from..]);
    out.put_u64(check);
}

/// Writes a frame to the end of `out`.
pub(super) fn put(piece: &Piece<'_>, out: &mut Vec<u8>) {
    let from = out.len();
    out.put(&[0, 0, 0, 0, piece.kind()]);
    piece.put(out);
    close(out, from);
}

/// Writes the frame that ends a file to the end of `out`.
pub(super) fn put_end(count: u64, out: &mut Vec<u8>) {
    let from = out.len();
    out.put(&[0, 0, 0, 0, END]);
    out.put_u64(count);
    close(out, from);
}

/// Is what stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framed<'a> {
    /// A piece.
    Piece(Piece<'a>),
    /// The end, after so many frames.
    End(u64),
}

/// Takes frames out of bytes that come in pieces of any length.
#[derive(Debug)]
pub struct Frames {
    /// What the bytes are of, for findings.
    name: String,
    bytes: Vec<u8>,
    /// How many of the bytes were taken.
    taken: usize,
    /// Where the first of the bytes is in the file, or in the stream.
    base: u64,
}

impl Frames {
    /// Begins at byte `base` of what `name` names.
    pub fn new(name: impl Into<String>, base: u64) -> Self {
        Self { name: name.into(), bytes: Vec::new(), taken: 0, base }
    }

    /// Takes more bytes in.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.base += self.taken as u64;
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns where the next frame begins.
    pub fn at(&self) -> u64 {
        self.base + self.taken as u64
    }

    /// Returns how many bytes wait for the rest of their frame.
    pub fn waiting(&self) -> usize {
        self.bytes.len() - self.taken
    }

    /// Takes the next piece; `None` when more bytes are needed. *Errors*: `Corrupt`, naming the place.
    pub fn next_piece(&mut self) -> Result<Option<Piece<'_>>, StorageFault> {
        let at = self.at();
        let name = self.name.clone();
        match self.next()? {
            None => Ok(None),
            Some(Framed::Piece(piece)) => Ok(Some(piece)),
            Some(Framed::End(_)) => Err(corrupt(&name, at, "a file ends in the middle of a stream")),
        }
    }

    /// Takes the next frame; `None` when more bytes are needed. *Errors*: `Corrupt`, naming the place.
    pub(super) fn next(&mut self) -> Result<Option<Framed<'_>>, StorageFault> {
        let at = self.at();
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        let Some(&[a, b, c, d, kind]) = rest.first_chunk::<FRONT_BYTES>() else { return Ok(None) };
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length > PIECE_BYTES_MAX {
            return Err(corrupt(&self.name, at, &format!("a frame of {length} bytes is longer than any")));
        }
        let end = FRONT_BYTES + length;
        let Some(whole) = rest.get(..end + CHECK_BYTES) else { return Ok(None) };
        let (covered, check) = whole.split_at(end);
        let piece = covered.get(FRONT_BYTES..).unwrap_or_default();
        if xxh3_64(covered).to_le_bytes() != check {
            // What it seems to be may still lead whoever looks for it.
            let seems = Piece::read(kind, piece).map_or_else(|_| "a frame".to_owned(), |piece| piece.name());
            return Err(corrupt(&self.name, at, &format!("the checksum of {seems} does not hold")));
        }
        self.taken += end + CHECK_BYTES;
        if kind == END {
            let count = piece.first_chunk().map(|count| u64::from_le_bytes(*count));
            let count = count.ok_or_else(|| corrupt(&self.name, at, "the end says no count"))?;
            return Ok(Some(Framed::End(count)));
        }
        let read = Piece::read(kind, piece).map_err(|damage| corrupt(&self.name, at, &damage.to_string()));
        read.map(|piece| Some(Framed::Piece(piece)))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::piece::tests::each, *};

    fn framed() -> Vec<u8> {
        let mut bytes = Vec::new();
        each(b"value").iter().for_each(|piece| put(piece, &mut bytes));
        put_end(6, &mut bytes);
        bytes
    }

    /// Reads frames that come so many bytes at a time; returns how many there were.
    fn read(bytes: &[u8], step: usize) -> Result<(u64, usize), StorageFault> {
        let (mut frames, mut count) = (Frames::new("f", 16), 0);
        for part in bytes.chunks(step) {
            frames.push(part);
            while let Some(framed) = frames.next()? {
                match framed {
                    Framed::Piece(piece) => assert_eq!(piece, each(b"value")[count]),
                    Framed::End(said) => assert_eq!(said, 6),
                }
                count += 1;
            }
        }
        Ok((frames.at(), frames.waiting()))
    }

    #[test]
    fn frames_come_back_however_their_bytes_come() {
        let bytes = framed();
        for step in 1..=bytes.len() {
            assert_eq!(read(&bytes, step), Ok((16 + bytes.len() as u64, 0)), "{step}");
        }
    }

    #[test]
    fn every_flipped_bit_is_found_or_leaves_bytes_waiting() {
        let mut bytes = framed();
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(
                read(&bytes, 4_096).is_err() || read(&bytes, 4_096).is_ok_and(|(_, left)| left > 0),
                "{bit}"
            );
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn damage_says_where_it_is_and_what_is_there() {
        let mut bytes = framed();
        let last = bytes.len() - 21 - 10;
        bytes[last] ^= 1;
        let fault = read(&bytes, 4_096).unwrap_err().to_string();
        assert!(fault.contains("backup file f, byte ") && fault.contains("the group at seq 77"), "{fault}");
    }

    #[test]
    fn a_header_of_a_newer_version_is_told_from_damage() {
        let mut bytes = header();
        assert_eq!(check_header("f", &bytes), Ok(()));
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(check_header("f", &bytes), Err(StorageFault::Corrupt { .. })), "{bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        bytes[4] = 9;
        let check = xxh3_64(&bytes[..8]);
        bytes[8..].copy_from_slice(&check.to_le_bytes());
        let wanted = StorageFault::Newer { place: "backup file f".into(), found: 9, known: 1 };
        assert_eq!(check_header("f", &bytes), Err(wanted));
        assert!(check_header("f", &bytes[..15]).is_err());
    }
}
