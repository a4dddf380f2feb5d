//! Owns: throughput and latency over gRPC: each shape in a closed loop beside its echo, one call at a time, and an open loop at
//! half of what the closed one reached. Server and echo take turns, so that a slow minute of the machine hits both.
//! Never: a rate that was not reached in this run.

use crate::{
    child::Listening,
    disk,
    fault::Fault,
    line::{Better, Line, median},
    load::{Ask, Heard, Shape, on_echo, on_server},
    plan::Plan,
    tools,
};
use tallystick_loadtest::Mode;

const SESSIONS: u32 = 256;

/// Is one shape and what it should reach.
struct Goal {
    shape: Shape,
    debits_per_s: f64,
    /// Whether it is measured in a hurry, too.
    in_quick: bool,
    /// Whether it is also run open, at half.
    opens: bool,
}

const fn batches(debits: u32, (connections, in_flight): (u32, u32), in_quick: bool, opens: bool) -> Goal {
    let shape = Shape { mode: Mode::Batch { debits }, connections, in_flight };
    Goal { shape, debits_per_s: 2_000_000.0, in_quick, opens }
}

const fn calls(connections: u32, in_quick: bool) -> Goal {
    let shape = Shape { mode: Mode::Unary, connections, in_flight: 16 };
    Goal { shape, debits_per_s: 70_000.0, in_quick, opens: in_quick }
}

const GOALS: [Goal; 6] = [
    batches(100, (4, 16), true, true),
    batches(500, (2, 8), false, false),
    batches(1_000, (2, 8), true, false),
    Goal {
        shape: Shape { mode: Mode::Stream, connections: 4, in_flight: 1_024 },
        debits_per_s: 1_000_000.0,
        in_quick: true,
        opens: true,
    },
    calls(4, true),
    calls(32, false),
];

const ALONE: Shape = Shape { mode: Mode::Unary, connections: 1, in_flight: 1 };

/// Measures all of it.
pub(crate) async fn measure(plan: &Plan) -> Result<Vec<Line>, Fault> {
    let mut lines = disk::syncs(plan.data(), plan.runs, plan.sync_span)?;
    plan.show(&lines);
    let folder = plan.folder()?;
    let server = Listening::server(folder.path(), &[], None)?;
    let echo = Listening::echo()?;
    let pair = Pair { plan, server, echo };
    for goal in GOALS.iter().filter(|goal| goal.in_quick || !plan.quick) {
        let mut found = pair.closed(goal).await?;
        if goal.opens {
            let rate = half(found.messages_per_s);
            found.lines.extend(pair.open(goal, rate).await?);
        }
        plan.show(&found.lines);
        lines.extend(found.lines);
    }
    let alone = pair.alone().await?;
    plan.show(&alone);
    lines.extend(alone);
    lines.extend(pair.others().await?);
    Ok(lines)
}

/// Is a server and its echo.
struct Pair<'a> {
    plan: &'a Plan,
    server: Listening,
    echo: Listening,
}

struct Closed {
    lines: Vec<Line>,
    messages_per_s: f64,
}

impl Pair<'_> {
    async fn closed(&self, goal: &Goal) -> Result<Closed, Fault> {
        let ask = self.ask(goal.shape, None, self.plan.warmup_seconds);
        let (ours, echoes) = self.rounds(ask, self.plan.echo_runs).await?;
        let words = goal.shape.words();
        let echo = Line::new(
            format!("echo: {words}"),
            "debits/s",
            Better::Higher,
            &of(&echoes, |run| run.debits_per_s),
        );
        let line = Line::new(words, "debits/s", Better::Higher, &of(&ours, |run| run.debits_per_s))
            .target(goal.debits_per_s)
            .ceiling(Some(echo.median));
        let messages_per_s = median(&of(&ours, |run| run.messages_per_s));
        Ok(Closed { lines: vec![line, echo], messages_per_s })
    }

    /// Runs at `rate` calls or messages a second. Latency counts from the intended start.
    async fn open(&self, goal: &Goal, rate: u32) -> Result<Vec<Line>, Fault> {
        // Connections are made in the warm-up, and not measured.
        let ask = self.ask(goal.shape, Some(rate), 1);
        let echo_runs = if self.plan.quick { 0 } else { self.plan.echo_runs };
        let (ours, echoes) = self.rounds(ask, echo_runs).await?;
        let what = match goal.shape.mode {
            Mode::Unary => "unary calls".to_owned(),
            Mode::Stream => "single debits streamed".to_owned(),
            Mode::Batch { debits } => format!("batches of {debits}"),
        };
        let name =
            format!("open loop at half of the peak, {what}, {} connections, p99", goal.shape.connections);
        let ceiling = (!echoes.is_empty()).then(|| median(&of(&echoes, |run| run.p99_us)));
        let late = ours.iter().filter(|run| !run.schedule_kept).count();
        if late > 0 {
            self.plan.remark(format!(
                "{name}: the schedule of {rate}/s was not kept in {late} of {} runs",
                ours.len()
            ));
        }
        let line = Line::new(name, "us", Better::Lower, &of(&ours, |run| run.p99_us));
        Ok(vec![line.target(1_000.0).ceiling(ceiling)])
    }

    /// Measures one client that waits for each answer. The ceiling is the echo's wait and one sync, measured in between.
    async fn alone(&self) -> Result<Vec<Line>, Fault> {
        let (mut ours, mut echoes, mut syncs_us) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..self.plan.runs {
            let (more, echo) =
                self.rounds_of(1, self.ask(ALONE, None, 1), usize::from(round < self.plan.echo_runs)).await?;
            ours.extend(more);
            echoes.extend(echo);
            syncs_us.push(disk::sync_us(self.plan.data(), self.plan.sync_span)?);
        }
        let floor_us = median(&of(&echoes, |run| run.p50_us)) + median(&syncs_us);
        let named = |what: &str| format!("one client, one unary call at a time, {what}");
        let p50 = Line::new(named("p50"), "us", Better::Lower, &of(&ours, |run| run.p50_us)).target(350.0);
        let p99 = Line::new(named("p99"), "us", Better::Lower, &of(&ours, |run| run.p99_us)).target(1_000.0);
        let echo = Line::new(
            "echo: one unary call at a time, p50",
            "us",
            Better::Lower,
            &of(&echoes, |run| run.p50_us),
        );
        Ok(vec![p50.ceiling(Some(floor_us)), p99, echo])
    }

    /// Asks the load tools that are installed, unless there is no time.
    async fn others(&self) -> Result<Vec<Line>, Fault> {
        let Self { plan, server, echo } = self;
        let mut lines = Vec::new();
        if plan.quick {
            return Ok(lines);
        }
        match tools::h2load(server, echo, plan.runs, plan.seconds).await? {
            Some(found) => lines.extend(found),
            None => plan.remark("no row by h2load: it is not installed (.ci/setup --bench installs it)"),
        }
        match tools::ghz(server, plan.runs).await? {
            Some(found) => lines.extend(found),
            None => plan.remark("no row by ghz: it is not installed (make ghz installs it with Go)"),
        }
        plan.show(&lines);
        Ok(lines)
    }

    fn ask(&self, shape: Shape, rate: Option<u32>, warmup_seconds: u32) -> Ask {
        Ask { shape, rate, seconds: self.plan.seconds, warmup_seconds, sessions: SESSIONS }
    }

    /// Runs server and echo in turn.
    async fn rounds(&self, ask: Ask, echo_runs: usize) -> Result<(Vec<Heard>, Vec<Heard>), Fault> {
        self.rounds_of(self.plan.runs, ask, echo_runs).await
    }

    async fn rounds_of(
        &self,
        runs: usize,
        ask: Ask,
        echo_runs: usize,
    ) -> Result<(Vec<Heard>, Vec<Heard>), Fault> {
        let (mut ours, mut echoes) = (Vec::new(), Vec::new());
        for round in 0..runs {
            ours.push(on_server(&self.server.addr, ask).await?);
            if round < echo_runs {
                echoes.push(on_echo(&self.echo.addr, ask).await?);
            }
        }
        Ok((ours, echoes))
    }
}

fn of(runs: &[Heard], figure: fn(&Heard) -> f64) -> Vec<f64> {
    runs.iter().map(figure).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is between 0 and some millions"
)]
fn half(rate: f64) -> u32 {
    (rate / 2.0) as u32
}
