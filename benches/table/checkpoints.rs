//! Owns: what checkpoints, and the trimming of the journal after each, add to the wait at full load: a server that makes them
//! as often as it can beside one that makes none, in turn. Never: one run of each.

use crate::{
    child::Listening,
    fault::Fault,
    line::{Better, Line, median},
    load::{Ask, Heard, Shape, on_server},
    plan::Plan,
};
use tallystick_loadtest::Mode;

const OFTEN: &str = "100000";
const NEVER: &str = "16000000";
/// So many that a checkpoint has something to copy.
const SESSIONS: u32 = 5_000;
const SHAPE: Shape = Shape { mode: Mode::Batch { debits: 100 }, connections: 2, in_flight: 8 };

/// Measures both in turn.
pub(crate) async fn measure(plan: &Plan) -> Result<Vec<Line>, Fault> {
    let (mut never, mut often) = (Vec::new(), Vec::new());
    for _ in 0..plan.runs {
        never.push(run(plan, NEVER).await?.p99_us);
        often.push(run(plan, OFTEN).await?.p99_us);
    }
    let added: Vec<f64> = often.iter().zip(&never).map(|(often, never)| often - never).collect();
    let what = format!("p99 at full load, {}, {SESSIONS} sessions", SHAPE.words());
    let lines = vec![
        Line::new(
            format!("checkpoints and trimming as often as can be add to {what}"),
            "us",
            Better::Lower,
            &added,
        )
        .target(1_000.0),
        Line::new(format!("without a checkpoint: {what}"), "us", Better::Lower, &never),
        Line::new(format!("a checkpoint every {OFTEN} records: {what}"), "us", Better::Lower, &often)
            .ceiling(Some(median(&never))),
    ];
    plan.show(&lines);
    Ok(lines)
}

async fn run(plan: &Plan, checkpoint_records: &str) -> Result<Heard, Fault> {
    let folder = plan.folder()?;
    let server = Listening::server(folder.path(), &["--checkpoint-records", checkpoint_records], None)?;
    let ask =
        Ask { shape: SHAPE, rate: None, seconds: 2 * plan.seconds, warmup_seconds: 1, sessions: SESSIONS };
    let heard = on_server(&server.addr, ask).await?;
    let made = server.log()?.lines().filter(|line| line.contains("checkpoint is stored")).count();
    if (made > 0) == (checkpoint_records == NEVER) {
        return Err(Fault::unfit(
            format!("with a checkpoint every {checkpoint_records} records"),
            format!("{made} were made"),
        ));
    }
    Ok(heard)
}
