//! Owns: the operators' `Admin` service: a copy of the data folder, made on a thread of its own that gives way to those who
//! decide, sent as fast as it is read.
//! Never: more memory than a few parts; a copy that nobody reads and that holds the journal; a change.

use super::Ops;
use crate::background;
use std::{
    ops::ControlFlow,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};
use tallystick_engine::Engine;
use tallystick_journal::{Floor, StorageFault};
use tallystick_proto::admin::{
    BackupBegin, BackupEnd, BackupRequest, BackupResponse, RestoredTo, admin_server::Admin,
    backup_response::Part,
};
use tallystick_store::{
    Store, WeakStore,
    backup::{BACKUP_FORMAT, Copied, CopyFault, frame_into},
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// Is how much is sent at a time, about; a larger frame is sent in several parts.
const PART_BYTES: usize = 256 << 10;
/// Bounds the parts that wait.
const PARTS_WAITING: usize = 4;
/// How long a reader may take nothing.
const STALL_LIMIT: Duration = Duration::from_secs(60);

type Parts = mpsc::Sender<Result<BackupResponse, Status>>;

/// Is a data folder that can be copied.
#[derive(Debug)]
pub(crate) struct Archive {
    // A reader must not keep the data folder open.
    store: WeakStore,
    engine: Weak<Engine>,
    busy: Arc<AtomicBool>,
}

impl Archive {
    /// Copies `store`, as far as `engine` says that it is durable.
    pub(crate) fn new(store: &Store, engine: &Arc<Engine>) -> Self {
        Self { store: store.downgrade(), engine: Arc::downgrade(engine), busy: Arc::default() }
    }
}

/// Frees the place when the copy ends, however it does.
struct Turn(Arc<AtomicBool>);

impl Turn {
    fn take(busy: &Arc<AtomicBool>) -> Option<Self> {
        (!busy.swap(true, Ordering::AcqRel)).then(|| Self(Arc::clone(busy)))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Is the service.
#[derive(Debug, Clone)]
pub(super) struct AdminFace(pub(super) Arc<Ops>);

#[tonic::async_trait]
impl Admin for AdminFace {
    type BackupStream = ReceiverStream<Result<BackupResponse, Status>>;

    async fn backup(&self, request: Request<BackupRequest>) -> Result<Response<Self::BackupStream>, Status> {
        let archive =
            self.0.archive().ok_or_else(|| Status::unavailable("the server still reads its past"))?;
        let gone = || Status::unavailable("the server is stopping");
        let (store, engine) =
            (archive.store.upgrade().ok_or_else(gone)?, archive.engine.upgrade().ok_or_else(gone)?);
        let turn = Turn::take(&archive.busy).ok_or_else(|| {
            Status::resource_exhausted("another copy of this folder goes on; try again later")
        })?;
        let BackupRequest { after_seq, after_check } = request.into_inner();
        let after = (after_seq > 0).then_some(Floor { seq: after_seq, check: after_check });
        let (parts, made) = mpsc::channel(PARTS_WAITING);
        let (sent, stream) = mpsc::channel(PARTS_WAITING);
        tokio::spawn(pump(made, sent));
        let engine = Arc::downgrade(&engine);
        let work = move || {
            background::give_way();
            let _turn = turn;
            run(&store, &engine, after, &parts);
        };
        thread::Builder::new().name("backup".into()).spawn(work)?;
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

/// Hands parts on, until the reader is gone or takes nothing for too long: dropping the receiver ends the copy.
async fn pump(mut made: mpsc::Receiver<Result<BackupResponse, Status>>, sent: Parts) {
    while let Some(part) = made.recv().await {
        match timeout(STALL_LIMIT, sent.send(part)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return tracing::info!("a copy was not wanted any more"),
            Err(_) => return tracing::warn!("a copy ended, since its reader took nothing for a minute"),
        }
    }
}

fn run(store: &Store, engine: &Weak<Engine>, after: Option<Floor>, parts: &Parts) {
    let mut sending = Sending { parts, waiting: Vec::with_capacity(2 * PART_BYTES) };
    match copy(store, engine, after, &mut sending) {
        Ok(copied) if copied.is_whole => {
            let Floor { seq, check } = copied.last;
            tracing::info!(
                last_seq = seq,
                pieces = copied.pieces,
                after_seq = after.map(|at| at.seq),
                "copied"
            );
            let end = BackupEnd { last_seq: seq, last_check: check, frame_count: copied.pieces };
            let _ = sending.flush().is_continue() && sending.send(Part::End(end)).is_continue();
        }
        Ok(_) => {}
        Err(fault) => {
            tracing::warn!(%fault, "a copy failed");
            // Whoever is gone does not want to know.
            let _ = parts.blocking_send(Err(status(&fault)));
        }
    }
}

fn copy(
    store: &Store,
    engine: &Weak<Engine>,
    after: Option<Floor>,
    sending: &mut Sending<'_>,
) -> Result<Copied, CopyFault> {
    let restored = store.restored().iter().map(|at| RestoredTo { seq: at.seq, check: at.check }).collect();
    let begin = BackupBegin { format: BACKUP_FORMAT.into(), restored };
    if sending.send(Part::Begin(begin)).is_break() {
        return Ok(Copied::default());
    }
    let durable = || engine.upgrade().map_or(0, |engine| engine.durable_seq());
    store.copy(after, &durable, &mut |piece| {
        if engine.strong_count() == 0 {
            return Err(StorageFault::Io("the server is stopping".to_owned()));
        }
        Ok(sending.take(|waiting| frame_into(piece, waiting)))
    })
}

/// Gathers frames and sends them. Breaks when nobody reads any more.
struct Sending<'a> {
    parts: &'a Parts,
    waiting: Vec<u8>,
}

impl Sending<'_> {
    fn take(&mut self, put: impl FnOnce(&mut Vec<u8>)) -> ControlFlow<()> {
        put(&mut self.waiting);
        if self.waiting.len() >= PART_BYTES { self.flush() } else { ControlFlow::Continue(()) }
    }

    fn flush(&mut self) -> ControlFlow<()> {
        for part in self.waiting.chunks(PART_BYTES) {
            self.send(Part::Frames(part.to_vec()))?;
        }
        self.waiting.clear();
        ControlFlow::Continue(())
    }

    fn send(&self, part: Part) -> ControlFlow<()> {
        match self.parts.blocking_send(Ok(BackupResponse { part: Some(part) })) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

fn status(fault: &CopyFault) -> Status {
    let text = fault.to_string();
    match fault {
        CopyFault::Storage(StorageFault::Corrupt { .. } | StorageFault::Newer { .. }) => {
            Status::data_loss(text)
        }
        CopyFault::Storage(StorageFault::Io(_) | StorageFault::InUse(_)) => Status::internal(text),
        CopyFault::GivenBack { .. } => Status::out_of_range(text),
        CopyFault::Empty | CopyFault::OtherHistory { .. } => Status::failed_precondition(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    #[test]
    fn each_fault_has_its_code() {
        let corrupt = StorageFault::Corrupt { place: "journal".into(), finding: "gap".into() };
        let newer = StorageFault::Newer { place: "group".into(), found: 2, known: 1 };
        let table = [
            (CopyFault::Storage(corrupt), Code::DataLoss),
            (CopyFault::Storage(newer), Code::DataLoss),
            (CopyFault::Storage(StorageFault::Io("full".into())), Code::Internal),
            (CopyFault::Empty, Code::FailedPrecondition),
            (CopyFault::GivenBack { after_seq: 5, first_seq: 9 }, Code::OutOfRange),
            (CopyFault::OtherHistory { after_seq: 5, last_seq: 9 }, Code::FailedPrecondition),
        ];
        for (fault, code) in table {
            assert_eq!(status(&fault).code(), code, "{fault}");
        }
    }

    #[test]
    fn there_is_one_turn() {
        let busy = Arc::default();
        let turn = Turn::take(&busy).unwrap();
        assert!(Turn::take(&busy).is_none());
        drop(turn);
        assert!(Turn::take(&busy).is_some());
    }
}
