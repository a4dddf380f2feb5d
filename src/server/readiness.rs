//! Owns: whether this server is ready, as the standard gRPC health service tells it, and the reasons why not.
//! Never: decides that something is wrong; whoever finds it says so here.

use std::collections::BTreeSet;
use tallystick_proto::v1::{
    accounts_server, authorizer_server, credentials_server, payees_server, settlements_server, tokens_server,
};
use tokio::sync::Mutex;
use tonic_health::{ServingStatus, server::HealthReporter};

/// Names what health may be asked about: the whole, and each service.
pub const SERVICES: [&str; 7] = [
    "",
    accounts_server::SERVICE_NAME,
    payees_server::SERVICE_NAME,
    authorizer_server::SERVICE_NAME,
    credentials_server::SERVICE_NAME,
    settlements_server::SERVICE_NAME,
    tokens_server::SERVICE_NAME,
];

/// Is a reason not to be ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unready {
    /// The past is still being read.
    Starting,
    /// The server is going away.
    Draining,
    /// Nothing can be written.
    JournalFailed,
    /// The wall clock has moved away from ours.
    ClockDiverged,
}

impl Unready {
    /// Says it to whoever asks why.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Starting => "starting: the past is being read",
            Self::Draining => "draining: the server is going away",
            Self::JournalFailed => "journal failed: nothing can be written",
            Self::ClockDiverged => "clock diverged: the wall clock has moved away from the server's",
        }
    }
}

/// Tells health, as long as there is a reason.
#[derive(Debug)]
pub struct Readiness {
    reporter: HealthReporter,
    // LOCK: held while health is told, so that two reasons at once cannot leave it on the older answer.
    reasons: Mutex<BTreeSet<Unready>>,
}

impl Readiness {
    /// Begins as ready.
    pub async fn ready(reporter: HealthReporter) -> Self {
        tell(&reporter, ServingStatus::Serving).await;
        Self { reporter, reasons: Mutex::default() }
    }

    /// Returns every reason there is now; ready without any.
    pub async fn reasons(&self) -> BTreeSet<Unready> {
        self.reasons.lock().await.clone()
    }

    /// Adds a reason.
    pub async fn lose(&self, reason: Unready) {
        let mut reasons = self.reasons.lock().await;
        reasons.insert(reason);
        tell(&self.reporter, ServingStatus::NotServing).await;
    }

    /// Takes a reason back; ready once there is none.
    pub async fn regain(&self, reason: Unready) {
        let mut reasons = self.reasons.lock().await;
        reasons.remove(&reason);
        if reasons.is_empty() {
            tell(&self.reporter, ServingStatus::Serving).await;
        }
    }

    /// Ends the streams of those who watch, which would otherwise hold up the end.
    pub async fn close(&self) {
        let mut reporter = self.reporter.clone();
        for service in SERVICES {
            reporter.clear_service_status(service).await;
        }
    }
}

async fn tell(reporter: &HealthReporter, status: ServingStatus) {
    for service in SERVICES {
        reporter.set_service_status(service, status).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Request;
    use tonic_health::{
        pb::{HealthCheckRequest, health_check_response::ServingStatus as Shown, health_server::Health as _},
        server::HealthService,
    };

    async fn shown(health: &HealthService) -> BTreeSet<i32> {
        let mut shown = BTreeSet::new();
        for service in SERVICES {
            let asked = Request::new(HealthCheckRequest { service: service.into() });
            shown.insert(health.check(asked).await.unwrap().into_inner().status);
        }
        shown
    }

    #[tokio::test]
    async fn every_service_is_ready_only_without_any_reason() {
        let reporter = HealthReporter::new();
        let health = HealthService::from_health_reporter(reporter.clone());
        let readiness = Readiness::ready(reporter).await;
        let (serving, not_serving) =
            (BTreeSet::from([Shown::Serving as i32]), BTreeSet::from([Shown::NotServing as i32]));
        assert_eq!(shown(&health).await, serving);
        readiness.lose(Unready::ClockDiverged).await;
        readiness.lose(Unready::Draining).await;
        assert_eq!(shown(&health).await, not_serving);
        let both = BTreeSet::from([Unready::ClockDiverged, Unready::Draining]);
        assert_eq!(readiness.reasons().await, both);
        readiness.regain(Unready::ClockDiverged).await;
        assert_eq!(shown(&health).await, not_serving);
        readiness.regain(Unready::Draining).await;
        assert_eq!(shown(&health).await, serving);
    }
}
