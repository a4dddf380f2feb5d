//! Owns: both ends of a ghz run: the sessions that its profiles name, and the audit of what they spent. Never: runs ghz.
//!
//! ghz counts a call as OK whatever was decided in it. So the audit takes the profile's word for what each call asks for,
//! and the settlements' for what was paid: a debit declined, lost or paid twice shows as a difference.

use crate::{
    AuditArgs, LoadError, StageArgs, args,
    audit::{Audit, Settled, settle},
    stage::{self, Size, Stage},
};
use comfy_table::{Cell, CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde::{Deserialize, de::DeserializeOwned};
use std::{collections::BTreeMap, fmt, path::Path};
use tallystick_client::{Client, Difference, PayeeId, SessionId};

const CAP_NANOS: u64 = 10_000_000_000_000;
const NANOS_PER_US: u64 = 1_000;

/// Is the part of a ghz profile that says what it spends.
#[derive(Debug, Deserialize)]
struct Profile {
    name: String,
    /// Calls.
    total: u64,
    concurrency: u64,
    connections: u64,
    tags: Tags,
}

/// ghz knows tags as texts only.
#[derive(Debug, Deserialize)]
struct Tags {
    debits_per_call: String,
    amount_nanos: String,
}

/// Is the part of ghz's JSON that is shown. Spans are nanoseconds.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    count: u64,
    total: u64,
    average: u64,
    slowest: u64,
    status_code_distribution: BTreeMap<String, u64>,
    latency_distribution: Vec<Quantile>,
}

#[derive(Debug, Deserialize)]
struct Quantile {
    percentage: u8,
    latency: u64,
}

/// Is what a profile must have spent.
#[derive(Clone, Copy, Debug)]
struct Expected {
    debit_count: u64,
    nanos: u128,
}

/// Holds what ghz found and what the audit did; prints as a table.
#[derive(Debug)]
pub struct Ghz {
    profile: Profile,
    found: Option<Found>,
    expected: Expected,
    /// Everything that is not as it must be.
    complaints: Vec<String>,
}

/// Opens fresh sessions, an account and a payee, and returns their ids as the variables that the profiles read.
///
/// *Errors*: calls that fail.
pub async fn stage(args: &StageArgs) -> Result<String, LoadError> {
    let client = Client::connect(&args::uri(&args.addr)).map_err(LoadError::call("connect"))?;
    let label = stage::label(&client).await?;
    let payees = stage::payees(&client, &label, 1).await?;
    let size = Size { accounts: 1, sessions: args.sessions, cap_nanos: CAP_NANOS };
    let stage = Stage::set(&client, size, &label, &payees).await?;
    let sessions: Vec<&str> = stage.sessions.iter().map(SessionId::as_str).collect();
    let payees: Vec<&str> = stage.payees.iter().map(PayeeId::as_str).collect();
    Ok(format!("TALLYSTICK_PAYEE={}\nTALLYSTICK_SESSIONS={}", payees.join(","), sessions.join(",")))
}

/// Settles what was opened and compares it with what the profile must have spent.
///
/// *Errors*: files that cannot be read, calls that fail; differences are in the answer.
pub async fn audit(args: &AuditArgs) -> Result<Ghz, LoadError> {
    let profile: Profile = read(&args.profile)?;
    let found: Option<Found> = args.report.as_deref().map(read).transpose()?;
    let expected = Expected::of(&profile, &args.profile)?;
    let mut complaints: Vec<String> =
        found.iter().flat_map(|found| count_complaint(profile.total, found)).collect();

    let client = Client::connect(&args::uri(&args.addr)).map_err(LoadError::call("connect"))?;
    let payees = vec![PayeeId::new(&args.payee)];
    let sessions = args.sessions.iter().map(|id| SessionId::new(id)).collect();
    let stage = Stage { payees, sessions, label: String::new() };
    // The payee is as new as its sessions: had it been owed anything before, that would be a difference.
    let settled = settle(&client, &stage, vec![0]).await?;
    complaints.extend(expected.compare(&settled).words());
    Ok(Ghz { profile, found, expected, complaints })
}

impl Expected {
    fn of(profile: &Profile, file: &Path) -> Result<Self, LoadError> {
        let number = |name: &str, text: &str| {
            let reason = || format!("tags.{name}: `{text}` is not a whole number");
            text.parse::<u64>().map_err(|_| LoadError::Ghz { file: file.to_owned(), reason: reason() })
        };
        let debits_per_call = number("debits_per_call", &profile.tags.debits_per_call)?;
        let amount_nanos = number("amount_nanos", &profile.tags.amount_nanos)?;
        let debit_count = profile.total * debits_per_call;
        Ok(Self { debit_count, nanos: u128::from(debit_count) * u128::from(amount_nanos) })
    }

    fn compare(&self, settled: &Settled) -> Audit {
        let nanos = settled.settlements.iter().map(|settlement| u128::from(settlement.total_nanos)).sum();
        let debits = settled.settlements.iter().map(|settlement| settlement.debit_count).sum();
        let owed = settled.after.iter().sum();
        let settlements = || "settlements of all sessions".to_owned();
        let differences = [
            Difference::in_nanos(settlements, self.nanos, nanos),
            Difference::in_debits(settlements, self.debit_count, debits),
            Difference::in_nanos(|| "position of the payee".to_owned(), self.nanos, owed),
        ];
        Audit { differences: differences.into_iter().flatten().collect() }
    }
}

/// Says so when not every call was OK.
fn count_complaint(total: u64, found: &Found) -> Option<String> {
    let ok = found.status_code_distribution.get("OK").copied().unwrap_or(0);
    (found.count != total || ok != total).then(|| {
        let codes = &found.status_code_distribution;
        format!("{total} calls were to be made, {} were, and {ok} were OK: {codes:?}", found.count)
    })
}

impl Ghz {
    /// Returns whether every call was OK and every nano is where it must be.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.complaints.is_empty()
    }

    fn table(&self, found: &Found) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED.with_rounded_corners());
        let per_second = |count: u64| u128::from(count) * 1_000_000_000 / u128::from(found.total.max(1));
        let mut headers = vec!["calls".to_owned(), "calls/s".to_owned(), "debits/s".to_owned()];
        let (calls, debits) = (per_second(found.count), per_second(self.expected.debit_count));
        let mut figures = vec![found.count.to_string(), calls.to_string(), debits.to_string()];
        let spans = found
            .latency_distribution
            .iter()
            .filter(|quantile| quantile.percentage >= 50)
            .map(|quantile| (format!("p{} us", quantile.percentage), quantile.latency))
            .chain([("max us".to_owned(), found.slowest), ("average us".to_owned(), found.average)]);
        for (header, nanos) in spans {
            headers.push(header);
            figures.push((nanos / NANOS_PER_US).to_string());
        }
        let codes = found.status_code_distribution.iter().map(|(code, count)| format!("{code} {count}"));
        headers.push("status".to_owned());
        figures.push(codes.collect::<Vec<_>>().join(", "));
        table.set_header(headers);
        table
            .add_row(figures.into_iter().map(|figure| Cell::new(figure).set_alignment(CellAlignment::Right)));
        table
    }
}

impl fmt::Display for Ghz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Profile { name, concurrency, connections, tags, .. } = &self.profile;
        match &self.found {
            Some(found) => {
                let per_call = &tags.debits_per_call;
                let clients = format!("{concurrency} workers over {connections} connections");
                writeln!(
                    f,
                    "ghz, {name}, closed loop, latency per call: {clients}, {per_call} debits a call"
                )?;
                writeln!(f, "{}", self.table(found))?;
            }
            None => write!(f, "ghz, {name}, once more; ")?,
        }
        let Expected { debit_count, nanos } = self.expected;
        let verdict = if self.is_clean() { "no difference" } else { "NOT as it must be" };
        write!(
            f,
            "audited against settlements and position: {debit_count} debits, {nanos} nanos, {verdict}"
        )?;
        self.complaints.iter().try_for_each(|complaint| write!(f, "\nDIFFERENCE: {complaint}"))
    }
}

fn read<T: DeserializeOwned>(file: impl AsRef<Path>) -> Result<T, LoadError> {
    let file = file.as_ref();
    let fault = |reason: String| LoadError::Ghz { file: file.to_owned(), reason };
    let text = std::fs::read_to_string(file).map_err(|error| fault(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| fault(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallystick_client::v1::Settlement;

    const PROFILES: [&str; 2] = ["authorize", "authorize_stream"];

    fn profile(name: &str) -> (Profile, Expected) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("ghz").join(format!("{name}.json"));
        let profile: Profile = read(&file).unwrap();
        let expected = Expected::of(&profile, &file).unwrap();
        (profile, expected)
    }

    /// Splits what was spent over two sessions.
    fn settled(debit_count: u64, nanos: u64) -> Settled {
        let settlement =
            |debit_count, total_nanos| Settlement { debit_count, total_nanos, ..Settlement::default() };
        let settlements = vec![settlement(1, 600), settlement(debit_count - 1, nanos - 600)];
        Settled { settlements, before: vec![0], after: vec![nanos.into()] }
    }

    #[test]
    fn the_profiles_say_what_they_spend_and_one_nano_less_is_found() {
        for name in PROFILES {
            let (_, expected) = profile(name);
            let (debits, nanos) = (expected.debit_count, u64::try_from(expected.nanos).unwrap());
            assert!(expected.compare(&settled(debits, nanos)).differences.is_empty());
            assert_eq!(
                expected.compare(&settled(debits, nanos - 1)).differences.len(),
                2,
                "sum and position"
            );
            assert_eq!(expected.compare(&settled(debits - 1, nanos)).differences.len(), 1);
        }
    }

    #[test]
    fn a_session_remembers_every_key_of_a_profile() {
        const SESSIONS: u64 = 16;
        const KEYS_PER_SESSION: u64 = 65_536;
        for name in PROFILES {
            let (_, expected) = profile(name);
            assert!(expected.debit_count / SESSIONS < KEYS_PER_SESSION, "{name}: {expected:?}");
        }
    }

    #[test]
    fn a_call_that_is_missing_or_not_ok_is_a_complaint() {
        let found = |count, codes: &[(&str, u64)]| Found {
            count,
            total: 1,
            average: 1,
            slowest: 1,
            status_code_distribution: codes
                .iter()
                .map(|(code, count)| ((*code).to_owned(), *count))
                .collect(),
            latency_distribution: Vec::new(),
        };
        assert_eq!(count_complaint(9, &found(9, &[("OK", 9)])), None);
        assert!(count_complaint(9, &found(8, &[("OK", 8)])).is_some());
        assert!(count_complaint(9, &found(9, &[("OK", 8), ("Unavailable", 1)])).is_some());
    }
}
