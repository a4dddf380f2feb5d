//! Owns: killing the server in the middle of the work and measuring how long it is gone. Never: helps the writers.

use super::{
    Scene,
    child::{Server, ServerCommand},
    error::DemoError,
    screen::grouped,
    setup,
};
use std::time::Duration;
use tallystick_client::{Client, ClientOptions, Stopwatch};

/// What the crash cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recovery {
    /// From starting the process again to its first answer.
    pub(super) recovery: Duration,
    /// Answers that had been heard when the server was killed.
    pub(super) answered_at_kill: u64,
}

/// Waits for half of the work, kills the server and starts it again on the same folder and port.
pub(super) async fn crash_and_recover(
    scene: &Scene,
    command: &ServerCommand,
    server: Server,
) -> Result<(Server, Recovery), DemoError> {
    scene.progress.halfway().await;
    let address = server.address.clone();
    scene.progress.outage_begins();
    server.kill().await?;
    let answered_at_kill = scene.progress.answered_count();
    scene.screen.announce(
        "kill -9",
        &format!(
            "after {} of {} answers, with up to {} debits on their way",
            grouped(answered_at_kill),
            grouped(scene.plan.debits),
            grouped(u64::from(scene.args.writers) * in_flight_debits(scene)),
        ),
    );
    let since_spawn = Stopwatch::start();
    let server = command.start(&address).await?;
    first_answer(scene, &server).await?;
    let recovery = since_spawn.elapsed();
    scene.progress.outage_ends();
    scene.screen.announce(
        "recovered",
        &format!("{recovery:.0?} from start to first answer; the writers resume by themselves"),
    );
    Ok((server, Recovery { recovery, answered_at_kill }))
}

fn in_flight_debits(scene: &Scene) -> u64 {
    u64::from(scene.args.batch) * u64::from(scene.args.in_flight)
}

/// Asks for an account that existed before the crash: an answer shows that the state is back, not only the port.
async fn first_answer(scene: &Scene, server: &Server) -> Result<(), DemoError> {
    let eager = ClientOptions {
        pause_least: Duration::from_millis(1),
        pause_most: Duration::from_millis(2),
        ..ClientOptions::default()
    };
    let client = Client::connect_with(&server.uri(), eager).map_err(DemoError::call("connect again"))?;
    setup::account(&client, &scene.stage.accounts[0]).await.map(drop)
}
