//! Owns: everything that can keep a comparison from being made. Never: a difference found by an audit, which is a figure.

use std::path::PathBuf;
use tallystick_loadtest::LoadError;

/// Says why there is no comparison.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompareError {
    /// A program is not installed.
    #[error(
        "`{program}` is not installed; it is in Debian's package {package} (`.ci/setup --peers` installs it)"
    )]
    Missing {
        /// Which.
        program: &'static str,
        /// Where it is.
        package: &'static str,
    },
    /// There is no server of ours to compare.
    #[error("{} is not there; build it first, or name another with --server", .0.display())]
    NoServer(PathBuf),
    /// The machine refused something.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was tried.
        doing: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A server or a load tool did not do what it was started for.
    #[error("{name} {problem}{log}")]
    Process {
        /// Which.
        name: &'static str,
        /// What it did instead.
        problem: String,
        /// The last lines that it wrote, each on a line of its own.
        log: String,
    },
    /// What a load tool printed cannot be read.
    #[error("cannot read what {tool} printed: no {wanted} in `{text}`")]
    Output {
        /// Which.
        tool: &'static str,
        /// What should be there.
        wanted: &'static str,
        /// What is.
        text: String,
    },
    /// A peer does not run with a setting that the comparison depends on.
    #[error("{peer} runs with {setting} = `{found}`, and not `{wanted}`")]
    Setting {
        /// Which.
        peer: &'static str,
        /// Its setting.
        setting: &'static str,
        /// What it must be.
        wanted: &'static str,
        /// What it is.
        found: String,
    },
    /// Redis answered with an error, or with something else than was asked for.
    #[error("Redis was asked to {doing} and said {said}")]
    Redis {
        /// What was tried.
        doing: &'static str,
        /// What came.
        said: String,
    },
    /// PostgreSQL, or the way to it.
    #[error("PostgreSQL: {0}")]
    Postgres(#[from] tokio_postgres::Error),
    /// Our own load.
    #[error("Tallystick: {0}")]
    Load(#[from] LoadError),
    /// Our own load cannot be asked for so, or did not report a figure.
    #[error("the load tool: {0}")]
    LoadTool(String),
    /// A histogram cannot hold or add what it was given.
    #[error("cannot keep latencies: {0}")]
    Histogram(String),
    /// A signal came.
    #[error("stopped by a signal; nothing is reported")]
    Stopped,
}

impl CompareError {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}
