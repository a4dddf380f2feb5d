//! Owns: a server's life: storage is opened, the past read, faces put on; then it serves until it is asked to stop or
//! cannot go on; then it is taken apart in order. Listener, configuration and the wish to stop are handed in.
//! Never: ends the process; reads a signal, a file or the environment.

use crate::{
    AnchoredClock, Config, JournalBell, LoggedEvents, OsIds, SealedKey, ServeFault, clock_watch,
    events::LoggedProjection,
    ops::{Archive, Live, MeteredEvents, Metrics, Ops, OpsListener},
    readiness::{Readiness, Unready},
    transport::{self, Doors, Incoming},
};
use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tallystick_client::DrawnKey;
use tallystick_core::{Clock as _, command::CreateCredential, role::Roles};
use tallystick_engine::{Engine, Fault, Parts, Running};
use tallystick_projection::{Follower, Following};
use tallystick_rpc::{Anonymous, Front, Gate, Services};
use tallystick_store::{Store, StoreOptions};
use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::{AbortHandle, JoinHandle, spawn_blocking},
    time::{sleep, timeout},
};
use tonic::service::Routes;
use tonic_health::{
    pb::health_server::HealthServer,
    server::{HealthReporter, HealthService},
};

/// How long a draining server still takes calls and refuses them politely, so that whoever watches its health goes
/// elsewhere before connections end.
const DRAIN_NOTICE: Duration = Duration::from_millis(250);
/// How long after a failure of the journal the answers that say so may still leave.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// How long the threads of a failed engine are waited for; one may be stuck in the disk.
const FAILED_STOP: Duration = Duration::from_secs(1);

type Serving = JoinHandle<Result<(), tonic::transport::Error>>;

/// Is where a server listens.
#[derive(Debug)]
pub struct Listeners {
    /// For callers.
    pub service: TcpListener,
    /// For operators, if they are to be answered.
    pub ops: Option<TcpListener>,
}

impl From<TcpListener> for Listeners {
    fn from(service: TcpListener) -> Self {
        Self { service, ops: None }
    }
}

/// Is a server that has read its past and can begin to serve.
#[expect(missing_debug_implementations, reason = "as `Running`")]
pub struct App {
    listener: TcpListener,
    ops: Option<OpsListener>,
    front: Front,
    doors: Doors,
    metrics: Arc<Metrics>,
    following: Following,
    running: Running,
    gate: Gate,
    readiness: Arc<Readiness>,
    bell: JournalBell,
    clock: Arc<AnchoredClock>,
    config: Config,
    development_key: Option<DrawnKey>,
}

/// Starts, and serves until `shutdown` or until it cannot go on. Returns once everything is stopped.
///
/// *Errors*: everything but an orderly end.
pub async fn serve(
    config: Config,
    listeners: impl Into<Listeners>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeFault> {
    App::start(config, listeners).await?.run(shutdown).await
}

impl App {
    /// Opens the data folder, reads the past, and puts the services together. Operators are answered from the beginning.
    ///
    /// *Errors*: storage that is in use, damaged or failing.
    pub async fn start(config: Config, listeners: impl Into<Listeners>) -> Result<Self, ServeFault> {
        let Listeners { service: listener, ops } = listeners.into();
        let clock = Arc::new(AnchoredClock::start());
        let (logged, bell) = LoggedEvents::new();
        let metrics = Arc::new(Metrics::new(Arc::clone(&clock)));
        let reporter = HealthReporter::new();
        let readiness = Arc::new(Readiness::ready(reporter.clone()).await);
        readiness.lose(Unready::Starting).await;
        let seen = Ops::new(Arc::clone(&metrics), Arc::clone(&readiness), bell.clone());
        let ops = ops.map(|listener| OpsListener::start(listener, Arc::clone(&seen))).transpose()?;
        let events = MeteredEvents { metrics: Arc::clone(&metrics), logged };
        let started = {
            let (config, clock) = (config.clone(), Arc::clone(&clock));
            spawn_blocking(move || start_engine(&config, &clock, events))
        };
        let (running, following, store) = started.await??;
        let development_key = match config.anonymous {
            Anonymous::Nobody => first_key(running.engine()).await?,
            Anonymous::Development => None,
        };
        let lookups = following.lookups().clone();
        let services = Services::new(Arc::clone(running.engine()), lookups.clone(), config.limits())
            .metered(Arc::clone(&metrics) as _)
            .anonymous(config.anonymous)
            .sealed(Arc::new(sealed_key(&config)?));
        let (gate, doors) = (services.gate(), Doors::new(&config.network));
        let front = front(services, reporter)?;
        let engine = Arc::clone(running.engine());
        let lag = Box::new(move || Some(lookups.lag(engine.durable_seq())));
        seen.show(Live::new(running.engine(), (gate.clone(), doors.clone()), Arc::clone(&clock), Some(lag)));
        seen.keep(Archive::new(&store, running.engine()));
        readiness.regain(Unready::Starting).await;
        Ok(Self {
            listener,
            ops,
            front,
            doors,
            metrics,
            following,
            running,
            gate,
            readiness,
            bell,
            clock,
            config,
            development_key,
        })
    }

    /// Returns where callers connect.
    pub fn address(&self) -> Result<SocketAddr, ServeFault> {
        Ok(self.listener.local_addr()?)
    }

    /// Returns where operators ask, if they are answered.
    pub fn ops_address(&self) -> Option<SocketAddr> {
        self.ops.as_ref().map(OpsListener::address)
    }

    /// Returns the key that was made because the journal had no credential, once: it is kept nowhere.
    pub fn take_development_key(&mut self) -> Option<String> {
        self.development_key.take().map(|key| key.text)
    }

    /// Serves until `shutdown` or until it cannot go on. Returns once everything is stopped.
    ///
    /// *Errors*: everything but an orderly end.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Result<(), ServeFault> {
        let ops = self.ops.take();
        let end = self.serve(shutdown).await;
        // ORDER: last of all, so that whoever watches sees why it ends.
        if let Some(ops) = ops {
            ops.stop().await;
        }
        end
    }

    async fn serve(mut self, shutdown: impl Future<Output = ()>) -> Result<(), ServeFault> {
        let watches = [self.watch_clock(), self.report_turned_away()];
        let (network, counts) = (&self.config.network, Arc::clone(&self.metrics.connections));
        let incoming = Incoming::new(self.listener, self.doors, network, counts);
        let (close, closed) = oneshot::channel::<()>();
        // Dropping `close` closes too: nobody is left who could.
        let closed = async { drop(closed.await) };
        let serving = transport::server(network).serve_with_incoming_shutdown(self.front, incoming, closed);
        let mut serving: Serving = tokio::spawn(serving);
        let drain = Drain { gate: self.gate, readiness: self.readiness, limit: self.config.drain_timeout };
        let end = tokio::select! {
            () = shutdown => drain.run(close, &mut serving, &mut self.bell).await,
            () = self.bell.rung() => Err(ServeFault::JournalFailed),
            ended = &mut serving => ended_by_itself(ended),
        };
        watches.iter().for_each(AbortHandle::abort);
        if self.bell.has_rung() {
            // NOTE: the gate stays open: the engine refuses by itself, and says what is true, that the journal failed.
            drain.readiness.lose(Unready::JournalFailed).await;
            sleep(LAST_WORDS).await;
            serving.abort();
            abandon(self.running).await;
            return Err(ServeFault::JournalFailed);
        }
        match end {
            Ok(()) => stop(self.running, self.following, &self.bell).await,
            Err(fault) => {
                abandon(self.running).await;
                Err(fault)
            }
        }
    }

    fn report_turned_away(&self) -> AbortHandle {
        let (counts, metrics) = (Arc::clone(&self.metrics.connections), Arc::clone(&self.metrics));
        tokio::spawn(transport::report(counts, move || metrics.turned_away())).abort_handle()
    }

    fn watch_clock(&self) -> AbortHandle {
        let (clock, bound) = (Arc::clone(&self.clock), self.config.clock_divergence_max);
        let (engine, readiness): (Arc<Engine>, _) =
            (Arc::clone(self.running.engine()), Arc::clone(&self.readiness));
        tokio::spawn(clock_watch::watch(clock, bound, engine, readiness)).abort_handle()
    }
}

/// Makes the first credential of a journal that has none: without one, nobody could make another.
async fn first_key(engine: &Engine) -> Result<Option<DrawnKey>, ServeFault> {
    if engine.has_credentials() {
        return Ok(None);
    }
    let key = DrawnKey::draw()?;
    let made = engine.create_credential(&CreateCredential {
        key: b"first start",
        hash: key.hash,
        prefix: &key.prefix,
        roles: Roles::ALL,
        is_development: true,
        payee: None,
        front_end: "",
        name: "development",
    });
    match made.await {
        Ok(_) => Ok(Some(key)),
        Err(Fault::JournalFailed) => Err(ServeFault::JournalFailed),
        Err(fault) => Err(ServeFault::FirstKey(fault)),
    }
}

/// Opens storage and recovers. Blocks for as long as the past is long.
fn start_engine(
    config: &Config,
    clock: &Arc<AnchoredClock>,
    events: MeteredEvents,
) -> Result<(Running, Following, Store), ServeFault> {
    let began = clock.now();
    let folder = config.data.clone();
    let (parts, follower, store) = open(&folder, config, Arc::clone(clock), events)?;
    let started = Running::start(parts, config.engine_options());
    let (running, summary) = started.map_err(|fault| ServeFault::Recover { folder, fault })?;
    let took_ms = clock.now().since(began).ns() / 1_000_000;
    tracing::info!(
        folder = %config.data.display(),
        is_new = summary.is_new,
        partitions_from_checkpoint = summary.partitions_from_checkpoint,
        records_read = summary.records_read,
        records_applied = summary.records_applied,
        last_seq = summary.last_seq,
        floor_seq = summary.floor_seq,
        took_ms,
        "recovered"
    );
    let following = Following::start(follower, Arc::clone(running.engine().watermark()))?;
    Ok((running, following, store))
}

fn open(
    folder: &Path,
    config: &Config,
    clock: Arc<AnchoredClock>,
    events: MeteredEvents,
) -> Result<(Parts, Follower, Store), ServeFault> {
    let ids = Arc::new(OsIds::from_os()?);
    let store = Store::open(folder, StoreOptions::new(config.durability))
        .map_err(|fault| ServeFault::Open { folder: folder.into(), fault })?;
    for at in store.restored() {
        tracing::info!(
            seq = at.seq,
            "this journal was put back from a backup to this seq, and goes on from there"
        );
    }
    let (journal, index, needed_from) = (store.journal(), store.index(), Arc::default());
    let followed = tallystick_projection::Parts {
        journal: Arc::clone(&journal) as _,
        checkpoints: Arc::clone(&index) as _,
        store: Arc::clone(&index) as _,
        needed_from: Arc::clone(&needed_from),
        events: Arc::new(LoggedProjection),
    };
    // ORDER: before the engine starts, which may trim the journal.
    let begin = if config.rebuild_index { Follower::rebuild } else { Follower::open };
    let follower = begin(followed, config.projection_options())
        .map_err(|fault| ServeFault::Open { folder: folder.into(), fault })?;
    let parts = Parts {
        journal,
        checkpoints: Arc::clone(&index) as _,
        tables: index,
        journal_needed_from: needed_from,
        clock,
        ids,
        events: Arc::new(events),
    };
    Ok((parts, follower, store))
}

/// Adds health and reflection to our own services.
fn front(services: Services, reporter: HealthReporter) -> Result<Front, ServeFault> {
    let describe = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(tallystick_proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    // Tools in wide use still ask in the older version.
    let (v1, v1alpha) = (describe().build_v1()?, describe().build_v1alpha()?);
    let health = HealthServer::new(HealthService::from_health_reporter(reporter));
    Ok(services.front(Routes::new(health).add_service(v1).add_service(v1alpha)))
}

struct Drain {
    gate: Gate,
    readiness: Arc<Readiness>,
    limit: Duration,
}

impl Drain {
    /// Refuses new work, then ends connections once what is in flight is answered, or after `limit`.
    async fn run(
        &self,
        close: oneshot::Sender<()>,
        serving: &mut Serving,
        bell: &mut JournalBell,
    ) -> Result<(), ServeFault> {
        tracing::info!(limit_ms = self.limit.as_millis(), "draining");
        // ORDER: health first, then the gate, then connections: callers hear that they should go before they must.
        self.readiness.lose(Unready::Draining).await;
        self.gate.drain();
        let finish = async {
            sleep(DRAIN_NOTICE).await;
            self.readiness.close().await;
            drop(close);
            serving.await
        };
        tokio::select! {
            () = bell.rung() => Err(ServeFault::JournalFailed),
            finished = timeout(self.limit, finish) => match finished {
                Ok(ended) => Ok(ended??),
                Err(_) => {
                    tracing::warn!("some connections did not end in time; what they were answered is durable");
                    Ok(())
                }
            },
        }
    }
}

fn ended_by_itself(
    ended: Result<Result<(), tonic::transport::Error>, tokio::task::JoinError>,
) -> Result<(), ServeFault> {
    Ok(ended??)
}

/// Makes the last checkpoint and ends the engine's threads.
async fn stop(running: Running, following: Following, bell: &JournalBell) -> Result<(), ServeFault> {
    let ending = move || {
        let checkpointed = running.stop();
        // ORDER: after the engine: what it commits last is followed, too. A fault of the projection's has been logged, and
        // costs nothing but its cursor.
        let _ = following.stop();
        checkpointed
    };
    let checkpointed = spawn_blocking(ending).await?;
    // What is decided last is committed last: the journal can still fail here.
    if bell.has_rung() {
        return Err(ServeFault::JournalFailed);
    }
    checkpointed.map_err(ServeFault::LastCheckpoint)?;
    tracing::info!("stopped");
    Ok(())
}

/// Ends the threads of an engine without a checkpoint; does not wait for ever.
async fn abandon(running: Running) {
    if timeout(FAILED_STOP, spawn_blocking(move || drop(running))).await.is_err() {
        tracing::warn!("the engine's threads did not end in time");
    }
}

/// Opens the key that secrets are derived from: the data folder is ours by now.
fn sealed_key(config: &Config) -> Result<SealedKey, ServeFault> {
    let named = |error: std::io::Error| ServeFault::SealedKey { folder: config.data.clone(), error };
    SealedKey::open(&config.data).map_err(named)
}
