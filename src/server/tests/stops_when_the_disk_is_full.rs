//! Owns: that a disk which takes no more ends the server instead of its promises: callers hear UNAVAILABLE and never a
//! decline, and all that was acknowledged is there after a restart with room.

mod support;

use support::{PATIENCE, Server, Stage, limited_command, payers::Payers};
use tallystick_proto::v1::Outcome;
use tokio::time::timeout;

/// One or two MiB, by the shell: more than an empty folder needs, and a few thousand debits.
const FILE_BLOCKS_MAX: u32 = 2_048;

#[tokio::test]
async fn stops_when_the_disk_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::spawn(limited_command(&data, FILE_BLOCKS_MAX)).await;
    let channel = server.connect().await;
    let stage = Stage::set(&channel).await;

    let payers = Payers::start(32, &channel, &stage);
    let told = timeout(PATIENCE, payers.told()).await.expect("every caller is answered");
    let end = server.ended().await;
    assert_eq!(end.code, Some(74), "{}", end.log);
    assert!(end.log.contains("the journal failed"), "{}", end.log);
    assert!(end.log.contains("File too large"), "{}", end.log);

    // Whoever was told by the server that the journal failed does not know the outcome either.
    let untold = told.unheard("JOURNAL_FAILED");
    assert!(untold < told.ends.len(), "nobody was told why: {:?}", told.ends);
    assert!(told.approved.len() > 100, "{}", told.approved.len());

    let server = Server::start(&data).await;
    let channel = server.connect().await;
    told.assert_kept(&channel, &stage, told.ends.len()).await;
    let next = stage.authorize(&channel, "room again").await.unwrap();
    assert_eq!((next.outcome(), next.replayed), (Outcome::Approved, false));
    assert_eq!(server.stop().await.code, Some(0));
}
