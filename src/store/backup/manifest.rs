//! Owns: the manifest: what a backup holds, from where to where, and which files it is made of. Text, one fact a line, in one
//! order; the last line is the check of all before it.
//! Never: read in part: a line that is not understood is damage, or a newer version's.

use std::fmt::{self, Write as _};

use tallystick_journal::{Floor, StorageFault};
use xxhash_rust::xxh3::xxh3_64;

/// Is the version of a backup's format that this build writes, and the newest that it reads.
pub const BACKUP_FORMAT: u16 = 1;

/// Is the manifest's file.
pub(super) const FILE: &str = "MANIFEST";
const PREFIX: &str = "tallystick backup format ";

/// Is what all of a world comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest {
    /// The shapes of rows that it was made of: only those of the same shapes compare.
    pub shapes: u32,
    /// The sum.
    pub sum: u128,
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:032x}", self.shapes, self.sum)
    }
}

impl Digest {
    fn read(text: &str) -> Option<Self> {
        let (shapes, sum) = text.split_once(':')?;
        Some(Self { shapes: shapes.parse().ok()?, sum: u128::from_str_radix(sum, 16).ok()? })
    }
}

/// Is one file of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Its name, within the folder.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// How many pieces it holds.
    pub pieces: u64,
    /// The checksum of all of it.
    pub check: u64,
    /// The first and last seq of its groups; zeros for the state.
    pub seqs: (u64, u64),
}

/// Says what a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    /// Names the journal: made of its genesis record's seed, and the same for all backups of one journal.
    pub journal: u128,
    /// The first record that is there as a record.
    pub first_seq: u64,
    /// What the journal's given back beginning came to, up to here; zero when the journal is whole.
    pub state_seq: u64,
    /// How far the index of debits in the state goes; zero when there is none, and it is derived from the journal.
    pub index_seq: u64,
    /// The last group.
    pub last: Floor,
    /// The earliest and the latest time of a decision that is there as a record. *Units*: nanoseconds since 1970.
    pub times: (u64, u64),
    /// What all that is there comes to at the last seq, if that was found out when the backup was made.
    pub digest: Option<Digest>,
    /// Where this journal was put back from a backup before: the last group that was kept each time.
    pub restored: Vec<Floor>,
    /// The files, in the order in which they are read.
    pub files: Vec<FileEntry>,
}

impl Manifest {
    /// Returns the first seq that can be restored to.
    pub fn restorable_from(&self) -> u64 {
        self.first_seq.max(self.state_seq)
    }

    /// Returns how many bytes its files have.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Returns how many records it holds as records.
    pub fn records(&self) -> u64 {
        (self.last.seq + 1).saturating_sub(self.first_seq)
    }

    /// Writes it as it is stored.
    pub(super) fn encode(&self) -> String {
        let mut text = self.to_string();
        let check = xxh3_64(text.as_bytes());
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "check {check:016x}");
        text
    }

    /// Reads what is stored. *Errors*: `Newer`; `Corrupt`, naming the line.
    pub(super) fn decode(text: &str) -> Result<Self, StorageFault> {
        let (front, check) = split_check(text)?;
        if xxh3_64(front.as_bytes()) != check {
            let computed = xxh3_64(front.as_bytes());
            return Err(corrupt(&format!("its checksum is {computed:016x} and should be {check:016x}")));
        }
        let mut lines = Lines { lines: front.lines(), number: 0 };
        let version: u32 = lines.next(PREFIX.trim_end())?.number()?;
        if version > u32::from(BACKUP_FORMAT) {
            let place = "backup MANIFEST".to_owned();
            return Err(StorageFault::Newer { place, found: version, known: BACKUP_FORMAT.into() });
        }
        if version != u32::from(BACKUP_FORMAT) {
            return Err(corrupt(&format!("there is no format version {version}")));
        }
        let found = lines.manifest()?;
        // What could be read but is not as it is written was changed: a digit in capitals, a sign before a number.
        if found.encode() == text { Ok(found) } else { Err(corrupt("it is not as it was written")) }
    }
}

fn corrupt(finding: &str) -> StorageFault {
    StorageFault::Corrupt { place: "backup MANIFEST".to_owned(), finding: finding.to_owned() }
}

/// Splits the text from its last line.
fn split_check(text: &str) -> Result<(&str, u64), StorageFault> {
    let found = text.strip_suffix('\n').and_then(|lines| {
        let (front, check) = lines.rsplit_once('\n')?;
        let check = check.strip_prefix("check ").filter(|hex| hex.len() == 16)?;
        let front = text.get(..=front.len())?;
        Some((front, u64::from_str_radix(check, 16).ok()?))
    });
    found.ok_or_else(|| corrupt("its last line is not the check of the lines before"))
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{PREFIX}{BACKUP_FORMAT}")?;
        writeln!(f, "journal {:032x}", self.journal)?;
        writeln!(f, "first_seq {}", self.first_seq)?;
        writeln!(f, "state_seq {}", self.state_seq)?;
        writeln!(f, "index_seq {}", self.index_seq)?;
        writeln!(f, "last_seq {} {:016x}", self.last.seq, self.last.check)?;
        writeln!(f, "times_ns {} {}", self.times.0, self.times.1)?;
        match self.digest {
            Some(digest) => writeln!(f, "digest {digest}")?,
            None => writeln!(f, "digest none")?,
        }
        for kept in &self.restored {
            writeln!(f, "restored {} {:016x}", kept.seq, kept.check)?;
        }
        for FileEntry { name, bytes, pieces, check, seqs: (first, last) } in &self.files {
            writeln!(f, "file {name} {bytes} {pieces} {check:016x} {first} {last}")?;
        }
        Ok(())
    }
}

/// Reads lines in order.
struct Lines<'a> {
    lines: std::str::Lines<'a>,
    number: usize,
}

/// Is what a line says after its name.
struct Words<'a> {
    words: std::str::Split<'a, char>,
    line: usize,
}

impl<'a> Lines<'a> {
    /// Takes the next line if it begins with `name`.
    fn maybe(&mut self, name: &str) -> Option<Words<'a>> {
        let line = self.lines.clone().next()?.strip_prefix(name)?.strip_prefix(' ')?;
        self.lines.next();
        self.number += 1;
        Some(Words { words: line.split(' '), line: self.number })
    }

    fn next(&mut self, name: &str) -> Result<Words<'a>, StorageFault> {
        let number = self.number + 1;
        self.maybe(name).ok_or_else(|| corrupt(&format!("line {number} is not its {name:?}")))
    }

    fn manifest(&mut self) -> Result<Manifest, StorageFault> {
        let mut found = Manifest {
            journal: self.next("journal")?.hex()?,
            first_seq: self.next("first_seq")?.number()?,
            state_seq: self.next("state_seq")?.number()?,
            index_seq: self.next("index_seq")?.number()?,
            last: self.next("last_seq")?.floor()?,
            ..Manifest::default()
        };
        let mut times = self.next("times_ns")?;
        found.times = (times.number()?, times.number()?);
        let mut digest = self.next("digest")?;
        let said = digest.word()?;
        if said != "none" {
            found.digest = Some(digest.read(Digest::read(said))?);
        }
        while let Some(mut kept) = self.maybe("restored") {
            found.restored.push(kept.floor()?);
        }
        while let Some(mut file) = self.maybe("file") {
            found.files.push(FileEntry {
                name: file.name()?,
                bytes: file.number()?,
                pieces: file.number()?,
                check: file.hex64()?,
                seqs: (file.number()?, file.number()?),
            });
        }
        match self.lines.next() {
            None => Ok(found),
            Some(_) => Err(corrupt(&format!("line {} is none that it has", self.number + 1))),
        }
    }
}

impl<'a> Words<'a> {
    fn read<T>(&self, value: Option<T>) -> Result<T, StorageFault> {
        value.ok_or_else(|| corrupt(&format!("line {} cannot be read", self.line)))
    }

    fn word(&mut self) -> Result<&'a str, StorageFault> {
        let word = self.words.next();
        self.read(word)
    }

    fn number<T: std::str::FromStr>(&mut self) -> Result<T, StorageFault> {
        let word = self.word()?;
        self.read(word.parse().ok())
    }

    fn hex(&mut self) -> Result<u128, StorageFault> {
        let word = self.word()?;
        self.read(u128::from_str_radix(word, 16).ok())
    }

    fn hex64(&mut self) -> Result<u64, StorageFault> {
        let wide = self.hex()?;
        self.read(u64::try_from(wide).ok())
    }

    fn floor(&mut self) -> Result<Floor, StorageFault> {
        Ok(Floor { seq: self.number()?, check: self.hex64()? })
    }

    /// Reads a file's name, which leads nowhere but into the folder.
    fn name(&mut self) -> Result<String, StorageFault> {
        let word = self.word()?;
        let is_plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
        self.read((is_plain && !word.starts_with('.') && !word.is_empty()).then(|| word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Manifest {
        let file =
            |name: &str, seqs| FileEntry { name: name.into(), bytes: 4_096, pieces: 7, check: 9, seqs };
        Manifest {
            journal: 0xfeed << 64,
            first_seq: 101,
            state_seq: 150,
            index_seq: 149,
            last: Floor { seq: 200, check: 0xab },
            times: (1, 2),
            digest: Some(Digest { shapes: 2, sum: 7 }),
            restored: vec![Floor { seq: 50, check: 1 }, Floor { seq: 90, check: u64::MAX }],
            files: vec![file("state.tsb", (0, 0)), file("journal-101.tsb", (101, 200))],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for manifest in [sample(), Manifest { digest: None, restored: vec![], ..sample() }] {
            assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest));
        }
        assert_eq!((sample().restorable_from(), sample().records(), sample().bytes()), (150, 100, 8_192));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_refused() {
        let mut bytes = sample().encode().into_bytes();
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            // Bytes that are no text are refused before.
            if let Ok(text) = str::from_utf8(&bytes) {
                assert!(matches!(Manifest::decode(text), Err(StorageFault::Corrupt { .. })), "bit {bit}");
            }
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        let text = sample().encode();
        (0..text.len()).for_each(|len| assert!(Manifest::decode(&text[..len]).is_err(), "{len}"));
    }

    fn summed(front: &str) -> String {
        format!("{front}check {:016x}\n", xxh3_64(front.as_bytes()))
    }

    #[test]
    fn a_newer_version_is_named_with_both() {
        let front = sample().to_string().replace("format 1\n", "format 2\nwhatever it has\n");
        let fault = Manifest::decode(&summed(&front)).unwrap_err();
        assert_eq!(fault, StorageFault::Newer { place: "backup MANIFEST".into(), found: 2, known: 1 });
        let none = sample().to_string().replace("format 1\n", "format 0\n");
        assert!(matches!(Manifest::decode(&summed(&none)), Err(StorageFault::Corrupt { .. })));
    }

    #[test]
    fn lines_that_do_not_belong_and_names_that_lead_elsewhere_are_refused() {
        for (from, to) in [
            ("first_seq", "last_seq"),
            ("file state.tsb", "file ../state.tsb"),
            ("file state.tsb", "file .tsb"),
            ("digest 2:", "digest 2"),
            ("restored 50", "restored x"),
        ] {
            let front = sample().to_string().replacen(from, to, 1);
            assert!(matches!(Manifest::decode(&summed(&front)), Err(StorageFault::Corrupt { .. })), "{to}");
        }
        let more = format!("{}more 1\n", sample());
        assert!(Manifest::decode(&summed(&more)).unwrap_err().to_string().contains("line 13"));
    }
}
