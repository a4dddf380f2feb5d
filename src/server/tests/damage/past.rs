//! Owns: a data folder with a past of three lives, what its callers heard, and whether a server still says the same.
//! Never: damages it.

use crate::support::{Server, Stage};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tallystick_proto::v1::{
    Decision, GetPayeeRequest, GetSettlementRequest, LookupDebitRequest, Payee, SettleRequest, Settlement,
    authorizer_client::AuthorizerClient, lookup_debit_request::By, payees_client::PayeesClient,
    settlements_client::SettlementsClient,
};
use tonic::{Code, Status, transport::Channel};

/// How many debits each life has.
const DEBITS: usize = 40;
/// How many of them are looked up in the index.
const LOOKED_UP: usize = 4;

/// Is a folder as a crash left it, and what was heard before.
pub struct Past {
    folder: tempfile::TempDir,
    stages: Vec<Stage>,
    decisions: Vec<(usize, String, Decision)>,
    settlement: Settlement,
    payee: Payee,
}

impl Past {
    /// Makes three lives: one that ends in order, with a checkpoint; two that end by SIGKILL. One session is settled.
    pub async fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let (mut stages, mut decisions) = (Vec::new(), Vec::new());
        let server = Server::start(&data).await;
        stages.push(Stage::set(&server.connect().await).await);
        pay(&server, &stages, 0, &mut decisions).await;
        let settled = Stage::next(&server.connect().await, &stages[0]).await;
        assert_eq!(server.stop().await.code, Some(0));
        copy(&data, &folder.path().join("older"));
        stages.push(settled);
        let server = Server::start(&data).await;
        pay(&server, &stages, 0, &mut decisions).await;
        pay(&server, &stages, 1, &mut decisions).await;
        let settlement = settle(&server.connect().await, &stages[1]).await;
        server.kill().await;
        let server = Server::start(&data).await;
        pay(&server, &stages, 0, &mut decisions).await;
        let payee = payee(&server.connect().await, &stages[0]).await.unwrap();
        server.kill().await;
        Self { folder, stages, decisions, settlement, payee }
    }

    /// Returns the folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Returns the folder as it was at the end of the first life.
    pub fn older(&self) -> PathBuf {
        self.folder.path().join("older")
    }

    /// Compares all that was heard with what a server says now. *Returns*: how many questions were answered with a fault.
    /// *Errors*: what it says differently.
    pub async fn compare(&self, server: &Server) -> Result<usize, String> {
        let channel = server.connect().await;
        let mut faults = 0;
        for (stage, key, heard) in &self.decisions {
            let again = self.stages[*stage].authorize(&channel, key).await;
            let again = again.map(|now| (now.replayed, now.seq, now.outcome, now.debit_id, now.amount_nanos));
            let wanted = (true, heard.seq, heard.outcome, heard.debit_id.clone(), heard.amount_nanos);
            note(&mut faults, key, again, &wanted)?;
        }
        let step = self.decisions.len() / LOOKED_UP;
        for (_, key, heard) in self.decisions.iter().step_by(step) {
            let request = LookupDebitRequest { by: Some(By::DebitId(heard.debit_id.clone())) };
            let found = AuthorizerClient::new(channel.clone()).lookup_debit(request).await;
            let found = found.map(|found| found.into_inner().debit.map(|debit| (debit.seq, debit.debit_id)));
            note(&mut faults, key, found, &Some((heard.seq, heard.debit_id.clone())))?;
        }
        let request = GetSettlementRequest { settlement_id: self.settlement.settlement_id.clone() };
        let found = SettlementsClient::new(channel.clone()).get_settlement(request).await;
        let found = found.map(|found| found.into_inner().settlement.unwrap());
        note(&mut faults, "settlement", found, &self.settlement)?;
        note(&mut faults, "payee", payee(&channel, &self.stages[0]).await, &self.payee)?;
        Ok(faults)
    }
}

/// Compares one answer. That the place which knows it is damaged is an honest answer; another outcome is not.
fn note<T: PartialEq + std::fmt::Debug>(
    faults: &mut usize,
    what: &str,
    found: Result<T, Status>,
    wanted: &T,
) -> Result<(), String> {
    match found {
        Ok(found) if found == *wanted => Ok(()),
        Ok(found) => Err(format!("{what}: {found:?} instead of {wanted:?}")),
        Err(status) if matches!(status.code(), Code::DataLoss | Code::Internal | Code::Unavailable) => {
            *faults += 1;
            Ok(())
        }
        Err(status) => Err(format!("{what}: {status:?} instead of {wanted:?}")),
    }
}

async fn pay(
    server: &Server,
    stages: &[Stage],
    stage: usize,
    decisions: &mut Vec<(usize, String, Decision)>,
) {
    let channel = server.connect().await;
    for _ in 0..DEBITS {
        let key = format!("debit-{}", decisions.len());
        let decision = stages[stage].authorize(&channel, &key).await.unwrap();
        assert!(!decision.replayed);
        decisions.push((stage, key, decision));
    }
}

async fn settle(channel: &Channel, stage: &Stage) -> Settlement {
    let request = SettleRequest { session_id: stage.session_id.clone(), ..SettleRequest::default() };
    AuthorizerClient::new(channel.clone()).settle(request).await.unwrap().into_inner().settlement.unwrap()
}

async fn payee(channel: &Channel, stage: &Stage) -> Result<Payee, Status> {
    let request = GetPayeeRequest { payee_id: stage.payee_id.clone() };
    PayeesClient::new(channel.clone()).get_payee(request).await.map(|shown| shown.into_inner().payee.unwrap())
}

/// Copies a folder and all that is below it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for path in files_below(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&path, target).unwrap();
    }
}

/// Lists the files below a folder, in order of their names.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}
