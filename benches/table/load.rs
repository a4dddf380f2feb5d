//! Owns: the one place that drives load: a shape becomes words for the load test, its report becomes figures. Never: a figure
//! of a server whose answers did not add up.

use crate::{fault::Fault, line::figure};
use clap::Parser as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tallystick_loadtest::{Cli, Command, Mode, Report};

/// Is how debits are sent, and by how many at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) mode: Mode,
    pub(crate) connections: u32,
    /// Calls or messages on their way on each connection.
    pub(crate) in_flight: u32,
}

/// Is one run that is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) shape: Shape,
    /// An open loop begins so many calls or messages a second; a closed one waits for answers.
    pub(crate) rate: Option<u32>,
    pub(crate) seconds: u32,
    pub(crate) warmup_seconds: u32,
    pub(crate) sessions: u32,
}

/// Is what one run gave. Latencies are in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Heard {
    pub(crate) debits_per_s: f64,
    pub(crate) messages_per_s: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// False when an open loop could not keep its schedule.
    pub(crate) schedule_kept: bool,
}

impl Shape {
    /// Says the shape for a person.
    pub(crate) fn words(&self) -> String {
        let Self { connections, in_flight, .. } = self;
        match self.mode {
            Mode::Unary => format!("unary, {connections} connections x {in_flight} calls"),
            Mode::Stream => format!("single debits, {connections} streams x {in_flight} messages"),
            Mode::Batch { debits } => {
                format!("batches of {debits}, {connections} streams x {in_flight} batches")
            }
        }
    }
}

/// Runs a server's load once. *Errors*: calls that fail; answers that do not add up with what the server settled.
pub(crate) async fn on_server(addr: &str, ask: Ask) -> Result<Heard, Fault> {
    audited(&run(addr, ask).await?)
}

/// Runs the same load on an echo, whose answers add up to nothing.
pub(crate) async fn on_echo(addr: &str, ask: Ask) -> Result<Heard, Fault> {
    heard(&run(addr, ask).await?)
}

async fn run(addr: &str, ask: Ask) -> Result<Report, Fault> {
    obey(&words(addr, ask)).await
}

/// Runs a server's load as said in words: what a process of its own is asked.
pub(crate) async fn drive(words: &[String]) -> Result<Heard, Fault> {
    audited(&obey(words).await?)
}

async fn obey(words: &[String]) -> Result<Report, Fault> {
    let (mode, args) = match Cli::try_parse_from(words).map(|cli| cli.command) {
        Ok(Command::Unary(args)) => (Mode::Unary, args),
        Ok(Command::Stream(args)) => (Mode::Stream, args),
        Ok(Command::Batch(args)) => (Mode::Batch { debits: args.batch }, args.load),
        Ok(other) => return Err(Fault::unfit("no load", format!("{other:?}"))),
        Err(error) => return Err(Fault::unfit(words.join(" "), error)),
    };
    let fault = |source| Fault::Load { addr: args.addr.clone(), source };
    tallystick_loadtest::run(mode, &args).await.map_err(fault)
}

fn audited(report: &Report) -> Result<Heard, Fault> {
    if report.is_clean() {
        heard(report)
    } else {
        Err(Fault::unfit("the audit found a difference", report.table()))
    }
}

/// Says an ask as the load test's command line has it, so that what is not said here has its defaults.
pub(crate) fn words(addr: &str, ask: Ask) -> Vec<String> {
    let Ask { shape, rate, seconds, warmup_seconds, sessions } = ask;
    let mut words = vec!["tallystick-loadtest".to_owned(), shape.mode.as_str().to_owned()];
    let mut say =
        |name: &str, value: &dyn std::fmt::Display| words.extend([format!("--{name}"), value.to_string()]);
    if let Mode::Batch { debits } = shape.mode {
        say("batch", &debits);
    }
    say("addr", &addr);
    say("connections", &shape.connections);
    match rate {
        Some(rate) => {
            say("rate", &rate.max(1));
            // Callers who do not know of each other, as in life.
            say("arrivals", &"poisson");
        }
        None => say("in-flight", &shape.in_flight),
    }
    say("seconds", &seconds);
    say("warmup-seconds", &warmup_seconds);
    say("sessions", &sessions);
    say("runs", &1);
    words
}

fn heard(report: &Report) -> Result<Heard, Fault> {
    let json = serde_json::to_value(report).map_err(|error| Fault::unfit("the load's report", error))?;
    heard_in(&json).ok_or_else(|| Fault::unfit("the load's report has other keys", json))
}

fn heard_in(json: &Value) -> Option<Heard> {
    let median = |key: &str| json.get(key)?.get("median")?.as_u64().map(figure);
    Some(Heard {
        debits_per_s: median("debits_per_s")?,
        messages_per_s: median("achieved_rate")?,
        p50_us: median("latency_us_p50")?,
        p99_us: median("latency_us_p99")?,
        schedule_kept: json.get("schedule_kept")?.as_bool().unwrap_or(true),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(mode: Mode, rate: Option<u32>) -> Ask {
        let shape = Shape { mode, connections: 2, in_flight: 8 };
        Ask { shape, rate, seconds: 1, warmup_seconds: 0, sessions: 16 }
    }

    #[test]
    fn the_load_test_understands_what_is_asked() {
        let parsed = |ask| Cli::try_parse_from(words("127.0.0.1:1", ask)).map(|cli| cli.command);
        let Ok(Command::Batch(batch)) = parsed(ask(Mode::Batch { debits: 100 }, None)) else {
            panic!("a batch")
        };
        assert_eq!(
            (batch.batch, batch.load.connections, batch.load.in_flight, batch.load.rate),
            (100, 2, 8, None)
        );
        let Ok(Command::Unary(unary)) = parsed(ask(Mode::Unary, Some(7))) else { panic!("unary") };
        assert_eq!((unary.rate, unary.runs, unary.sessions), (Some(7), 1, 16));
        assert!(matches!(parsed(ask(Mode::Stream, None)), Ok(Command::Stream(_))));
    }

    #[test]
    fn figures_are_found_in_a_report_by_its_keys() {
        let spread = |median| serde_json::json!({ "median": median, "min": 0, "max": 0 });
        let mut json = serde_json::json!({
            "debits_per_s": spread(100), "achieved_rate": spread(10), "latency_us_p50": spread(1),
            "latency_us_p99": spread(9), "schedule_kept": null,
        });
        let expected = Heard {
            debits_per_s: 100.0,
            messages_per_s: 10.0,
            p50_us: 1.0,
            p99_us: 9.0,
            schedule_kept: true,
        };
        assert_eq!(heard_in(&json), Some(expected));
        json["schedule_kept"] = false.into();
        assert_eq!(heard_in(&json).map(|heard| heard.schedule_kept), Some(false));
        json["latency_us_p99"] = Value::Null;
        assert_eq!(heard_in(&json), None);
    }
}
