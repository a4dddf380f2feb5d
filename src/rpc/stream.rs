//! Owns: one `AuthorizeStream`: reads batches as long as few enough are in flight, asks the engine at once, and answers in
//! order, each batch when all of it is durable. One task does all of it: no channel, no hand-off.
//! Never: reads on while a slow reader leaves answers standing: then nothing polls us, HTTP/2's window fills, and the
//! sender waits. So a stream costs at most its window and its batches in flight, which are bounded in number and in bytes.

mod batch;
mod fence;
mod gathered;

use crate::{decode, encode, journey::Journey, meter::OpenStream, service::Shared, stall::Pulse, status};
pub use batch::batch_debits;
use batch::{Batch, MESSAGE_BYTES};
use fence::Fence;
pub(crate) use fence::Streams;
use gathered::Gathered;
use std::{
    collections::{BTreeMap, VecDeque},
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tallystick_core::{SessionId, WriterId, session::SecretHash};
use tallystick_engine::{Fault, Ticket};
use tallystick_proto::v1::{
    self, authorize_stream_request::Message as Asked, authorize_stream_response::Message as Said,
};
use tokio::sync::OwnedSemaphorePermit;
use tokio_stream::Stream;
use tonic::{Status, Streaming};

/// Bounds the sessions whose secrets one stream presents.
const PRESENTED_MAX: usize = 10_000;

/// Is what a stream has presented, by session.
type Presented = BTreeMap<SessionId, SecretHash>;

type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Is one message that was asked and is not answered yet.
enum InFlight {
    Hello(Ticket<(WriterId, u32)>),
    Batch(Batch),
    Positions {
        tickets: VecDeque<(String, PositionTicket)>,
        done: Vec<v1::WriterPosition>,
        permit: OwnedSemaphorePermit,
    },
}

impl InFlight {
    fn bytes(&self) -> usize {
        match self {
            Self::Hello(_) => 0,
            Self::Batch(batch) => batch.bytes(),
            Self::Positions { permit, .. } => permit.num_permits(),
        }
    }
}

/// Is a position on its way, or what is wrong with the session's id.
type PositionTicket = Result<Ticket<u64>, (&'static str, &'static str)>;

/// Is what waits to be let in.
enum Admitted {
    Batches(Gathered),
    Positions(v1::PositionsRequest),
}

/// Is what was read and is done once everything before it has been asked.
enum PutOff {
    Positions(v1::PositionsRequest),
    Close(Option<Status>),
}

/// Says how the stream stands.
enum Phase {
    /// Reads and answers.
    Open,
    /// Answers what is in flight, then ends: with a status, or well.
    Closing(Option<Status>),
    /// Has ended.
    Over,
}

/// Is the answering side of one stream.
pub(crate) struct DebitStream {
    shared: Shared,
    streams: Streams,
    inbound: Streaming<v1::AuthorizeStreamRequest>,
    phase: Phase,
    greeted: bool,
    /// What was presented, by session.
    presented: Presented,
    writer: Option<Fence>,
    /// Each with when it was asked, in the watch's count.
    in_flight: VecDeque<(u64, InFlight)>,
    pulse: Pulse,
    /// What all of it is taken to cost.
    bytes_in_flight: usize,
    /// Batches that were read and not asked yet; empty when nothing more is ready to be read.
    gathered: Gathered,
    put_off: Option<PutOff>,
    /// What waits for its permit.
    admitting: Option<(Admitted, Waiting<Option<OwnedSemaphorePermit>>)>,
    drained: Waiting<()>,
    /// Since when the answer that was returned last could be heard; it is handed over when the next one is asked for.
    delivering_since_ns: Option<u64>,
    journey: Journey,
    _open: OpenStream,
}

impl DebitStream {
    pub(crate) fn new(
        shared: Shared,
        streams: Streams,
        inbound: Streaming<v1::AuthorizeStreamRequest>,
        pulse: Pulse,
    ) -> Self {
        let drained = Box::pin(shared.gate.clone().drained());
        let open = OpenStream::begin(&shared.meter);
        Self {
            shared,
            streams,
            inbound,
            phase: Phase::Open,
            greeted: false,
            presented: Presented::new(),
            writer: None,
            in_flight: VecDeque::new(),
            pulse,
            bytes_in_flight: 0,
            gathered: Gathered::default(),
            put_off: None,
            admitting: None,
            drained,
            delivering_since_ns: None,
            journey: Journey::begin(),
            _open: open,
        }
    }

    /// Tells that the answer returned last is encoded and in HTTP/2's hands, since the next one is asked for.
    fn tell_delivered(&mut self) {
        if let Some(since_ns) = self.delivering_since_ns.take() {
            let meter = &self.shared.meter;
            meter.delivered(meter.stopwatch_ns().saturating_sub(since_ns));
        }
    }

    /// Ends with a status, which is told first.
    fn end<T>(&mut self, status: Status) -> Result<T, Status> {
        self.journey.end_with(&status);
        self.shared.tell_refusal(Err(status))
    }

    fn close(&mut self, why: Option<Status>) {
        if matches!(self.phase, Phase::Open) {
            self.phase = Phase::Closing(why);
            (self.admitting, self.put_off, self.gathered) = (None, None, Gathered::default());
        }
    }

    /// Ends the stream when the server drains, or when a newer stream of the same writer is at work.
    fn poll_stops(&mut self, cx: &mut Context<'_>) {
        // A closing stream has been told, and what told it is finished: polling that again would panic.
        if !matches!(self.phase, Phase::Open) {
            return;
        }
        if self.drained.as_mut().poll(cx).is_ready() {
            return self.close(Some(status::draining()));
        }
        if let Some(epoch) = self.writer.as_mut().and_then(|fence| fence.poll_fenced(cx)) {
            self.close(Some(status::of_refusal(&tallystick_core::Refusal::WriterFenced { epoch })));
        }
    }

    /// Takes in as many messages as may be in flight: what can be read at once is asked at once.
    fn poll_inbound(&mut self, cx: &mut Context<'_>) {
        while matches!(self.phase, Phase::Open) {
            if let Some((_, permit)) = &mut self.admitting {
                let Poll::Ready(permit) = permit.as_mut().poll(cx) else { return };
                let Some((admitted, _)) = self.admitting.take() else { return };
                match permit {
                    Some(permit) => self.ask(admitted, permit),
                    None => self.close(Some(status::draining())),
                }
                continue;
            }
            let reads_on = self.put_off.is_none() && self.may_read() && !self.gathered.is_full();
            match if reads_on { Pin::new(&mut self.inbound).poll_next(cx) } else { Poll::Pending } {
                Poll::Ready(Some(Ok(message))) => self.take_in(message),
                Poll::Ready(Some(Err(status))) => self.put_off = Some(PutOff::Close(Some(status))),
                Poll::Ready(None) => self.put_off = Some(PutOff::Close(None)),
                Poll::Pending if !self.gathered.is_empty() => {
                    let gathered = std::mem::take(&mut self.gathered);
                    self.admit(gathered.bytes(), Admitted::Batches(gathered));
                }
                Poll::Pending => match self.put_off.take() {
                    Some(PutOff::Close(why)) => self.close(why),
                    Some(PutOff::Positions(asked)) => {
                        let bytes = MESSAGE_BYTES + asked.session_ids.len() * 256;
                        self.admit(bytes, Admitted::Positions(asked));
                    }
                    None => return,
                },
            }
        }
    }

    fn may_read(&self) -> bool {
        // What follows a hello needs the writer that the welcome brings.
        self.in_flight.len() < self.streams.batches_in_flight
            && self.bytes_in_flight <= self.shared.gate.stream_bytes_max()
            && self.greeted == self.writer.is_some()
    }

    fn take_in(&mut self, message: v1::AuthorizeStreamRequest) {
        let taken = match message.message {
            None => Err(status::malformed("message", "must be a hello, a batch, positions or a secret")),
            Some(Asked::Hello(hello)) if !self.greeted => hello_writer(&hello).map(|id| {
                self.greeted = true;
                let opened = self.shared.engine.open_writer(id);
                self.enqueue(InFlight::Hello(opened));
            }),
            Some(Asked::Hello(_)) => Err(status::malformed("hello", "must come once, first")),
            Some(_) if !self.greeted => Err(status::malformed("message", "must be a hello at first")),
            Some(Asked::Batch(batch)) => self.gathered.take(batch),
            Some(Asked::Present(shown)) => self.present(&shown),
            Some(Asked::Positions(asked)) => batch::check_table(&asked.session_ids, "session_ids")
                .map(|()| self.put_off = Some(PutOff::Positions(asked))),
        };
        if let Err(status) = taken {
            self.put_off = Some(PutOff::Close(Some(status)));
        }
    }

    /// Keeps what is presented for a session, for as long as the stream lasts.
    fn present(&mut self, shown: &v1::Present) -> Result<(), Status> {
        let session = decode::debited(&shown.session_id, "present.session_id").map_err(decode::refuse)?;
        let proof = decode::secret(&shown.secret, "present.secret").map_err(decode::refuse)?;
        let proof = proof.ok_or_else(|| status::malformed("present.secret", "must be given"))?;
        if self.presented.len() >= PRESENTED_MAX && !self.presented.contains_key(&session) {
            return Err(status::malformed("present", "must come for at most 10,000 sessions of a stream"));
        }
        self.presented.insert(session, proof);
        Ok(())
    }

    /// Asks at once if there is room, and waits for it otherwise.
    fn admit(&mut self, bytes: usize, admitted: Admitted) {
        match self.shared.gate.try_batch(bytes) {
            Some(permit) => self.ask(admitted, permit),
            None => self.admitting = Some((admitted, Box::pin(self.shared.gate.clone().batch(bytes)))),
        }
    }

    fn ask(&mut self, admitted: Admitted, permit: OwnedSemaphorePermit) {
        let Some(writer) = self.writer.as_ref().map(|fence| (fence.writer, fence.epoch)) else { return };
        match admitted {
            Admitted::Batches(gathered) => {
                let batch = Batch::ask(&self.shared, &gathered, (writer, &self.presented), permit);
                self.enqueue(InFlight::Batch(batch));
            }
            Admitted::Positions(asked) => {
                let ask = |text: String| {
                    let position = |id: SessionId| self.shared.engine.position(id, writer.0, writer.1);
                    let ticket = decode::debited(&text, "session_ids").map(position);
                    (text, ticket)
                };
                let tickets = asked.session_ids.into_iter().map(ask).collect();
                self.enqueue(InFlight::Positions { tickets, done: Vec::new(), permit });
            }
        }
    }

    fn enqueue(&mut self, asked: InFlight) {
        self.bytes_in_flight += asked.bytes();
        self.in_flight.push_back((self.pulse.now(), asked));
        self.tell_oldest();
    }

    /// Returns the oldest answer once it is durable.
    fn poll_front(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Said, Status>>> {
        let Some((_, front)) = self.in_flight.front_mut() else { return Poll::Ready(None) };
        let said = match front {
            InFlight::Hello(ticket) => {
                let opened = ready!(Pin::new(ticket).poll(cx));
                opened.map_err(|fault| status::of(&fault)).map(|(writer, epoch)| self.welcome(writer, epoch))
            }
            InFlight::Batch(batch) => {
                let result = ready!(batch.poll_durable(cx, self.shared.meter.as_ref()));
                if let Err(status) = result {
                    Err(status)
                } else if let Some(said) = self.next_answer() {
                    return Poll::Ready(Some(Ok(said)));
                } else {
                    // A batch has at least one message, and is let go of with its last.
                    return Poll::Pending;
                }
            }
            InFlight::Positions { tickets, done, .. } => {
                ready!(poll_positions(tickets, done, cx)).map(Said::Positions)
            }
        };
        self.let_go();
        Poll::Ready(Some(said))
    }

    /// Answers the next message of a batch that can be heard already.
    fn next_answer(&mut self) -> Option<Said> {
        let Some((_, InFlight::Batch(batch))) = self.in_flight.front_mut() else { return None };
        let result = batch.next_answer(self.shared.meter.as_ref())?;
        if batch.is_answered() {
            self.delivering_since_ns = Some(batch.durable_ns());
            self.let_go();
        }
        Some(Said::Batch(self.journey.count(result)))
    }

    /// Lets go of the oldest, which is answered.
    fn let_go(&mut self) {
        if let Some((_, answered)) = self.in_flight.pop_front() {
            self.bytes_in_flight -= answered.bytes();
            self.tell_oldest();
        }
    }

    fn tell_oldest(&self) {
        self.pulse.tell_oldest(self.in_flight.front().map(|(asked, _)| *asked));
    }

    fn welcome(&mut self, writer: WriterId, epoch: u32) -> Said {
        self.writer = Some(self.streams.enter(writer, epoch));
        let durability = encode::durability(&self.shared.engine).into();
        Said::Welcome(v1::Welcome { writer_id: writer.to_string(), epoch, durability })
    }
}

fn hello_writer(hello: &v1::Hello) -> Result<Option<WriterId>, Status> {
    if hello.writer_id.is_empty() {
        return Ok(None);
    }
    decode::writer(&hello.writer_id, "hello.writer_id").map(Some).map_err(decode::refuse)
}

fn poll_positions(
    tickets: &mut VecDeque<(String, PositionTicket)>,
    done: &mut Vec<v1::WriterPosition>,
    cx: &mut Context<'_>,
) -> Poll<Result<v1::Positions, Status>> {
    while let Some((_, ticket)) = tickets.front_mut() {
        let (last_number, refused) = match ticket {
            Err((field, rule)) => (0, Some(tallystick_core::Refusal::Malformed { field, rule })),
            Ok(ticket) => match ready!(Pin::new(ticket).poll(cx)) {
                Ok(last_number) => (last_number, None),
                Err(Fault::Refused(refusal)) => (0, Some(refusal)),
                Err(fault) => return Poll::Ready(Err(status::of(&fault))),
            },
        };
        let Some((session_id, _)) = tickets.pop_front() else { break };
        let refused = refused.as_ref().map(status::in_batch);
        done.push(v1::WriterPosition { session_id, last_number, refused });
    }
    Poll::Ready(Ok(v1::Positions { positions: std::mem::take(done) }))
}

impl Stream for DebitStream {
    type Item = Result<v1::AuthorizeStreamResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // What was asked together is answered together: nothing else is looked at in between.
        if let Some(said) = self.next_answer() {
            return Poll::Ready(Some(Ok(v1::AuthorizeStreamResponse { message: Some(said) })));
        }
        self.tell_delivered();
        self.poll_stops(cx);
        self.poll_inbound(cx);
        match ready!(self.poll_front(cx)) {
            Some(Ok(said)) => {
                return Poll::Ready(Some(Ok(v1::AuthorizeStreamResponse { message: Some(said) })));
            }
            Some(Err(status)) => {
                self.phase = Phase::Over;
                self.in_flight.clear();
                return Poll::Ready(Some(self.end(status)));
            }
            None => {}
        }
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Open => {
                self.phase = Phase::Open;
                Poll::Pending
            }
            Phase::Closing(Some(status)) => Poll::Ready(Some(self.end(status))),
            Phase::Closing(None) | Phase::Over => Poll::Ready(None),
        }
    }
}
