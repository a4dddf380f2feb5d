//! Owns: batches of debits, each one statement whose parameters are three arrays, in a closed loop. Never: waits for one
//! client before it sends for another.
//!
//! pgbench cannot send them: its variables are single numbers.

use super::cluster::{Server, connect};
use crate::{
    error::CompareError,
    heard::Heard,
    plan::{Batches, Pace, Share},
};
use tallystick_client::Stopwatch;
use tokio::task::JoinSet;
use tokio_postgres::{Client, Statement, types::ToSql};

const BATCH: &str = include_str!("batch.sql");

/// Is what one statement asks for: three columns.
#[derive(Debug, Default)]
struct Asked {
    keys: Vec<i64>,
    sessions: Vec<i32>,
    amounts: Vec<i64>,
}

/// Loads the server, each client with one statement on its way.
pub(crate) async fn run(
    server: &Server,
    sessions: u32,
    shape: Batches,
    pace: Pace,
) -> Result<Heard, CompareError> {
    let mut clients = Vec::new();
    for _ in 0..shape.clients {
        let client = connect(server.port).await?;
        let statement = client.prepare(BATCH).await?;
        clients.push((client, statement));
    }
    let clock = Stopwatch::start();
    let mut loops = JoinSet::new();
    for (first, (client, statement)) in (0..).zip(clients) {
        let share = Share { first, step: shape.clients, sessions };
        loops.spawn(Debtor { client, statement, share, debits: shape.debits }.run(clock, pace));
    }
    Heard::gather(loops, pace).await
}

/// Is one client with its prepared statement.
#[derive(Debug)]
struct Debtor {
    client: Client,
    statement: Statement,
    share: Share,
    debits: u32,
}

impl Debtor {
    async fn run(self, clock: Stopwatch, pace: Pace) -> Result<Heard, CompareError> {
        let mut heard = Heard::nothing(pace)?;
        let mut asked = Asked::default();
        for call in 0.. {
            let began = clock.elapsed();
            if began >= pace.until() {
                break;
            }
            asked.fill(self.share, call, self.debits);
            let columns: [&(dyn ToSql + Sync); 3] = [&asked.keys, &asked.sessions, &asked.amounts];
            heard.approved += self.client.execute(&self.statement, &columns).await?;
            heard.measures.add(began, clock.elapsed(), self.debits.into());
        }
        Ok(heard)
    }
}

impl Asked {
    fn fill(&mut self, share: Share, call: u32, debits: u32) {
        self.keys.clear();
        self.sessions.clear();
        self.amounts.clear();
        for nth in 0..debits {
            let debit = share.debit(call, debits, nth);
            // Keys and amounts are far below where the sign begins.
            self.keys.push(debit.key.cast_signed());
            self.sessions.push(debit.session.cast_signed());
            self.amounts.push(debit.amount_nanos.cast_signed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_filled_anew_each_time() {
        let mut asked = Asked::default();
        let share = Share { first: 1, step: 2, sessions: 10 };
        asked.fill(share, 0, 3);
        asked.fill(share, 1, 3);
        assert_eq!(asked.keys, [(1 << 32) + 3, (1 << 32) + 4, (1 << 32) + 5]);
        assert_eq!(asked.sessions, [7, 9, 1]);
        assert_eq!(asked.amounts, [603, 604, 605]);
    }
}
