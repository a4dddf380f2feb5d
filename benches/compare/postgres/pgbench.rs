//! Owns: pgbench: how it is asked, and what it says. Never: counts a transaction that failed.

use super::cluster::{Cluster, Server, USER};
use crate::{error::CompareError, process, redis::thousandths};
use std::{path::Path, process::Command};

const TOOL: &str = "pgbench";

/// Is what pgbench found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) transactions: u64,
    pub(crate) transactions_per_s: u64,
    pub(crate) latency_us_mean: u64,
}

/// Says how often, and which numbers were used before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) clients: u32,
    pub(crate) seconds: u64,
    pub(crate) sessions: u32,
    /// Of each client's debits; keys follow from it.
    pub(crate) first_nth: u64,
}

/// Runs `script` with prepared statements for as long as asked.
pub(crate) async fn run(
    cluster: &Cluster,
    server: &Server,
    script: &Path,
    load: Load,
) -> Result<Found, CompareError> {
    let mut command = Command::new(cluster.bin(TOOL));
    command.args(["--no-vacuum", "--protocol=prepared", "--jobs=2"]);
    command.args(["--host=127.0.0.1", &format!("--port={}", server.port), &format!("--username={USER}")]);
    command.args([format!("--client={}", load.clients), format!("--time={}", load.seconds)]);
    command.arg("--define").arg(format!("nth={}", load.first_nth));
    command.arg("--define").arg(format!("clients={}", load.clients));
    command.arg("--define").arg(format!("sessions={}", load.sessions));
    command.arg("--file").arg(script).arg(USER);
    found(&process::run(TOOL, command).await?)
}

fn found(text: &str) -> Result<Found, CompareError> {
    let wrong = |wanted| CompareError::Output { tool: TOOL, wanted, text: text.trim().to_owned() };
    let value = |prefix: &'static str| {
        let rest = text.lines().find_map(|line| line.strip_prefix(prefix)).ok_or_else(|| wrong(prefix))?;
        Ok::<_, CompareError>(rest.split_whitespace().next().unwrap_or_default())
    };
    let decimal = |prefix| thousandths(value(prefix)?).ok_or_else(|| wrong(prefix));
    let whole = |prefix| value(prefix)?.parse::<u64>().map_err(|_| wrong(prefix));
    if whole("number of failed transactions: ")? != 0 {
        return Err(wrong("run without failed transactions"));
    }
    let transactions = whole("number of transactions actually processed: ")?;
    if transactions == 0 {
        // A machine so busy that no answer came in time: pgbench prints no figures then.
        return Ok(Found { transactions, transactions_per_s: 0, latency_us_mean: 0 });
    }
    Ok(Found {
        transactions,
        transactions_per_s: decimal("tps = ")? / 1_000,
        latency_us_mean: decimal("latency average = ")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "pgbench (15.18 (Debian 15.18-0+deb12u1))\ntransaction type: debit.sql\n\
        number of transactions actually processed: 44593\nnumber of failed transactions: 0 (0.000%)\n\
        latency average = 4.277 ms\ninitial connection time = 92.420 ms\n\
        tps = 14965.088284 (without initial connection time)\n";

    #[test]
    fn figures_are_read_by_their_words() {
        let expected = Found { transactions: 44_593, transactions_per_s: 14_965, latency_us_mean: 4_277 };
        assert_eq!(found(PRINTED).unwrap(), expected);
        let none = "number of transactions actually processed: 0\nnumber of failed transactions: 0 (NaN%)\n";
        assert_eq!(found(none).unwrap().transactions_per_s, 0);
    }

    #[test]
    fn a_failed_transaction_or_a_missing_figure_is_an_error() {
        let failed = PRINTED.replace("failed transactions: 0 (", "failed transactions: 2 (");
        let error = found(&failed).unwrap_err().to_string();
        assert!(error.contains("no run without failed transactions"), "{error}");
        let error = found(&PRINTED.replace("tps = ", "rate: ")).unwrap_err().to_string();
        assert!(error.contains("no tps = "), "{error}");
    }
}
