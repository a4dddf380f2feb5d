//! Owns: what more cores and more locks bring: the same server on one core and on two, and with few shards and with many.
//! Never: a figure without the cores of the server and those of the load beside it.

use crate::{
    child::{Listening, bound, own_exe},
    fault::Fault,
    line::{Better, Line, write_json},
    load::{Ask, Heard, Shape, words},
    plan::Plan,
    tools::in_path,
};
use serde::Serialize;
use tallystick_loadtest::Mode;

/// Is where server and load run.
#[derive(Clone, Copy, Debug, Serialize)]
struct Placed {
    /// As `taskset -c` takes them.
    server_cores: &'static str,
    load_cores: &'static str,
    worker_threads: &'static str,
    shards: &'static str,
}

/// Is one point; the field names are the JSON's keys.
#[derive(Debug, Serialize)]
struct Point {
    #[serde(flatten)]
    placed: Placed,
    durability: &'static str,
    debits_per_s: Line,
    latency_us_p99: Line,
}

const fn on(server_cores: &'static str, load_cores: &'static str, worker_threads: &'static str) -> Placed {
    Placed { server_cores, load_cores, worker_threads, shards: "16" }
}

const PLACES: [Placed; 5] =
    [on("0", "0", "1"), on("0", "1", "1"), on("0", "1", "2"), on("0,1", "0,1", "1"), on("0,1", "0,1", "2")];
const SHARDS: [&str; 5] = ["1", "4", "16", "64", "256"];
const BATCHES: Shape = Shape { mode: Mode::Batch { debits: 100 }, connections: 4, in_flight: 8 };
const SINGLES: Shape = Shape { mode: Mode::Stream, connections: 2, in_flight: 512 };
const CALLS: Shape = Shape { mode: Mode::Unary, connections: 4, in_flight: 16 };

/// Measures all points in turn, and writes them.
pub(crate) async fn measure(plan: &Plan) -> Result<(), Fault> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores < 2 || in_path("taskset").is_none() {
        return Err(Fault::unfit(
            "scaling",
            format!("needs two cores and taskset, and there are {cores} cores"),
        ));
    }
    let mut points = Vec::new();
    for shape in [BATCHES, SINGLES, CALLS] {
        points.extend(in_turn(plan, &PLACES, shape).await?);
    }
    let sharded = SHARDS.map(|shards| Placed { shards, ..on("0,1", "0,1", "2") });
    points.extend(in_turn(plan, &sharded, BATCHES).await?);
    let file = plan.report.join("scaling.json");
    write_json(&points, &file)?;
    plan.say(format_args!("figures in {}", file.display()));
    Ok(())
}

/// Runs one shape on all places, again and again, so that a slow minute hits all of them.
async fn in_turn(plan: &Plan, places: &[Placed], shape: Shape) -> Result<Vec<Point>, Fault> {
    let mut heard: Vec<Vec<Heard>> = places.iter().map(|_| Vec::new()).collect();
    for _ in 0..plan.runs {
        for (placed, heard) in places.iter().zip(&mut heard) {
            heard.push(run(plan, placed, shape).await?);
        }
    }
    let points: Vec<Point> =
        places.iter().zip(&heard).map(|(placed, heard)| Point::new(*placed, shape, heard)).collect();
    let lines: Vec<Line> = points.iter().map(|point| point.debits_per_s.clone()).collect();
    plan.show(&lines);
    Ok(points)
}

async fn run(plan: &Plan, placed: &Placed, shape: Shape) -> Result<Heard, Fault> {
    let folder = plan.folder()?;
    let flags = ["--worker-threads", placed.worker_threads, "--shards", placed.shards];
    let server = Listening::server(folder.path(), &flags, Some(placed.server_cores))?;
    let ask =
        Ask { shape, rate: None, seconds: plan.seconds, warmup_seconds: plan.warmup_seconds, sessions: 256 };
    // In a process of its own, which is bound to its cores.
    let mut command = tokio::process::Command::from(bound(&own_exe()?, Some(placed.load_cores)));
    command.kill_on_drop(true).arg("drive").arg("--").args(words(&server.addr, ask));
    let output = command.output().await.map_err(Fault::io("start a load"))?;
    let (out, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&out)
        .map_err(|error| Fault::unfit("a load of its own process", format!("{error}: {out}{log}")))
}

impl Point {
    fn new(placed: Placed, shape: Shape, heard: &[Heard]) -> Self {
        let Placed { server_cores, load_cores, worker_threads, shards } = placed;
        let name = format!(
            "{}; server on {server_cores} with {worker_threads} workers and {shards} shards, load on {load_cores}",
            shape.words()
        );
        let of = |figure: fn(&Heard) -> f64| heard.iter().map(figure).collect::<Vec<_>>();
        Self {
            placed,
            durability: "fsync",
            debits_per_s: Line::new(&name, "debits/s", Better::Higher, &of(|run| run.debits_per_s)),
            latency_us_p99: Line::new(&name, "us", Better::Lower, &of(|run| run.p99_us)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_says_where_server_and_load_ran() {
        let heard =
            Heard { debits_per_s: 9.0, messages_per_s: 1.0, p50_us: 1.0, p99_us: 2.0, schedule_kept: true };
        let point = Point::new(PLACES[1], BATCHES, &[heard; 3]);
        let json = serde_json::to_value(&point).unwrap();
        assert_eq!((&json["server_cores"], &json["load_cores"]), (&"0".into(), &"1".into()));
        assert_eq!(
            (&json["debits_per_s"]["median"], &json["latency_us_p99"]["runs"]),
            (&9.0.into(), &3.into())
        );
    }
}
