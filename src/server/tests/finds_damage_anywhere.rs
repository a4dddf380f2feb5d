//! Whatever is damaged, wherever in a data folder: a server either refuses and names the place, or serves all that was
//! acknowledged, as it was. It never serves something else, hangs, or ends without a word. Damage that is undone leaves no
//! trace: what was refused was not thrown away.
//!
//! `DAMAGE_ROUNDS` says how often each fault is drawn at each place, `DAMAGE_SEED` which ones; without the first, each place
//! gets one fault. `DAMAGE_REPORT` names a file for the figures.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test that prints its table"
)]

mod damage;
mod support;

use damage::{
    fault::{self, FAULTS, Fault, PLACES, Place},
    outcome::{self, Matrix, Outcome},
    past::{Past, copy},
};
use rand::{SeedableRng as _, rngs::StdRng};
use std::{env, fs, path::Path};

fn from_environment(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

#[tokio::test]
async fn whatever_is_damaged_is_refused_or_does_not_matter() {
    let (rounds, seed) = (from_environment("DAMAGE_ROUNDS", 0), from_environment("DAMAGE_SEED", 1));
    let past = Past::make().await;
    let (mut matrix, mut wrong) = (Matrix::default(), Vec::new());
    for (number, place) in (0..).zip(PLACES) {
        for (kind, fault) in (0..).zip(FAULTS) {
            let of_place = u64::from((number + seed) % FAULTS.len() as u64 == kind);
            let times = if rounds > 0 && !fault.is_drawn() { 1 } else { rounds.max(of_place) };
            for round in 0..times {
                let mut dice = StdRng::seed_from_u64(seed << 32 | round << 16 | number << 8 | kind);
                if let Err(what) = try_one(&past, place, fault, &mut dice, &mut matrix).await {
                    wrong.push(format!("{}, {}, round {round}: {what}", place.name, fault.name()));
                }
            }
        }
    }
    println!("DAMAGE_SEED={seed} DAMAGE_ROUNDS={rounds}");
    matrix.print();
    if let Some(report) = env::var_os("DAMAGE_REPORT") {
        let figures = serde_json::json!({ "seed": seed, "rounds": rounds, "matrix": matrix.figures() });
        fs::write(report, serde_json::to_vec_pretty(&figures).unwrap()).unwrap();
    }
    assert!(wrong.is_empty(), "{} of these must not be:\n{}", wrong.len(), wrong.join("\n"));
}

async fn try_one(
    past: &Past,
    place: Place,
    fault: Fault,
    dice: &mut StdRng,
    matrix: &mut Matrix,
) -> Result<(), String> {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    copy(&past.data(), &data);
    let Some(done) = fault::damage(&data, &past.older(), place, fault, dice) else {
        matrix.add((place, fault), Outcome::NotApplicable, None);
        return Ok(());
    };
    let told = |what: String| format!("{} at byte {}: {what}", done.file.display(), done.at);
    let (outcome, said) = outcome::of(past, &data).await.map_err(told)?;
    let said = said.replace(data.to_str().unwrap(), "DATA");
    matrix.add((place, fault), outcome, Some((&done, &said)));
    if outcome == Outcome::Refused {
        undone(past, &data, &done.file).await.map_err(|what| told(format!("once undone: {what}")))?;
    }
    Ok(())
}

/// Puts the file back as it was. A file that a refused start has replaced meanwhile is not put back.
async fn undone(past: &Past, data: &Path, file: &Path) -> Result<(), String> {
    let damaged = data.join(file);
    if file.extension().is_some() && !damaged.exists() && !past.data().join(file).exists() {
        return Ok(());
    }
    fs::copy(past.data().join(file), damaged).unwrap();
    match outcome::of(past, data).await? {
        (Outcome::Serves, _) => Ok(()),
        (_, said) => Err(said),
    }
}
