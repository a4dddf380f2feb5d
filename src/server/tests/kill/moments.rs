//! Owns: when and how a server ends, thrown by dice. Never: ends a process that it was not handed.

use crate::support::{End, Server};
use rand::{RngExt as _, rngs::StdRng};
use std::time::Duration;
use tokio::{
    process::Command,
    time::{Instant, sleep, sleep_until},
};

/// Is how often the server looks whether a checkpoint is due.
const CHECKPOINT_LOOK: Duration = Duration::from_millis(200);

/// Says when a server dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// `kill -9` under load.
    Load,
    /// `kill -9` under load, when a checkpoint begins.
    Checkpoint,
    /// `kill -9` while it starts, perhaps before it has read its past; then again under load.
    Start,
    /// `kill -9` while callers ask for their lost answers; then again under load.
    Retry,
    /// SIGTERM under load, and `kill -9` before it has ended.
    Drain,
    /// SIGTERM under load: an orderly end.
    Term,
    /// The disk has it killed under load, once a log is full: see `Ground::arm`.
    Rotation,
}

impl Moment {
    pub const ALL: [Self; 6] =
        [Self::Load, Self::Checkpoint, Self::Start, Self::Retry, Self::Drain, Self::Term];

    /// Throws one. The first rounds go through all of them, so that the short form misses none.
    pub fn throw(round: usize, dice: &mut StdRng) -> Self {
        if let Some(moment) = Self::ALL.get(round) {
            return *moment;
        }
        match dice.random_range(0..20) {
            0..8 => Self::Load,
            8..12 => Self::Checkpoint,
            12..14 => Self::Start,
            14..16 => Self::Retry,
            16..18 => Self::Drain,
            _ => Self::Term,
        }
    }
}

/// Is a running server and when it began.
pub struct Started {
    pub server: Server,
    at: Instant,
}

impl Started {
    pub async fn new(command: Command) -> Self {
        Self { server: Server::spawn(command).await, at: Instant::now() }
    }

    /// Lets callers work for a while, then ends the server.
    pub async fn end(self, moment: Moment, dice: &mut StdRng) -> End {
        if moment == Moment::Rotation {
            return self.server.ended().await;
        }
        let millis = if dice.random_ratio(1, 4) { 10..60 } else { 60..700 };
        sleep(Duration::from_millis(dice.random_range(millis))).await;
        match moment {
            Moment::Load | Moment::Start | Moment::Retry | Moment::Rotation => self.server.kill().await,
            Moment::Checkpoint => {
                let looks =
                    Instant::now().duration_since(self.at).as_millis() / CHECKPOINT_LOOK.as_millis() + 1;
                let look = self.at + CHECKPOINT_LOOK * u32::try_from(looks).unwrap();
                sleep_until(look + Duration::from_micros(dice.random_range(0..25_000))).await;
                self.server.kill().await
            }
            Moment::Drain => {
                self.server.ask_to_stop().await;
                sleep(Duration::from_millis(dice.random_range(0..320))).await;
                self.server.kill().await
            }
            Moment::Term => {
                let end = self.server.stop().await;
                assert_eq!(end.code, Some(0), "{}", end.log);
                end
            }
        }
    }
}

/// Starts a server and kills it while it starts.
pub async fn kill_at_start(mut command: Command, dice: &mut StdRng) {
    let mut child = command.spawn().unwrap();
    sleep(Duration::from_micros(dice.random_range(0..150_000))).await;
    child.kill().await.unwrap();
}
