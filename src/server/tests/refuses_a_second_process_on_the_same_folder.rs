//! Owns: that two processes never write one data folder, and that the second one says so in one line.

mod support;

use support::{Server, Stage, run, serve_command};

#[tokio::test]
async fn refuses_a_second_process_on_the_same_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let first = Server::start(&data).await;
    let channel = first.connect().await;
    let stage = Stage::set(&channel).await;

    let second = run(serve_command(&data)).await;
    assert_eq!(second.status.code(), Some(75), "{second:?}");
    assert!(second.stdout.is_empty(), "{second:?}");
    let said = String::from_utf8(second.stderr).unwrap();
    let complaints: Vec<&str> = said.lines().filter(|line| line.starts_with("tallystick: ")).collect();
    assert_eq!(complaints.len(), 1, "{said}");
    assert!(complaints[0].contains("in use by another process"), "{said}");
    assert!(complaints[0].contains(data.to_str().unwrap()), "{said}");

    // The first one is none the worse for it.
    stage.authorize(&channel, "still there").await.unwrap();
    assert_eq!(first.stop().await.code, Some(0));
    let third = Server::start(&data).await;
    let again = stage.authorize(&third.connect().await, "still there").await.unwrap();
    assert!(again.replayed);
    assert_eq!(third.stop().await.code, Some(0));
}
