//! Owns: all calls of one connection, each under a key or a number of its own. Never: a task a call; uses a key twice.

use super::{
    Lane, Log,
    answers::{self, Decided},
    course::{Course, Step},
    frames::{self, Frames},
    ids::{Ids, LENGTH_DELIMITED, VARINT, key, put_text},
    pace::{Pace, Start},
    sheet::Sheet,
    wire::{self, Talk, Wire},
};
use crate::{
    LoadError,
    drive::{Measures, measures::Landed, share::Share},
};
use bytes::{BufMut as _, BytesMut};
use h2::{RecvStream, client::ResponseFuture};
use http::Request;
use prost::{Message as _, encoding::encode_varint};
use std::{
    future::poll_fn,
    io::Write as _,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tallystick_client::v1::{Durability, WriterNumber};

const CALL: &str = "/tallystick.v1.Authorizer/Authorize";
/// Room for many requests at a time.
const OUT_BYTES: usize = 64 << 10;

/// Is a connection that was made and not used yet.
pub(super) struct Caller {
    wire: Wire,
    writer: Option<Talk>,
    request: Request<()>,
}

/// Is a connection under load.
struct Calling {
    wire: Wire,
    lane: Lane,
    pace: Pace,
    writing: Writing,
    calls: Vec<Call>,
    log: Log,
}

/// Writes requests.
struct Writing {
    request: Request<()>,
    sessions: Ids,
    payees: Ids,
    course: Course,
    intents: Intents,
    out: BytesMut,
    intent: Vec<u8>,
}

/// Says how an intent is recognised when it is sent again.
enum Intents {
    /// Each by a key: this and a number.
    Keys { prefix: String, nth: u64 },
    /// Each by its session's next number. A session's debits go one at a time, since calls may overtake one another.
    Numbers { talk: Talk, busy: Vec<bool>, waits: bool },
}

/// Is one call on its way.
struct Call {
    step: Step,
    start: Start,
    began: Duration,
    answer: Reply,
}

/// Is as much of an answer as has come.
enum Reply {
    Awaited(ResponseFuture),
    Coming { body: RecvStream, frames: Frames, decided: Option<Decided> },
}

impl Caller {
    pub(super) async fn open(addr: &str, numbered: bool) -> Result<Self, LoadError> {
        let mut wire = Wire::connect(addr).await?;
        let writer = if numbered { Some(wire.greet().await?) } else { None };
        let request = wire.request(CALL)?;
        Ok(Self { wire, writer, request })
    }

    /// Calls until nothing more begins and every answer was heard.
    pub(super) async fn run(self, lane: Lane, pace: Pace) -> Result<Log, LoadError> {
        let Self { wire, writer, request } = self;
        let share = &lane.share;
        let log = Log {
            sheet: Sheet::new(share),
            durability: Durability::Unspecified,
            measures: Measures::new(lane.warmup)?,
        };
        let writing = Writing::new(share, request, writer);
        let mut calling = Calling { wire, lane, pace, writing, calls: Vec::new(), log };
        poll_fn(|context| calling.step(context)).await?;
        Ok(calling.log)
    }
}

impl Calling {
    /// Does all that waits for nothing.
    fn step(&mut self, context: &mut Context<'_>) -> Poll<Result<(), LoadError>> {
        loop {
            self.wire.turn(context)?;
            let now = self.lane.clock.elapsed();
            self.hear(context, now)?;
            if self.pace.is_over(now) {
                return Poll::Ready(Ok(()));
            }
            if !self.say(context, now)? {
                self.pace.sleep(context, now)?;
                return Poll::Pending;
            }
        }
    }

    fn hear(&mut self, context: &mut Context<'_>, now: Duration) -> Result<(), LoadError> {
        let mut index = 0;
        while let Some(call) = self.calls.get_mut(index) {
            let Poll::Ready(decided) = call.answer.poll(context)? else {
                index += 1;
                continue;
            };
            let Call { step, start: Start { intended, free }, began, .. } = self.calls.swap_remove(index);
            if decided.amount_nanos != step.amount_nanos {
                let found = format!("{decided:?} to {step:?}");
                return Err(LoadError::answer("have the whole amount decided", found));
            }
            self.log.sheet.hear(step, decided.answer);
            self.log.durability = decided.durability;
            self.pace.land(1, now);
            if self.writing.intents.land(step.place) {
                self.pace.freed(now);
            }
            let landed = Landed { intended, free, began, heard: now, message_count: 1, debit_count: 1 };
            self.log.measures.add(landed);
        }
        Ok(())
    }

    /// Begins every call that may; returns whether there was one.
    fn say(&mut self, context: &mut Context<'_>, now: Duration) -> Result<bool, LoadError> {
        let mut any = false;
        let doing = "begin a call";
        loop {
            // Pending while the server takes no more calls on this connection.
            let ready = self.wire.requests.poll_ready(context);
            if ready.map_err(|error| LoadError::wire(doing, error))?.is_pending()
                || !self.writing.intents.allow(self.writing.course.peek().place)
            {
                return Ok(any);
            }
            let Some(start) = self.pace.next(now) else { return Ok(any) };
            let request = self.writing.request.clone();
            let (response, mut body) = self
                .wire
                .requests
                .send_request(request, false)
                .map_err(|error| LoadError::wire(doing, error))?;
            let step = self.writing.put();
            let bytes = self.writing.out.split().freeze();
            body.send_data(bytes, true).map_err(|error| LoadError::wire(doing, error))?;
            self.calls.push(Call { step, start, began: now, answer: Reply::Awaited(response) });
            any = true;
        }
    }
}

impl Reply {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Decided, LoadError>> {
        let doing = "hear an answer";
        if let Self::Awaited(response) = self {
            let response = ready!(Pin::new(response).poll(context));
            let body = wire::body_of(response.map_err(|error| LoadError::wire(doing, error))?)?;
            *self = Self::Coming { body, frames: Frames::default(), decided: None };
        }
        let Self::Coming { body, frames, decided } = self else { return Poll::Pending };
        while let Some(chunk) = ready!(body.poll_data(context)) {
            let chunk = chunk.map_err(|error| LoadError::wire(doing, error))?;
            frames.feed(&chunk, |message| match decided.replace(answers::read_decision(message)?) {
                None => Ok(()),
                Some(first) => Err(LoadError::answer(doing, format!("twice, first {first:?}"))),
            })?;
            wire::release(body, chunk.len())?;
        }
        let trailers = ready!(body.poll_trailers(context)).map_err(|error| LoadError::wire(doing, error))?;
        wire::check_status(&trailers.unwrap_or_default())?;
        Poll::Ready(decided.take().ok_or_else(|| LoadError::answer(doing, "no decision")))
    }
}

impl Writing {
    fn new(share: &Share, request: Request<()>, writer: Option<Talk>) -> Self {
        let intents = match writer {
            None => Intents::Keys { prefix: format!("{}-{}-", share.stage.label, share.first), nth: 0 },
            Some(talk) => Intents::Numbers { talk, busy: vec![false; share.own_count()], waits: false },
        };
        Self {
            request,
            sessions: Ids::sessions(share, 1),
            payees: Ids::payees(share, 2),
            course: Course::new(share),
            intents,
            out: BytesMut::new(),
            intent: Vec::new(),
        }
    }

    /// Appends the next `AuthorizeRequest`.
    fn put(&mut self) -> Step {
        let Self { sessions, payees, course, intents, out, intent, .. } = self;
        let step = course.advance();
        intents.put(&step, intent);
        if out.capacity() < OUT_BYTES / 64 {
            out.reserve(OUT_BYTES);
        }
        frames::put(out, |out| {
            out.put_slice(sessions.from(step.place, 1));
            out.put_slice(payees.from(step.payee, 1));
            out.put_u8(key(3, VARINT));
            encode_varint(step.amount_nanos, out);
            out.put_slice(intent);
        });
        step
    }
}

impl Intents {
    /// Returns whether a debit of the session may begin; if not, `land` will say when.
    fn allow(&mut self, place: usize) -> bool {
        let Self::Numbers { busy, waits, .. } = self else { return true };
        *waits = busy[place];
        !*waits
    }

    /// Notes that a session's debit was answered; returns whether some debit may have waited for that.
    fn land(&mut self, place: usize) -> bool {
        let Self::Numbers { busy, waits, .. } = self else { return false };
        busy[place] = false;
        std::mem::take(waits)
    }

    /// Writes the next intent.
    fn put(&mut self, step: &Step, out: &mut Vec<u8>) {
        out.clear();
        match self {
            Self::Keys { prefix, nth } => {
                put_text(out, 5, prefix);
                let before = out.len();
                // Writing to memory does not fail.
                let _ = write!(out, "{nth}");
                // The key is shorter than 128 bytes: one byte says how long it is.
                out[1] += u8::try_from(out.len() - before).unwrap_or(0);
                *nth += 1;
            }
            Self::Numbers { talk, busy, .. } => {
                busy[step.place] = true;
                let number = WriterNumber {
                    writer_id: talk.welcome.writer_id.clone(),
                    epoch: talk.welcome.epoch,
                    number: step.number,
                    acked_through: step.number - 1,
                };
                out.push(key(6, LENGTH_DELIMITED));
                encode_varint(number.encoded_len() as u64, out);
                number.encode_raw(out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Stage;
    use std::sync::Arc;
    use tallystick_client::{
        PayeeId, SessionId,
        v1::{AuthorizeRequest, authorize_request::Intent},
    };

    #[test]
    fn a_request_reads_as_the_shares_debit_under_a_key_of_its_own() {
        let stage = Arc::new(Stage {
            payees: vec![PayeeId::new("pay_1"), PayeeId::new("pay_2")],
            sessions: (0..5).map(|n| SessionId::new(&format!("ses_{n}"))).collect(),
            label: "load-wri_1".to_owned(),
        });
        let share = Share { stage, first: 1, step: 2 };
        let mut writing = Writing::new(&share, Request::new(()), None);
        for nth in 0..1_200 {
            writing.put();
            let bytes = writing.out.split();
            let read = AuthorizeRequest::decode(&bytes[5..]).unwrap();
            let debit = share.debit(nth);
            let wanted = AuthorizeRequest {
                session_id: share.session(&debit).to_string(),
                payee_id: share.payee(&debit).to_string(),
                amount_nanos: debit.amount_nanos,
                intent: Some(Intent::IdempotencyKey(format!("load-wri_1-1-{nth}"))),
                ..AuthorizeRequest::default()
            };
            assert_eq!(read, wanted);
        }
    }
}
