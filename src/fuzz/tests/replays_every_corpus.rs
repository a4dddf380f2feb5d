//! Every input that is kept is read again, those that once found a bug among them.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{collections::BTreeSet, fs, path::Path};

fn corpora() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus"))
}

#[test]
fn every_input_is_read_without_a_panic_and_within_its_bound() {
    for target in tallystick_fuzz::TARGETS {
        let mut inputs: Vec<_> =
            fs::read_dir(corpora().join(target.name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "{} has no corpus", target.name);
        for input in inputs {
            // The harness shows this of a run that fails.
            println!("{}", input.display());
            tallystick_fuzz::run(target.name, &fs::read(&input).unwrap());
        }
    }
    // Nothing here is another's: a corpus of a target that is gone would never be read.
    let kept: BTreeSet<_> =
        fs::read_dir(corpora()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(kept, tallystick_fuzz::TARGETS.iter().map(|target| target.name.into()).collect());
}
