//! Owns: PostgreSQL's turns: statements that do the work, one debit each or a thousand. Never: lets it answer before its log is
//! synced.

mod batch;
mod cluster;
mod pgbench;

use crate::{
    error::CompareError,
    figures::Turn,
    plan::{Batches, Pace},
    process::{self, version},
};
use cluster::Cluster;
use pgbench::Load;
use std::path::{Path, PathBuf};

const PACKAGES: &str = "/usr/lib/postgresql";
const DEBIT: &str = include_str!("postgres/debit.sql");

/// Has a cluster of its own.
#[derive(Clone, Debug)]
pub(crate) struct Postgres {
    cluster: Cluster,
    /// pgbench's script.
    script: PathBuf,
    pub(crate) version: String,
}

impl Postgres {
    /// Makes the cluster in `folder`.
    ///
    /// *Errors*: [`CompareError::Missing`], and what initdb complains about.
    pub(crate) async fn make(folder: &Path) -> Result<Self, CompareError> {
        let postgres = process::find("postgres", "postgresql", &package_folders())?;
        let bin = postgres.parent().unwrap_or(Path::new("")).to_owned();
        let script = folder.join("debit.sql");
        std::fs::write(&script, DEBIT).map_err(CompareError::io("write pgbench's script"))?;
        let version = version("postgres", &postgres).await?;
        Ok(Self { cluster: Cluster::make(&bin, folder).await?, script, version })
    }

    /// One debit a statement, by pgbench.
    pub(crate) async fn calls(&self, sessions: u32, clients: u32, pace: Pace) -> Result<Turn, CompareError> {
        let (server, client) = self.cluster.start(sessions).await?;
        let warmup = Load { clients, seconds: pace.warmup.as_secs(), sessions, first_nth: 0 };
        let warm = pgbench::run(&self.cluster, &server, &self.script, warmup).await?;
        // No client came so far alone.
        let measured = Load { seconds: pace.measured.as_secs(), first_nth: warm.transactions, ..warmup };
        let found = pgbench::run(&self.cluster, &server, &self.script, measured).await?;
        let audit = server.audit(&client, warm.transactions + found.transactions).await?;
        server.stop().await?;
        Ok(Turn {
            debits_per_s: found.transactions_per_s,
            latency_us_mean: Some(found.latency_us_mean),
            audit,
            ..Turn::default()
        })
    }

    /// Many debits a statement, by a load of our own.
    pub(crate) async fn batches(
        &self,
        sessions: u32,
        shape: Batches,
        pace: Pace,
    ) -> Result<Turn, CompareError> {
        let (server, client) = self.cluster.start(sessions).await?;
        let heard = batch::run(&server, sessions, shape, pace).await?;
        let audit = server.audit(&client, heard.approved).await?;
        server.stop().await?;
        Ok(heard.measures.turn(pace.measured, audit))
    }
}

/// Returns the settings, for people.
pub(crate) fn settings() -> String {
    cluster::settings()
}

/// Returns where Debian keeps PostgreSQL's programs, the newest version first; elsewhere they are in PATH.
fn package_folders() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(PACKAGES).into_iter().flatten().filter_map(Result::ok);
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    folders.sort_by_key(|path| std::cmp::Reverse(version(path)));
    folders.into_iter().map(|folder| folder.join("bin")).collect()
}
