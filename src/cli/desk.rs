//! Owns: what every command that speaks to a server is given: where it is, how long to wait, how to write money, and for
//! whom. Never: a command.

use crate::{Exit, Failure, fields::Fields, moment, money::Money, screen, screen::Look};
use clap::Args;
use serde_json::Value;
use std::{path::PathBuf, time::Duration};
use tallystick_client::{ApiKey, Client, ClientError, ClientOptions};

/// Says for whom to write.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Output {
    /// Write JSON, for programs: one object, or one a line for what goes on.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Take and show amounts as whole nanos, 10^-9 of a unit, instead of decimals.
    #[arg(long, global = true)]
    pub(crate) nanos: bool,
}

impl Output {
    pub(crate) fn money(self) -> Money {
        if self.nanos { Money::Nanos } else { Money::Decimal }
    }
}

/// Says where the server is, and how long to wait for it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct Reach {
    /// The server's address.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "TALLYSTICK_SERVER",
        default_value = "http://127.0.0.1:7878"
    )]
    server: String,
    /// The API key to be heard with. In the environment it is not seen by everybody on this machine, as it is here.
    #[arg(long, global = true, value_name = "KEY", env = "TALLYSTICK_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
    /// A file whose first line is the API key.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "TALLYSTICK_API_KEY_FILE",
        conflicts_with = "api_key"
    )]
    api_key_file: Option<PathBuf>,
    /// How long to try for an answer; every try has the same key.
    #[arg(long, global = true, value_name = "SPAN", default_value = "5s")]
    timeout: String,
    #[command(flatten)]
    pub(crate) output: Output,
}

impl Reach {
    /// Reads the key that was given. *Errors*: a file that cannot be read, a text that is no key.
    fn key(&self) -> Result<Option<ApiKey>, Failure> {
        let text = match (&self.api_key, &self.api_key_file) {
            (Some(key), _) => key.clone(),
            (None, Some(file)) => {
                let text = std::fs::read_to_string(file).map_err(Failure::io("read the API key"))?;
                text.lines().next().unwrap_or_default().trim().to_owned()
            }
            (None, None) => return Ok(None),
        };
        ApiKey::new(&text).map(Some).map_err(Failure::call("take the API key"))
    }
}

/// Is a command's place of work.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub(crate) client: Client,
    pub(crate) money: Money,
    pub(crate) look: Look,
    pub(crate) json: bool,
    server: String,
}

impl Desk {
    /// Prepares the connection; nothing is sent yet. *Errors*: an address or a span that cannot be used.
    pub(crate) fn open(reach: &Reach) -> Result<Self, Failure> {
        let retry_limit = moment::read_span("--timeout", &reach.timeout)?;
        let defaults = ClientOptions::default();
        let options = ClientOptions {
            call_deadline: defaults.call_deadline.min(retry_limit),
            connect_limit: defaults.connect_limit.min(retry_limit),
            retry_limit,
            key: reach.key()?,
            ..defaults
        };
        let server = match reach.server.contains("://") {
            true => reach.server.clone(),
            false => format!("http://{}", reach.server),
        };
        let client = Client::connect_with(&server, options).map_err(Failure::call("connect"))?;
        let Output { json, .. } = reach.output;
        Ok(Self { client, money: reach.output.money(), look: Look::of_stdout(), json, server })
    }

    /// Makes a call without a key. *Errors*: says what was being done.
    pub(crate) async fn call<T>(
        &self,
        doing: &'static str,
        call: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, Failure> {
        self.wait(call).await.map_err(Failure::call(doing))
    }

    /// Makes a call under a key. *Errors*: say the key, too.
    pub(crate) async fn keyed<T>(
        &self,
        doing: &'static str,
        key: &str,
        call: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, Failure> {
        self.wait(call).await.map_err(Failure::keyed(doing, key))
    }

    async fn wait<T>(&self, call: impl Future<Output = T>) -> T {
        screen::patiently(&format!("waiting for {}", self.server), call).await
    }
}

/// Is what a command has to say, to a person and to a program.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    pub(crate) exit: Exit,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Said {
    /// Says nothing more: all was said on the way.
    pub(crate) fn nothing() -> Self {
        Self::done("", Value::Null)
    }

    /// Says it to whom it is for. Whoever closed our output does not want to know.
    pub(crate) fn tell(&self, json: bool) -> Exit {
        match (json, &self.json) {
            (true, Value::Null) => {}
            (true, value) => drop(screen::say_json(value)),
            (false, _) if self.text.is_empty() => {}
            (false, _) => drop(screen::say(&self.text)),
        }
        self.exit
    }

    /// Says that all went well.
    pub(crate) fn done(text: impl Into<String>, json: Value) -> Self {
        Self { exit: Exit::Done, text: text.into(), json }
    }

    /// Says a part of a list, which may go on.
    pub(crate) fn list(name: &str, text: String, rows: Vec<Value>, more: bool) -> Self {
        let text = if more { format!("{text}\n… and more: --limit 0 shows all") } else { text };
        Self::done(text, Fields::new().put(name, rows).put("more", more).end())
    }
}

/// Bounds a list.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Limit {
    /// How many rows to show at most; 0 for all.
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
}

impl Limit {
    /// Is without a bound.
    pub(crate) const NONE: Self = Self { limit: 0 };

    /// Tells whether `len` rows are more than wanted.
    pub(crate) fn is_passed(self, len: usize) -> bool {
        self.limit != 0 && len > self.limit
    }

    /// Cuts what is too much. *Returns* whether there was any.
    pub(crate) fn cut<T>(self, rows: &mut Vec<T>) -> bool {
        let more = self.limit != 0 && rows.len() > self.limit;
        if more {
            rows.truncate(self.limit);
        }
        more
    }

    /// Says how many to ask for at once: one more than wanted, so that it is known whether there are more.
    pub(crate) fn page_size(self) -> u32 {
        match self.limit {
            0 => 1_000,
            limit => u32::try_from(limit.saturating_add(1)).unwrap_or(u32::MAX).min(1_000),
        }
    }
}

/// Is how long `follow` waits before it asks again.
pub(crate) const FOLLOW_PAUSE: Duration = Duration::from_millis(500);
