//! Owns: debits of one session, many a value, in order of seq. Key: partition 2, slot 4, the first seq 8, big-endian. Value:
//!
//! ```text
//! session:16 | count:small | keyed:small | span:small | first at:8 | writers: count, (id:16 | first:small | span:small)… | debits
//! debit: flags:small | seq - before | at - before | [payee] | [asked] | [taken] | [code | level] | [key:16 or writer, number - before]
//!        | [reference] | [evidence:32] | [what:1, its terms]
//! ```
//!
//! What a flag says is as before, or absent, is not written: a numbered debit like the one before it takes four to seven
//! bytes. In version 1 the flags are one byte, with the two last of them the other way round, and everything is a debit. Never: rewritten while its session is open; settling gathers small chunks into full ones, once.

use super::{At, CHUNK};
use tallystick_core::{
    Amount, DeclineCode, Level, SessionId, Time, WriterId, command::Act, hash::KeyHash, keys::Verdict,
    record::Debited,
};
use tallystick_journal::{
    Entry, StorageFault,
    wire::{Damage, Put as _, Take},
};

/// Bounds the debits in one chunk.
pub(crate) const DEBITS_MAX: u32 = 256;
/// Ends a chunk whose debits take this much: long references make it sooner full.
const BYTES_FULL: usize = 8 << 10;

/// Is what a few plain debits take.
const FEW_BYTES: usize = 64;
/// Bounds what a chunk's head takes, but for the writers.
const HEAD_BYTES_MOST: usize = 16 + 4 * 10 + 8;
/// Bounds what a writer's stretch of numbers takes.
const NUMBERS_BYTES_MOST: usize = 16 + 2 * 10;

const SAME_PAYEE: u16 = 1;
const SAME_ASKED: u16 = 2;
const DECLINED: u16 = 4;
/// Less, or more, was taken than asked.
const TAKEN: u16 = 8;
const KEYED: u16 = 16;
const REFERENCE: u16 = 32;
/// The next number of the writer that the numbered debit before it has.
const NEXT_NUMBER: u16 = 64;
// From here on, flags take two bytes.
const EVIDENCE: u16 = 128;
/// It is no debit, or a late one: what it is follows.
const WHAT: u16 = 256;
/// Every flag there is.
const FLAGS: u16 = 2 * WHAT - 1;
/// How version 1 said `EVIDENCE` and `NEXT_NUMBER`.
const EVIDENCE_V1: u8 = 64;
const NEXT_NUMBER_V1: u8 = 128;

const HOLD: u8 = 1;
/// A hold whose end was asked for.
const HOLD_UNTIL: u8 = 2;
const CAPTURE: u8 = 3;
const CAPTURE_LAST: u8 = 4;
const VOID: u8 = 5;
const LATE: u8 = 6;
const LATE_LAST: u8 = 7;

/// Says how a debit was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// By a key; its hash is what is kept.
    Key(KeyHash),
    /// By a number of a writer.
    Number {
        /// Whose.
        writer: WriterId,
        /// Which.
        number: u64,
    },
}

/// Says what was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// An amount was taken at once.
    Debit,
    /// An amount was set aside.
    Hold {
        /// How much more.
        tolerance: Amount,
        /// Until when.
        until: Time,
        /// That was asked for, and is not the session's end by default.
        until_was_asked: bool,
    },
    /// An amount was taken out of a hold.
    Capture {
        /// Which hold: its seq.
        hold: u64,
        /// The rest was given back.
        last: bool,
        /// The hold had ended: it was taken as a debit is.
        late: bool,
    },
    /// What a hold held was given back.
    Void {
        /// Which hold: its seq.
        hold: u64,
    },
}

impl What {
    /// Reads it off a record.
    pub fn of(debit: &Debited<'_>) -> Self {
        match debit.act {
            Act::Debit => Self::Debit,
            Act::Hold { tolerance, until } => {
                Self::Hold { tolerance, until, until_was_asked: debit.asked_until != Time::ZERO }
            }
            Act::Capture { hold, last } => Self::Capture { hold, last, late: debit.late },
            Act::Void { hold } => Self::Void { hold },
        }
    }

    /// Returns whether what is taken was spent: of a hold it is only set aside, of a void it is given back.
    pub fn spends(self) -> bool {
        matches!(self, Self::Debit | Self::Capture { .. })
    }
}

/// Is one debit as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Item<'a> {
    pub(crate) seq: u64,
    pub(crate) at: Time,
    /// The notice's slot.
    pub(crate) payee: u32,
    pub(crate) asked: Amount,
    pub(crate) taken: Amount,
    pub(crate) verdict: Verdict,
    pub(crate) by: By,
    pub(crate) reference: &'a str,
    pub(crate) evidence: Option<[u8; 32]>,
    pub(crate) what: What,
}

/// Is the stretch of a writer's numbers that one chunk has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) writer: WriterId,
    pub(crate) first: u64,
    pub(crate) last: u64,
}

/// Gathers debits into one chunk.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    debits: Vec<u8>,
    count: u32,
    keyed: u32,
    first: Option<(u64, Time)>,
    before: Before,
    writers: Vec<Numbers>,
}

/// Is what the next debit is told apart from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Before {
    seq: u64,
    at: Time,
    payee: Option<u32>,
    asked: Option<Amount>,
    writer: Option<usize>,
}

/// Is a chunk that is full, or all there is.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    pub(crate) value: Vec<u8>,
}

impl Done {
    pub(crate) fn entry(self, at: At) -> Entry {
        CHUNK.put(&at.key(self.first_seq), self.value)
    }
}

impl Writer {
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the stretches of numbers in this chunk.
    pub(crate) fn writers(&self) -> &[Numbers] {
        &self.writers
    }

    /// Forgets what was gathered; its memory is used again.
    pub(crate) fn clear(&mut self) {
        self.debits.clear();
        self.writers.clear();
        (self.count, self.keyed, self.first) = (0, 0, None);
    }

    /// Returns whether there is a place for `item` in this chunk.
    pub(crate) fn fits(&self, item: &Item<'_>) -> bool {
        if self.is_empty() {
            return true;
        }
        let ascends = match item.by {
            By::Key(_) => true,
            By::Number { writer, number } => {
                self.writers.iter().all(|numbers| numbers.writer != writer || numbers.last < number)
            }
        };
        self.count < DEBITS_MAX
            && self.debits.len() < BYTES_FULL
            && item.seq > self.before.seq
            && item.at >= self.before.at
            && ascends
    }

    /// Adds a debit that fits.
    pub(crate) fn push(&mut self, item: &Item<'_>) {
        let (first_seq, first_at) = *self.first.get_or_insert((item.seq, item.at));
        if self.is_empty() {
            self.debits.reserve(FEW_BYTES);
            self.before = Before { seq: first_seq, at: first_at, ..Before::default() };
        }
        let place = self.debits.len();
        self.debits.put_u8(0);
        self.debits.put_small(item.seq - self.before.seq);
        self.debits.put_small(item.at.since(self.before.at).ns());
        let mut flags = 0;
        if self.before.payee == Some(item.payee) {
            flags |= SAME_PAYEE;
        } else {
            self.debits.put_small(item.payee.into());
        }
        if self.before.asked == Some(item.asked) {
            flags |= SAME_ASKED;
        } else {
            self.debits.put_small(item.asked.nanos());
        }
        if item.taken != usually(item.verdict, item.asked) {
            flags |= TAKEN;
            self.debits.put_small(item.taken.nanos());
        }
        if let Some((code, level)) = item.verdict {
            flags |= DECLINED;
            self.debits.put_small(code.number().into());
            self.debits.put_u8(level as u8);
        }
        flags |= self.push_name(item.by);
        if !item.reference.is_empty() {
            flags |= REFERENCE;
            self.debits.put_text(item.reference);
        }
        if let Some(hash) = &item.evidence {
            flags |= EVIDENCE;
            self.debits.put(hash);
        }
        if item.what != What::Debit {
            flags |= WHAT;
            self.push_what(item.what);
        }
        self.put_flags(place, flags);
        (self.before.seq, self.before.at) = (item.seq, item.at);
        (self.before.payee, self.before.asked) = (Some(item.payee), Some(item.asked));
        self.count += 1;
    }

    /// Writes flags at the byte that was kept for them, and one more where they take two.
    fn put_flags(&mut self, place: usize, flags: u16) {
        let [low, high] = [flags & 0x7f, flags >> 7].map(|bits| u8::try_from(bits).unwrap_or_default());
        if let Some(byte) = self.debits.get_mut(place) {
            *byte = if high == 0 { low } else { low | 0x80 };
        }
        if high > 0 {
            self.debits.insert(place + 1, high);
        }
    }

    fn push_what(&mut self, what: What) {
        match what {
            What::Debit => {}
            What::Hold { tolerance, until, until_was_asked } => {
                self.debits.put_u8(if until_was_asked { HOLD_UNTIL } else { HOLD });
                self.debits.put_small(tolerance.nanos());
                self.debits.put_u64(until.ns());
            }
            What::Capture { hold, last, late } => {
                self.debits.put_u8(match (last, late) {
                    (false, false) => CAPTURE,
                    (true, false) => CAPTURE_LAST,
                    (false, true) => LATE,
                    (true, true) => LATE_LAST,
                });
                self.debits.put_small(hold);
            }
            What::Void { hold } => {
                self.debits.put_u8(VOID);
                self.debits.put_small(hold);
            }
        }
    }

    fn push_name(&mut self, by: By) -> u16 {
        let (writer, number) = match by {
            By::Key(hash) => {
                self.keyed += 1;
                self.debits.put_u128(hash.0);
                return KEYED;
            }
            By::Number { writer, number } => (writer, number),
        };
        let at = match self.writers.iter().position(|numbers| numbers.writer == writer) {
            Some(at) => at,
            None => {
                // Most sessions have one.
                self.writers.reserve_exact(1);
                self.writers.push(Numbers { writer, first: number, last: number });
                self.writers.len() - 1
            }
        };
        let Some(numbers) = self.writers.get_mut(at) else { return 0 };
        let step = number - numbers.last;
        numbers.last = number;
        if self.before.writer.replace(at) == Some(at) && step == 1 {
            return NEXT_NUMBER;
        }
        self.debits.put_small(at as u64);
        self.debits.put_small(step);
        0
    }

    /// Ends the chunk, and begins another.
    pub(crate) fn finish(&mut self, session: SessionId) -> Option<Done> {
        let (first_seq, first_at) = self.first?;
        let last_seq = self.before.seq;
        let mut value =
            CHUNK.begin_for(HEAD_BYTES_MOST + self.writers.len() * NUMBERS_BYTES_MOST + self.debits.len());
        value.put_u128(session.bits());
        value.put_small(self.count.into());
        value.put_small(self.keyed.into());
        value.put_small(last_seq - first_seq);
        value.put_u64(first_at.ns());
        value.put_small(self.writers.len() as u64);
        for numbers in &self.writers {
            value.put_u128(numbers.writer.bits());
            value.put_small(numbers.first);
            value.put_small(numbers.last - numbers.first);
        }
        value.put(&self.debits);
        self.clear();
        Some(Done { first_seq, last_seq, value })
    }
}

/// Returns what is taken when nothing else is said.
fn usually(verdict: Verdict, asked: Amount) -> Amount {
    if verdict.is_none() { asked } else { Amount::ZERO }
}

/// Is a chunk that was read: its head is decoded, its debits are not yet.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) session: SessionId,
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    pub(crate) at: At,
    pub(crate) writers: Vec<Numbers>,
    pub(crate) keyed: u64,
    count: u64,
    first_at: Time,
    debits: &'a [u8],
    version: u8,
}

impl<'a> View<'a> {
    /// Reads a chunk's head. *Errors*: `Corrupt`, naming the place.
    pub(crate) fn parse(key: &[u8], value: &'a [u8]) -> Result<Self, StorageFault> {
        let (at, first_seq) = At::read(CHUNK, key)?;
        CHUNK.read_since(1, key, value, |version, take| {
            let session = SessionId::from_bits(take.u128("session")?).map_err(|_| take.damage("session"))?;
            if At::of(session) != at {
                return Err(take.damage("the session's place"));
            }
            let (count, keyed) = (take.small("count")?, take.small("keys")?);
            let last_seq = first_seq.checked_add(take.small("span")?).ok_or(take.damage("span"))?;
            let first_at = Time::from_ns(take.u64("first time")?);
            let writers = take.count(18, "writers")?;
            let writers = (0..writers).map(|_| numbers(take)).collect::<Result<_, _>>()?;
            let debits = take.rest();
            Ok(Self { session, first_seq, last_seq, at, writers, keyed, count, first_at, debits, version })
        })
    }

    /// Reads the debits in order. *Errors*: `Corrupt`, naming the place; nothing is visited twice.
    pub(crate) fn items(&self, mut visit: impl FnMut(&Item<'a>)) -> Result<(), StorageFault> {
        let mut reader = Reader {
            take: Take::new(self.debits),
            before: Before { seq: self.first_seq, at: self.first_at, ..Before::default() },
            last: self.writers.iter().map(|numbers| numbers.first).collect(),
            chunk: self,
        };
        let mut all = || {
            for nth in 0..self.count {
                let item = reader.next(nth == 0)?;
                visit(&item);
            }
            reader.take.end("what follows the last debit")?;
            if reader.before.seq == self.last_seq { Ok(()) } else { Err(reader.take.damage("the last seq")) }
        };
        all().map_err(|damage: Damage| CHUNK.corrupt(&self.at.key(self.first_seq), damage))
    }

    /// Returns whether a number may be among these debits.
    pub(crate) fn may_have(&self, writer: WriterId, number: u64) -> bool {
        self.writers.iter().any(|n| n.writer == writer && (n.first..=n.last).contains(&number))
    }
}

fn numbers(take: &mut Take<'_>) -> Result<Numbers, Damage> {
    let writer = WriterId::from_bits(take.u128("writer")?).map_err(|_| take.damage("writer"))?;
    let first = take.small("first number")?;
    let last = first.checked_add(take.small("numbers")?).ok_or(take.damage("numbers"))?;
    Ok(Numbers { writer, first, last })
}

struct Reader<'v, 'a> {
    take: Take<'a>,
    before: Before,
    /// The last number of each writer.
    last: Vec<u64>,
    chunk: &'v View<'a>,
}

impl<'a> Reader<'_, 'a> {
    fn next(&mut self, is_first: bool) -> Result<Item<'a>, Damage> {
        let flags = self.flags()?;
        let take = &mut self.take;
        let step = take.small("seq")?;
        if is_first != (step == 0) {
            return Err(take.damage("seq"));
        }
        let seq = self.before.seq.checked_add(step).ok_or(take.damage("seq"))?;
        let at = self.before.at.ns().checked_add(take.small("time")?).ok_or(take.damage("time"))?;
        let payee = if flags & SAME_PAYEE == 0 {
            take.narrow("payee")?
        } else {
            self.before.payee.ok_or(take.damage("payee"))?
        };
        let asked = if flags & SAME_ASKED == 0 {
            Amount::from_nanos(take.small("asked")?)
        } else {
            self.before.asked.ok_or(take.damage("asked"))?
        };
        let taken = if flags & TAKEN == 0 { None } else { Some(Amount::from_nanos(take.small("taken")?)) };
        let verdict = if flags & DECLINED == 0 { None } else { Some(verdict(take)?) };
        let at = Time::from_ns(at);
        (self.before.seq, self.before.at) = (seq, at);
        (self.before.payee, self.before.asked) = (Some(payee), Some(asked));
        let by = self.name(flags)?;
        let take = &mut self.take;
        let reference = if flags & REFERENCE == 0 { "" } else { take.text("reference")? };
        let evidence = if flags & EVIDENCE == 0 { None } else { Some(take.array("evidence")?) };
        let what = if flags & WHAT == 0 { What::Debit } else { what(take)? };
        let taken = taken.unwrap_or(usually(verdict, asked));
        Ok(Item { seq, at, payee, asked, taken, verdict, by, reference, evidence, what })
    }

    fn flags(&mut self) -> Result<u16, Damage> {
        let take = &mut self.take;
        if self.chunk.version > 1 {
            let flags = take.narrow("flags")?;
            return if flags > FLAGS { Err(take.damage("flags")) } else { Ok(flags) };
        }
        let byte = take.u8("flags")?;
        let as_now = |flag, now| if byte & flag == 0 { 0 } else { now };
        let alike = u16::from(byte & !(EVIDENCE_V1 | NEXT_NUMBER_V1));
        Ok(alike | as_now(EVIDENCE_V1, EVIDENCE) | as_now(NEXT_NUMBER_V1, NEXT_NUMBER))
    }

    fn name(&mut self, flags: u16) -> Result<By, Damage> {
        let take = &mut self.take;
        if flags & KEYED != 0 {
            return Ok(By::Key(KeyHash(take.u128("key")?)));
        }
        let (at, step) = if flags & NEXT_NUMBER == 0 {
            (take.narrow("writer")?, take.small("number")?)
        } else {
            (self.before.writer.ok_or(take.damage("writer"))?, 1)
        };
        self.before.writer = Some(at);
        let known = self.chunk.writers.get(at).zip(self.last.get_mut(at));
        let (numbers, last) = known.ok_or(take.damage("writer"))?;
        let number = last.checked_add(step).filter(|number| *number <= numbers.last);
        *last = number.ok_or(take.damage("number"))?;
        Ok(By::Number { writer: numbers.writer, number: *last })
    }
}

fn what(take: &mut Take<'_>) -> Result<What, Damage> {
    let kind = take.u8("what")?;
    Ok(match kind {
        HOLD | HOLD_UNTIL => What::Hold {
            tolerance: Amount::from_nanos(take.small("tolerance")?),
            until: Time::from_ns(take.u64("until")?),
            until_was_asked: kind == HOLD_UNTIL,
        },
        CAPTURE..=LATE_LAST => {
            let hold = take.small("hold")?;
            match kind {
                VOID => What::Void { hold },
                _ => What::Capture {
                    hold,
                    last: matches!(kind, CAPTURE_LAST | LATE_LAST),
                    late: matches!(kind, LATE | LATE_LAST),
                },
            }
        }
        _ => return Err(take.damage("what")),
    })
}

fn verdict(take: &mut Take<'_>) -> Result<(DeclineCode, Level), Damage> {
    let code = DeclineCode::from_number(take.narrow("code")?).ok_or(take.damage("code"))?;
    let level = match take.u8("level")? {
        1 => Level::Account,
        2 => Level::Token,
        3 => Level::Session,
        4 => Level::Payee,
        _ => return Err(take.damage("level")),
    };
    Ok((code, level))
}

#[cfg(test)]
mod tests;
