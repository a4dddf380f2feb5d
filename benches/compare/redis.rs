//! Owns: Redis's turns: a script that does the work, called in three ways. Never: lets Redis answer before its file is synced.

mod batch;
mod bench;
mod resp;
mod server;

pub(crate) use bench::{Shape, thousandths};

use crate::{
    error::CompareError,
    figures::Turn,
    plan::{Batches, Pace},
    process::{self, version},
};
use server::Server;
use std::path::{Path, PathBuf};

/// Calls with which the rate is found that the measured load is sized by: redis-benchmark counts calls, not seconds.
const SIZING_CALLS: u64 = 10_000;

/// Knows Redis's programs.
#[derive(Clone, Debug)]
pub(crate) struct Redis {
    server: PathBuf,
    bench: PathBuf,
    pub(crate) version: String,
}

impl Redis {
    /// *Errors*: [`CompareError::Missing`].
    pub(crate) async fn find() -> Result<Self, CompareError> {
        let server = process::find("redis-server", "redis-server", &[])?;
        let bench = process::find("redis-benchmark", "redis-tools", &[])?;
        let version = version("redis-server", &server).await?;
        Ok(Self { server, bench, version })
    }

    /// One debit a call, by redis-benchmark.
    pub(crate) async fn calls(
        &self,
        folder: &Path,
        sessions: u32,
        shape: Shape,
        pace: Pace,
    ) -> Result<Turn, CompareError> {
        let (server, mut connection) = Server::start(&self.server, folder, sessions).await?;
        let sized = bench::run(&self.bench, &server, shape, "a", SIZING_CALLS).await?;
        let warmup = sized.calls_per_s * pace.warmup.as_secs();
        let warm = bench::run(&self.bench, &server, shape, "b", warmup).await?;
        let measured = warm.calls_per_s * pace.measured.as_secs();
        let found = bench::run(&self.bench, &server, shape, "c", measured).await?;
        let audit = server.audit(&mut connection, sized.calls + warm.calls + found.calls).await?;
        server.stop().await?;
        Ok(Turn {
            debits_per_s: found.calls_per_s,
            latency_us_mean: Some(found.latency_us_mean),
            latency_us_p50: Some(found.latency_us_p50),
            latency_us_p99: Some(found.latency_us_p99),
            audit,
        })
    }

    /// Many debits a call, by a load of our own.
    pub(crate) async fn batches(
        &self,
        folder: &Path,
        sessions: u32,
        shape: Batches,
        pace: Pace,
    ) -> Result<Turn, CompareError> {
        let (server, mut connection) = Server::start(&self.server, folder, sessions).await?;
        let heard = batch::run(&server, shape.clients, shape.debits, pace).await?;
        let audit = server.audit(&mut connection, heard.approved).await?;
        server.stop().await?;
        Ok(heard.measures.turn(pace.measured, audit))
    }
}

/// Returns the settings, for people.
pub(crate) fn settings() -> String {
    server::settings()
}
