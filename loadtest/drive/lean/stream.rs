//! Owns: one stream of batches: what is written, what is heard, in which order. Never: a task besides the connection's, or
//! a lock.

use super::{
    Lane, Log, answers,
    course::Course,
    frames::{self, Frames},
    ids::{self, Ids, LENGTH_DELIMITED, VARINT, key},
    pace::{Pace, Start},
    sheet::Sheet,
    wire::{self, Talk, Wire},
};
use crate::{
    LoadError,
    drive::{Measures, UNANSWERED_MAX, measures::Landed},
};
use bytes::{BufMut as _, Bytes, BytesMut};
use prost::encoding::encode_varint;
use std::{
    collections::VecDeque,
    future::poll_fn,
    task::{Context, Poll},
    time::Duration,
};

/// A debit on the wire takes no more: five fields, of which two are of up to 10 bytes.
const DEBIT_BYTES_MAX: usize = 40;
const BATCH_ID_BYTES_MAX: usize = 11;

/// Is a stream that was opened and not used yet.
pub(super) struct Link {
    wire: Wire,
    talk: Talk,
}

/// Is a stream under load.
struct Streaming {
    wire: Wire,
    talk: Talk,
    lane: Lane,
    pace: Pace,
    writing: Writing,
    hearing: Hearing,
    frames: Frames,
    flights: VecDeque<Flight>,
    measures: Measures,
}

/// Writes batches.
struct Writing {
    sessions: Ids,
    payees: Ids,
    course: Course,
    debits: u32,
    batch_id: u64,
    out: BytesMut,
}

/// Adds up results, which come in the order of the debits.
struct Hearing {
    course: Course,
    debits: u32,
    batch_id: u64,
    sheet: Sheet,
}

/// Is as many messages as began together.
#[derive(Debug)]
struct Flight {
    start: Start,
    began: Duration,
    messages: u32,
}

impl Link {
    pub(super) async fn open(addr: &str) -> Result<Self, LoadError> {
        let mut wire = Wire::connect(addr).await?;
        let talk = wire.greet().await?;
        Ok(Self { wire, talk })
    }

    /// Streams until nothing more begins and every answer was heard.
    pub(super) async fn run(self, lane: Lane, mut pace: Pace) -> Result<Log, LoadError> {
        let Self { wire, talk } = self;
        let (share, debits) = (&lane.share, lane.debits_per_message);
        // A server remembers so many answers of one writer, and none must be lost.
        pace.limit(UNANSWERED_MAX / debits);
        let durability = talk.welcome.durability();
        let writing = Writing {
            sessions: Ids::sessions(share, 2),
            payees: Ids::payees(share, 3),
            course: Course::new(share),
            debits,
            batch_id: 0,
            out: BytesMut::new(),
        };
        let hearing = Hearing { course: Course::new(share), debits, batch_id: 0, sheet: Sheet::new(share) };
        let measures = Measures::new(lane.warmup)?;
        let (frames, flights) = (Frames::default(), VecDeque::new());
        let mut streaming = Streaming { wire, talk, lane, pace, writing, hearing, frames, flights, measures };
        poll_fn(|context| streaming.step(context)).await?;
        streaming.close().await?;
        let Streaming { hearing: Hearing { sheet, .. }, measures, .. } = streaming;
        Ok(Log { sheet, durability, measures })
    }
}

impl Streaming {
    /// Does all that waits for nothing.
    fn step(&mut self, context: &mut Context<'_>) -> Poll<Result<(), LoadError>> {
        loop {
            self.wire.turn(context)?;
            let now = self.lane.clock.elapsed();
            self.hear(context, now)?;
            if self.pace.is_over(now) {
                return Poll::Ready(Ok(()));
            }
            if !self.say(now)? {
                self.pace.sleep(context, now)?;
                return Poll::Pending;
            }
        }
    }

    fn hear(&mut self, context: &mut Context<'_>, now: Duration) -> Result<(), LoadError> {
        let mut messages = 0;
        while let Poll::Ready(chunk) = self.talk.hear.poll_data(context) {
            let Some(chunk) = chunk else { return Err(self.ended(context)) };
            let chunk = chunk.map_err(|error| LoadError::wire("hear an answer", error))?;
            self.frames.feed(&chunk, |message| {
                messages += 1;
                self.hearing.hear(message)
            })?;
            wire::release(&mut self.talk.hear, chunk.len())?;
        }
        self.land(messages, now)
    }

    /// Takes so many messages as answered.
    fn land(&mut self, answered: u32, now: Duration) -> Result<(), LoadError> {
        let mut messages = answered;
        while messages > 0 {
            let Some(flight) = self.flights.front_mut() else {
                return Err(LoadError::answer("hear an answer", "more than was asked"));
            };
            let count = flight.messages.min(messages);
            let Start { intended, free } = flight.start;
            let message_count = u64::from(count);
            let debit_count = message_count * u64::from(self.lane.debits_per_message);
            self.measures.add(Landed {
                intended,
                free,
                began: flight.began,
                heard: now,
                message_count,
                debit_count,
            });
            flight.messages -= count;
            messages -= count;
            if flight.messages == 0 {
                self.flights.pop_front();
            }
        }
        self.pace.land(answered, now);
        Ok(())
    }

    /// Writes every message that may begin; returns whether there was one.
    fn say(&mut self, now: Duration) -> Result<bool, LoadError> {
        while let Some(start) = self.pace.next(now) {
            self.writing.put(&self.hearing.course);
            match self.flights.back_mut() {
                Some(flight) if (flight.start, flight.began) == (start, now) => flight.messages += 1,
                _ => self.flights.push_back(Flight { start, began: now, messages: 1 }),
            }
        }
        if self.writing.out.is_empty() {
            return Ok(false);
        }
        let bytes = self.writing.out.split().freeze();
        self.talk.say.send_data(bytes, false).map_err(|error| LoadError::wire("send", error))?;
        Ok(true)
    }

    fn ended(&mut self, context: &mut Context<'_>) -> LoadError {
        let trailers = match self.talk.hear.poll_trailers(context) {
            Poll::Ready(Ok(trailers)) => trailers.unwrap_or_default(),
            Poll::Ready(Err(error)) => return LoadError::wire("hear an answer", error),
            Poll::Pending => http::HeaderMap::new(),
        };
        let ended = || LoadError::answer("hear an answer", "the end of the stream");
        wire::check_status(&trailers).map_or_else(|error| error, |()| ended())
    }

    /// Says that no more comes, and hears the server say so too.
    async fn close(&mut self) -> Result<(), LoadError> {
        let doing = "close a stream";
        let Self { wire, talk, .. } = self;
        talk.say.send_data(Bytes::new(), true).map_err(|error| LoadError::wire(doing, error))?;
        let hear = &mut talk.hear;
        let closed = async {
            match hear.data().await {
                Some(Ok(_)) => Err(LoadError::answer(doing, "more than was asked")),
                Some(Err(error)) => Err(LoadError::wire(doing, error)),
                None => {
                    let trailers = hear.trailers().await.map_err(|error| LoadError::wire(doing, error))?;
                    wire::check_status(&trailers.unwrap_or_default())
                }
            }
        };
        wire.until(closed).await
    }
}

impl Hearing {
    fn hear(&mut self, message: &[u8]) -> Result<(), LoadError> {
        self.batch_id += 1;
        let Self { course, sheet, .. } = self;
        let (batch_id, count) = answers::read_batch(message, |answer| sheet.hear(course.advance(), answer))?;
        if (batch_id, count) != (self.batch_id, self.debits) {
            let (awaited, debits) = (self.batch_id, self.debits);
            let found = format!("{count} results of batch {batch_id} to {debits} debits of batch {awaited}");
            return Err(LoadError::answer("have every debit answered", found));
        }
        Ok(())
    }
}

impl Writing {
    /// Appends the next message: field 2 of `AuthorizeStreamRequest`, a `DebitBatch` that names each id once.
    ///
    /// A session's first debit in it acknowledges all that was heard.
    fn put(&mut self, heard: &Course) {
        self.batch_id += 1;
        let Self { sessions, payees, course, out, .. } = self;
        let (first, count) = (course.peek(), self.debits as usize);
        let own = sessions.count();
        let session_count = count.min(own);
        let payee_count = ((first.place + count - 1) / own + 1).min(payees.count());
        let session_ids = sessions.from(first.place, session_count);
        let payee_ids = payees.from(first.payee, payee_count);
        let length_most = BATCH_ID_BYTES_MAX + session_ids.len() + payee_ids.len() + count * DEBIT_BYTES_MAX;
        out.reserve(length_most + 16);
        frames::put(out, |out| {
            out.put_u8(key(2, LENGTH_DELIMITED));
            let at = out.len();
            let start = at + ids::length_bytes(length_most);
            out.put_bytes(0, start - at);
            out.put_u8(key(1, VARINT));
            encode_varint(self.batch_id, out);
            out.put_slice(session_ids);
            out.put_slice(payee_ids);
            let (mut session, mut payee) = (0, 0);
            for nth in 0..count {
                let step = course.advance();
                let acked = if nth < session_count { heard.passed(step.place) } else { 0 };
                let mut debit = Debit::new();
                for (field, number) in (1..).zip([session, payee, step.amount_nanos, step.number, acked]) {
                    debit.put(field, number);
                }
                out.put_slice(debit.done());
                session = if session + 1 == session_count as u64 { 0 } else { session + 1 };
                if step.place + 1 == own {
                    payee = if payee + 1 == payee_count as u64 { 0 } else { payee + 1 };
                }
            }
            let length = out.len() - start;
            put_length(&mut out[at..start], length);
        });
    }
}

/// Writes a length into exactly the bytes there are, which are enough.
fn put_length(place: &mut [u8], length: usize) {
    let last = place.len() - 1;
    for (nth, byte) in place.iter_mut().enumerate() {
        let more = if nth < last { 0x80 } else { 0 };
        *byte = u8::try_from(length >> (7 * nth) & 0x7f).unwrap_or(0) | more;
    }
}

/// Is field 4 of a `DebitBatch` as it is written.
struct Debit {
    bytes: [u8; DEBIT_BYTES_MAX + 2],
    end: usize,
}

impl Debit {
    fn new() -> Self {
        let mut bytes = [0; DEBIT_BYTES_MAX + 2];
        bytes[0] = key(4, LENGTH_DELIMITED);
        Self { bytes, end: 2 }
    }

    /// Appends a number, unless it is 0, which is not written.
    #[inline]
    fn put(&mut self, field: u8, mut number: u64) {
        if number == 0 {
            return;
        }
        self.bytes[self.end] = key(field, VARINT);
        self.end += 1;
        while number >= 0x80 {
            self.bytes[self.end] = (number & 0x7f) as u8 | 0x80;
            self.end += 1;
            number >>= 7;
        }
        self.bytes[self.end] = (number & 0x7f) as u8;
        self.end += 1;
    }

    fn done(&mut self) -> &[u8] {
        // At most what there is room for: one byte says it.
        self.bytes[1] = u8::try_from(self.end - 2).unwrap_or(u8::MAX);
        &self.bytes[..self.end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{drive::share::Share, stage::Stage};
    use prost::Message as _;
    use std::sync::Arc;
    use tallystick_client::{
        PayeeId, SessionId,
        v1::{AuthorizeStreamRequest, authorize_stream_request::Message},
    };

    #[test]
    fn a_batch_reads_as_the_debits_of_the_share_in_order() {
        let stage = Arc::new(Stage {
            payees: (0..3).map(|n| PayeeId::new(&format!("pay_{n}"))).collect(),
            sessions: (0..11).map(|n| SessionId::new(&format!("ses_{n}{}", "x".repeat(n)))).collect(),
            label: String::new(),
        });
        for debits in [1, 2, 3, 4, 5, 9, 40, 500] {
            let share = Share { stage: Arc::clone(&stage), first: 1, step: 2 };
            let mut writing = Writing {
                sessions: Ids::sessions(&share, 2),
                payees: Ids::payees(&share, 3),
                course: Course::new(&share),
                debits,
                batch_id: 0,
                out: BytesMut::new(),
            };
            let mut heard = Course::new(&share);
            for _ in 0..debits {
                heard.advance();
            }
            (0..50).for_each(|_| writing.put(&heard));
            let (mut frames, mut nth, mut batches) = (Frames::default(), 0, 0);
            let mut numbers = [0; 11];
            frames
                .feed(&writing.out, |message| {
                    let read = AuthorizeStreamRequest::decode(message).unwrap();
                    let Some(Message::Batch(batch)) = read.message else { panic!("no batch") };
                    batches += 1;
                    assert_eq!((batch.batch_id, batch.debits.len()), (batches, debits as usize));
                    let (sessions, payees) = (batch.session_ids.len(), batch.payee_ids.len());
                    assert!(sessions <= 5 && payees <= 3 && sessions <= batch.debits.len());
                    for (place, said) in batch.debits.iter().enumerate() {
                        let debit = share.debit(nth);
                        nth += 1;
                        numbers[debit.session] += 1;
                        let session = &batch.session_ids[said.session as usize];
                        let payee = &batch.payee_ids[said.payee as usize];
                        assert_eq!(session, share.session(&debit).as_str());
                        assert_eq!(payee, share.payee(&debit).as_str());
                        assert_eq!(said.amount_nanos, debit.amount_nanos);
                        assert_eq!(said.number, numbers[debit.session]);
                        let acked = heard.passed((debit.session - 1) / 2);
                        assert_eq!(said.acked_through, if place < sessions { acked } else { 0 });
                    }
                    Ok(())
                })
                .unwrap();
            assert_eq!((batches, frames.is_empty()), (50, true));
        }
    }
}
