//! Writes the seeds into the corpora. What is there already stays.
#![allow(clippy::print_stdout, reason = "a tool")]

use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    let corpora = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus"));
    let seeds = tallystick_fuzz::seeds::all();
    for (target, name, bytes) in &seeds {
        let folder = corpora.join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), bytes)?;
    }
    println!("{} seeds", seeds.len());
    Ok(())
}
