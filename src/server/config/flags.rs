//! Owns: the flags, one for each key, made from the table of keys. Never: checks a value; `config` does, with all others.

use super::key;
use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches, builder::NonEmptyStringValueParser};
use std::{collections::BTreeMap, path::PathBuf};

const FILE: &str = "config";

/// Is what was given on the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    pub(super) file: Option<PathBuf>,
    given: BTreeMap<String, String>,
}

impl Flags {
    /// Makes flags from the names of keys, as they are in the file, and values.
    pub fn new<'a>(given: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        Self { file: None, given: given.into_iter().map(|(name, value)| (name.into(), value)).collect() }
    }

    /// Names the file.
    #[must_use]
    pub fn with_file(self, file: impl Into<PathBuf>) -> Self {
        Self { file: Some(file.into()), ..self }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(String::as_str)
    }
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new(FILE)
            .long(FILE)
            .value_name("FILE")
            .value_parser(NonEmptyStringValueParser::new())
            .help("A TOML file with these keys, dashes as underscores [variable: TALLYSTICK_CONFIG]");
        key::ALL.iter().fold(command.arg(file), |command, key| command.arg(flag(key)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn flag(key: &key::Key) -> Arg {
    let default = (key.default)().map_or_else(|| "required".into(), |default| format!("default: {default}"));
    Arg::new(key.name).long(key.flag).value_name("VALUE").allow_hyphen_values(true).help(format!(
        "{}: {} [{default}] [variable: {}]",
        key.help,
        key.rule,
        key.variable()
    ))
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        if let Some(file) = matches.get_one::<String>(FILE) {
            self.file = Some(file.into());
        }
        for key in key::ALL {
            if let Some(value) = matches.get_one::<String>(key.name) {
                self.given.insert(key.name.into(), value.clone());
            }
        }
        Ok(())
    }
}
