//! Owns: what the command line says of itself to other programs: completions and man pages. Never: a word that `--help` has not.

use crate::{Failure, desk::Said};
use clap::Args;
use clap_complete::Shell;
use serde_json::Value;
use std::{fs, io, path::PathBuf};

/// Takes `tallystick completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Takes `tallystick man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write a page for each command into this folder, instead of the first page to standard output.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn completions(args: &CompletionsArgs, mut command: clap::Command) -> Result<Said, Failure> {
    let (name, mut text) = (command.get_name().to_owned(), Vec::new());
    clap_complete::generate(args.shell, &mut command, name, &mut text);
    say(&text)
}

pub(crate) fn man(args: &ManArgs, command: clap::Command) -> Result<Said, Failure> {
    let Some(folder) = &args.out else {
        let mut text = Vec::new();
        clap_mangen::Man::new(command).render(&mut text).map_err(Failure::io("write the man page"))?;
        return say(&text);
    };
    let written = fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
    written.map_err(Failure::io("write the man pages"))?;
    Ok(Said::nothing())
}

fn say(text: &[u8]) -> Result<Said, Failure> {
    let text = str::from_utf8(text).map_err(io::Error::other).map_err(Failure::io("write"))?;
    Ok(Said::done(text.trim_end(), Value::Null))
}
