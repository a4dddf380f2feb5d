//! Owns: where values come from and which one wins. Never: what a value means.

use super::{
    Flags, Problem,
    key::{self, Key, Value},
};
use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
};
use toml::{Table, Value as Toml};

const FILE_VARIABLE: &str = "TALLYSTICK_CONFIG";

/// Says where a value was given.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    Default,
    File(PathBuf),
    Variable(String),
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the default"),
            Self::File(file) => write!(f, "the file {}", file.display()),
            Self::Variable(name) => write!(f, "the environment variable {name}"),
            Self::Flag(name) => write!(f, "the flag --{name}"),
        }
    }
}

/// Is something that was given.
#[derive(Debug)]
struct Given {
    text: String,
    origin: Origin,
    /// False for what can be no value of any key: a table, a list, a text that is not UTF-8.
    is_plain: bool,
}

/// Looks keys up in all sources, and gathers problems.
pub(super) struct Reader {
    /// By key; the later source is the later entry.
    given: BTreeMap<&'static str, Vec<Given>>,
    problems: Vec<Problem>,
    lines: Vec<String>,
}

impl Reader {
    /// Reads all sources.
    pub(super) fn open(flags: &Flags, variable: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let mut reader = Self { given: BTreeMap::new(), problems: Vec::new(), lines: Vec::new() };
        let file = flags.file.clone().or_else(|| variable(FILE_VARIABLE).map(PathBuf::from));
        if let Some(file) = file {
            match read_file(&file) {
                Ok(table) => reader.take_file(&file, &table),
                Err(finding) => reader.problems.push(Problem::File { file, finding }),
            }
        }
        for key in key::ALL {
            if let Some(value) = variable(&key.variable()) {
                reader.take_variable(key, &value);
            }
            if let Some(text) = flags.get(key.name) {
                reader.take(key, text.into(), Origin::Flag(key.flag), true);
            }
        }
        reader
    }

    /// Reads one key. Returns nothing when it cannot be used; the problem is kept.
    ///
    /// What a later source overrides is checked too: the next start may be without that source.
    pub(super) fn read(&mut self, key: &'static Key) -> Option<Value> {
        let default = (key.default)().map(|text| Given { text, origin: Origin::Default, is_plain: true });
        let given = default.into_iter().chain(self.given.remove(key.name).unwrap_or_default());
        let mut chosen = None;
        for given in given {
            match key.rule.read(&given.text).filter(|_| given.is_plain) {
                Some(value) => chosen = Some((value, given.origin)),
                None => self.problems.push(Problem::Value {
                    key: key.name,
                    value: format!("{:?}", given.text),
                    origin: given.origin.to_string(),
                    rule: key.rule.to_string(),
                }),
            }
        }
        match chosen {
            Some((value, origin)) => {
                self.lines.push(format!("{} = {}  # {origin}", key.name, shown(&value)));
                Some(value)
            }
            None => {
                self.miss(key);
                None
            }
        }
    }

    /// Keeps a problem with an address that other machines can reach.
    pub(super) fn keep_near(&mut self, key: &'static Key, address: Option<SocketAddr>) {
        if let Some(address) = address.filter(|address| !address.ip().to_canonical().is_loopback()) {
            self.problems.push(Problem::Far { key: key.name, address });
        }
    }

    /// Returns the problems, and the lines to show.
    pub(super) fn close(self) -> (Vec<Problem>, Vec<String>) {
        (self.problems, self.lines)
    }

    fn miss(&mut self, key: &'static Key) {
        // A value that breaks its rule has been given, and its problem says enough.
        if !self.problems.iter().any(|p| matches!(p, Problem::Value { key: name, .. } if *name == key.name)) {
            self.problems.push(Problem::Missing {
                key: key.name,
                rule: key.rule.to_string(),
                places: format!(
                    "the flag --{}, the environment variable {}, or the key {} of the file",
                    key.flag,
                    key.variable(),
                    key.name
                ),
            });
        }
    }

    fn take(&mut self, key: &'static Key, text: String, origin: Origin, is_plain: bool) {
        self.given.entry(key.name).or_default().push(Given { text, origin, is_plain });
    }

    fn take_variable(&mut self, key: &'static Key, value: &OsStr) {
        let is_plain = value.to_str().is_some();
        self.take(key, value.to_string_lossy().into_owned(), Origin::Variable(key.variable()), is_plain);
    }

    fn take_file(&mut self, file: &Path, table: &Table) {
        for (name, value) in table {
            let Some(key) = key::ALL.into_iter().find(|key| key.name == name) else {
                let known = key::ALL.map(|key| key.name).join(", ");
                self.problems.push(Problem::UnknownKey { key: name.clone(), file: file.into(), known });
                continue;
            };
            let (text, is_plain) = match value {
                Toml::String(text) => (text.clone(), true),
                Toml::Integer(number) => (number.to_string(), true),
                Toml::Float(_) | Toml::Boolean(_) | Toml::Datetime(_) | Toml::Array(_) | Toml::Table(_) => {
                    (value.to_string(), false)
                }
            };
            self.take(key, text, Origin::File(file.into()), is_plain);
        }
    }
}

fn read_file(file: &Path) -> Result<Table, String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        format!("line {line} is no TOML: {}", error.message())
    })
}

/// Shows a value as the file would hold it.
fn shown(value: &Value) -> String {
    match value {
        Value::Address(address) => format!("\"{address}\""),
        Value::Folder(folder) => Toml::String(folder.display().to_string()).to_string(),
        Value::Word(word) => format!("\"{word}\""),
        Value::Number(number) => number.to_string(),
    }
}
