//! Owns: batches of debits, each one script call with its keys and amounts, in a closed loop. Never: waits for one client
//! before it sends for another.
//!
//! redis-benchmark cannot send them: it puts one key in a call as often as it is named, and draws no amounts.

use super::{
    resp::{Commands, Connection},
    server::{BOOK, Server, session_key, unexpected},
};
use crate::{
    error::CompareError,
    heard::Heard,
    plan::{Pace, Share},
};
use tallystick_client::Stopwatch;
use tokio::task::JoinSet;

/// Loads the server with `clients`, each with one call on its way.
pub(crate) async fn run(
    server: &Server,
    clients: u32,
    debits: u32,
    pace: Pace,
) -> Result<Heard, CompareError> {
    let clock = Stopwatch::start();
    let mut loops = JoinSet::new();
    for first in 0..clients {
        let share = Share { first, step: clients, sessions: server.sessions };
        let (port, script, now) = (server.port, server.batch.clone(), server.now.clone());
        loops.spawn(async move {
            let connection = Connection::open(port).await?;
            Client { connection, script, now, share, debits }.run(clock, pace).await
        });
    }
    Heard::gather(loops, pace).await
}

struct Client {
    connection: Connection,
    script: String,
    now: String,
    share: Share,
    debits: u32,
}

impl Client {
    async fn run(mut self, clock: Stopwatch, pace: Pace) -> Result<Heard, CompareError> {
        let doing = "debit a batch";
        let mut heard = Heard::nothing(pace)?;
        let mut commands = Commands::default();
        for call in 0.. {
            let began = clock.elapsed();
            if began >= pace.until() {
                break;
            }
            self.write(&mut commands, call);
            self.connection.send(&mut commands).await?;
            let answers = self.connection.reply(doing).await?;
            let Some(answers) = answers.clone().items() else { return Err(unexpected(doing, &answers)) };
            let approved = answers.iter().filter(|answer| answer.number().is_some_and(|left| left >= 0));
            heard.approved += approved.count() as u64;
            heard.measures.add(began, clock.elapsed(), self.debits.into());
        }
        Ok(heard)
    }

    fn write(&self, commands: &mut Commands, call: u32) {
        let debits = || (0..self.debits).map(|nth| self.share.debit(call, self.debits, nth));
        // EVALSHA, the script and the count of keys; the book and the sessions; the time, and key and amount of each.
        let count = self.debits as usize;
        commands.begin(3 + 1 + count + 1 + 2 * count);
        commands.word("EVALSHA");
        commands.word(&self.script);
        commands.word((1 + count).to_string());
        commands.word(BOOK);
        debits().for_each(|debit| commands.word(session_key(debit.session)));
        commands.word(&self.now);
        for debit in debits() {
            commands.word(format!("{:x}", debit.key));
            commands.word(debit.amount_nanos.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{io::AsyncReadExt as _, net::TcpListener};

    #[tokio::test]
    async fn a_batch_says_its_count_of_words_and_of_keys() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connection = Connection::open(listener.local_addr().unwrap().port()).await.unwrap();
        let share = Share { first: 1, step: 2, sessions: 10 };
        let mut client =
            Client { connection, script: "5f1d".to_owned(), now: "1700000000".to_owned(), share, debits: 2 };
        let mut commands = Commands::default();
        client.write(&mut commands, 0);
        assert_eq!(client.connection.send(&mut commands).await.unwrap(), 1);
        drop(client);
        let mut text = String::new();
        listener.accept().await.unwrap().0.read_to_string(&mut text).await.unwrap();
        let words: Vec<&str> = text.split("\r\n").filter(|word| !word.starts_with('$')).collect();
        let expected = [
            "*11",
            "EVALSHA",
            "5f1d",
            "3",
            "debits",
            "s:000000000001",
            "s:000000000003",
            "1700000000",
            "100000000",
            "600",
            "100000001",
            "601",
            "",
        ];
        assert_eq!(words, expected);
    }
}
