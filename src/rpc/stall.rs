//! Owns: streams whose answers nobody reads. A stream that is not asked for its next answer costs its permits and its
//! answers, and nothing polls it, so it cannot end itself: the watch does. What was decided stays decided, and is
//! answered again under its key or number. Who reads on hears what HTTP/2 had taken, and then the status; who never
//! does loses the connection.
//! Never: a clock on the way of an answer; the watch counts ticks, and answers read its count.

use crate::{Gate, Meter, Peer, status};
use http_body::Frame;
use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tallystick_proto::v1;
use tokio::time::{MissedTickBehavior, interval};
use tonic::{
    Status,
    body::Body,
    codegen::{Body as HttpBody, Bytes, http::HeaderMap},
};

/// How often the watch looks.
const TICK: Duration = Duration::from_millis(100);
/// Is how many ticks pass between two lines of the log.
const LOG_TICKS: u64 = 10;

/// Says how long answers may stand unread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// At most, and as long as nobody else is held up.
    pub(crate) calm: Duration,
    /// While other streams wait for room.
    pub(crate) pressed: Duration,
}

/// Is what a stream tells the watch. *Cost*: a load and a store for each group of messages.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pulse(Arc<Beats>);

#[derive(Debug, Default)]
struct Beats {
    /// The watch's count.
    now: Arc<AtomicU64>,
    /// When the oldest message in flight was asked; 0 with none in flight.
    oldest: AtomicU64,
    /// When something was handed out that HTTP/2 has not asked beyond; 0 while it has.
    handed: AtomicU64,
}

impl Pulse {
    /// Returns the time, in the watch's count.
    pub(crate) fn now(&self) -> u64 {
        self.0.now.load(Ordering::Relaxed)
    }

    /// Tells when the oldest message in flight was asked.
    pub(crate) fn tell_oldest(&self, asked: Option<u64>) {
        self.0.oldest.store(asked.unwrap_or(0), Ordering::Relaxed);
    }
}

/// Ends streams that stand still.
pub(crate) struct Watch {
    now: Arc<AtomicU64>,
    patience: Patience,
    gate: Gate,
    meter: Arc<dyn Meter>,
    // LOCK: held to add a stream, and to take all out for a look; never while a stream is looked at.
    seats: Mutex<Vec<Weak<Seat>>>,
}

/// Writes a status as what ends a body.
fn trailers(status: &Status) -> Result<Frame<Bytes>, Status> {
    let mut headers = HeaderMap::new();
    status.add_header(&mut headers)?;
    Ok(Frame::trailers(headers))
}

/// Is a stream under watch.
pub(crate) struct Seat {
    pulse: Pulse,
    peer: Option<Peer>,
    // LOCK: held by HTTP/2 while it asks for more, and by the watch when it has seen that HTTP/2 does not.
    answers: Mutex<Answers>,
}

/// Says what a stream has to tell.
enum Answers {
    Going(Body),
    /// Ended by the watch, at this count.
    Ended(Status, u64),
    Over,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    /// Begins to watch, until the last handle is dropped.
    pub(crate) fn start(patience: Patience, gate: Gate, meter: Arc<dyn Meter>) -> Arc<Self> {
        let (now, seats) = (Arc::new(AtomicU64::new(1)), Mutex::default());
        let watch = Arc::new(Self { now, patience, gate, meter, seats });
        tokio::spawn(keep_watch(Arc::downgrade(&watch)));
        watch
    }

    /// Makes the pulse of a stream that is about to open.
    pub(crate) fn pulse(&self) -> Pulse {
        Pulse(Arc::new(Beats { now: Arc::clone(&self.now), ..Beats::default() }))
    }

    /// Takes a stream under watch.
    pub(crate) fn seat(&self, answers: Body, pulse: Pulse, peer: Option<Peer>) -> Arc<Seat> {
        let seat = Arc::new(Seat { pulse, peer, answers: Mutex::new(Answers::Going(answers)) });
        locked(&self.seats).push(Arc::downgrade(&seat));
        seat
    }

    /// Looks at every stream once. Returns how many it ended, and one of their peers.
    fn look(&self) -> (u64, Option<Peer>) {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        let (calm, pressed) = (ticks(self.patience.calm), ticks(self.patience.pressed));
        let allowed = if self.gate.is_pressed() { pressed } else { calm };
        let mut seats = std::mem::take(&mut *locked(&self.seats));
        let (mut ended, mut one) = (0, None);
        seats.retain(|seat| {
            let Some(seat) = seat.upgrade() else { return false };
            if seat.look(now, allowed, calm) {
                let refused = status::stalled();
                self.meter.refused(status::reason(&refused).unwrap_or(v1::Refusal::Unspecified));
                (ended, one) = (ended + 1, seat.peer.clone());
            }
            true
        });
        locked(&self.seats).append(&mut seats);
        (ended, one)
    }
}

fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_millis().div_ceil(TICK.as_millis())).unwrap_or(u64::MAX).max(1)
}

async fn keep_watch(watch: Weak<Watch>) {
    let mut tick = interval(TICK);
    // A machine that stood still makes nobody slow: ticks that were missed are not counted.
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut quiet, mut untold) = (LOG_TICKS, 0);
    loop {
        tick.tick().await;
        let Some(watch) = watch.upgrade() else { return };
        let (ended, peer) = watch.look();
        (quiet, untold) = (quiet + 1, untold + ended);
        if untold > 0 && quiet >= LOG_TICKS {
            let peer = peer.map(|peer| peer.address().to_string()).unwrap_or_default();
            tracing::warn!(streams = untold, one_of = %peer, "ended streams whose answers nobody reads");
            (quiet, untold) = (0, 0);
        }
    }
}

impl Seat {
    /// Ends the stream if it stands still for longer than `allowed`; hangs up when it was ended and does not even hear
    /// that for `last` more. Returns whether it ended it now.
    fn look(&self, now: u64, allowed: u64, last: u64) -> bool {
        let beats = &self.pulse.0;
        let handed = beats.handed.load(Ordering::Relaxed);
        if handed == 0 {
            return false;
        }
        let oldest = beats.oldest.load(Ordering::Relaxed);
        // Who reads a little now and then is asked for more each time; what was asked first tells how far behind it is.
        let since = if oldest == 0 { handed } else { oldest.min(handed) };
        if now.saturating_sub(since) <= allowed {
            return false;
        }
        let mut answers = locked(&self.answers);
        let ended = match &*answers {
            Answers::Going(_) if beats.handed.load(Ordering::Relaxed) != 0 => {
                std::mem::replace(&mut *answers, Answers::Ended(status::stalled(), now))
            }
            Answers::Ended(_, at) => {
                if now.saturating_sub(*at) > last
                    && let Some(peer) = &self.peer
                {
                    peer.hang_up();
                }
                return false;
            }
            Answers::Going(_) | Answers::Over => return false,
        };
        // ORDER: the lock is released before the stream ends, which takes locks of its own.
        drop(answers);
        drop(ended);
        true
    }

    /// Asks for more, as HTTP/2 does when the reader has room.
    pub(crate) fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let beats = &self.pulse.0;
        let mut answers = locked(&self.answers);
        beats.handed.store(0, Ordering::Relaxed);
        let polled = match &mut *answers {
            Answers::Going(body) => Pin::new(body).poll_frame(cx),
            Answers::Ended(status, _) => Poll::Ready(Some(trailers(status))),
            Answers::Over => Poll::Ready(None),
        };
        match &polled {
            Poll::Ready(Some(Ok(frame))) if frame.is_data() => {
                beats.handed.store(self.pulse.now(), Ordering::Relaxed);
            }
            Poll::Ready(_) => *answers = Answers::Over,
            Poll::Pending => {}
        }
        polled
    }
}
