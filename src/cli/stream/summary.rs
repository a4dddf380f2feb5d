//! Owns: what came of a file: by payee and outcome, declines by their codes, to people and to programs.
//! Never: adds amounts of two currencies.

use super::rows::Row;
use crate::{
    Exit,
    desk::Said,
    failure,
    fields::Fields,
    money::Money,
    screen::{Look, grouped},
};
use serde_json::Value;
use std::collections::BTreeMap;
use tallystick_client::{Answer, PayeeId, SessionId};

/// Sums one outcome for one payee in one session.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    debits: u64,
    nanos: u128,
    replayed: u64,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.debits += other.debits;
        self.nanos += other.nanos;
        self.replayed += other.replayed;
    }
}

/// Is what a row came to. The order is that of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Approved,
    Declined(&'static str),
    Refused(&'static str),
}

impl Outcome {
    fn parts(self) -> (&'static str, &'static str) {
        match self {
            Self::Approved => ("approved", ""),
            Self::Declined(code) => ("declined", code),
            Self::Refused(reason) => ("refused", reason),
        }
    }
}

/// Counts every answer.
#[derive(Debug)]
pub(super) struct Summary {
    sums: BTreeMap<(PayeeId, Outcome, SessionId), Sum>,
    bad: usize,
}

impl Summary {
    /// Begins, with so many rows left out.
    pub(super) fn new(bad: usize) -> Self {
        Self { sums: BTreeMap::new(), bad }
    }

    /// Counts one answer. Of an approval, what was taken counts; of the others, what was asked.
    pub(super) fn hear(&mut self, row: &Row, answer: &Answer) {
        let (outcome, nanos, replayed) = match answer {
            Answer::Approved { partial_nanos, replayed, .. } => {
                (Outcome::Approved, partial_nanos.unwrap_or(row.amount_nanos), *replayed)
            }
            // A row is a debit; a hold would take nothing.
            Answer::Held { replayed, .. } => (Outcome::Approved, 0, *replayed),
            Answer::Declined { code, replayed, .. } => {
                let code = code.as_str_name().trim_start_matches("DECLINE_CODE_");
                (Outcome::Declined(code), row.amount_nanos, *replayed)
            }
            Answer::Refused { refusal, .. } => {
                (Outcome::Refused(failure::name(*refusal)), row.amount_nanos, false)
            }
        };
        let sum = Sum { debits: 1, nanos: nanos.into(), replayed: replayed.into() };
        self.sums.entry((row.payee.clone(), outcome, row.session.clone())).or_default().add(sum);
    }

    /// Says the whole.
    pub(super) fn said(
        &self,
        currencies: &BTreeMap<SessionId, String>,
        (look, money): (Look, Money),
    ) -> Said {
        let mut lines: BTreeMap<(&PayeeId, Outcome, &str), Sum> = BTreeMap::new();
        for ((payee, outcome, session), sum) in &self.sums {
            let currency = currencies.get(session).map(String::as_str).unwrap_or_default();
            lines.entry((payee, *outcome, currency)).or_default().add(*sum);
        }
        let mut text = table(&lines, (look, money));
        let mut all = Sum::default();
        let mut exit = Exit::Done;
        let (mut approved, mut declined, mut refused) = (0, 0, 0);
        for ((_, outcome, _), sum) in &lines {
            all.add(*sum);
            match outcome {
                Outcome::Approved => approved += sum.debits,
                Outcome::Declined(_) => declined += sum.debits,
                Outcome::Refused(_) => refused += sum.debits,
            }
        }
        // A refusal weighs more than a decline: something was not decided at all.
        if declined > 0 {
            exit = Exit::Declined;
        }
        if refused > 0 {
            exit = Exit::Refused;
        }
        let notes = [
            (approved, "approved"),
            (declined, "declined"),
            (refused, "refused"),
            (all.replayed, "of these decided before"),
            (self.bad as u64, "bad rows left out"),
        ];
        let notes = notes.iter().filter(|(count, what)| *count > 0 || *what == "approved");
        let notes: Vec<_> = notes.map(|(count, what)| format!("{} {what}", grouped(*count))).collect();
        text = format!("{text}\n{} rows: {}", grouped(all.debits), notes.join(", "));
        let json = Fields::new()
            .put("rows", all.debits)
            .put("approved", approved)
            .put("declined", declined)
            .put("refused", refused)
            .put("replayed", all.replayed)
            .put("bad_rows", self.bad)
            .put("outcomes", outcomes(&lines))
            .end();
        Said { exit, text, json }
    }
}

fn table(lines: &BTreeMap<(&PayeeId, Outcome, &str), Sum>, (look, money): (Look, Money)) -> String {
    let amounts = money.column(&lines.values().map(|sum| sum.nanos).collect::<Vec<_>>());
    let mut grid = look.table(["payee", "outcome", ">debits", ">amount", "currency"]);
    for (((payee, outcome, currency), sum), amount) in lines.iter().zip(amounts) {
        let (what, why) = outcome.parts();
        let outcome = format!("{what} {why}").trim_end().to_owned();
        grid.row([payee.to_string(), outcome, grouped(sum.debits), amount, (*currency).to_owned()]);
    }
    grid.text("no rows")
}

fn outcomes(lines: &BTreeMap<(&PayeeId, Outcome, &str), Sum>) -> Vec<Value> {
    let line = |((payee, outcome, currency), sum): (&(&PayeeId, Outcome, &str), &Sum)| {
        let (what, why) = outcome.parts();
        Fields::new()
            .text("payee_id", payee.as_str())
            .text("outcome", &what.to_uppercase())
            .text("code", why)
            .text("currency", currency)
            .put("debit_count", sum.debits)
            .put("replayed", sum.replayed)
            .total("amount", &sum.nanos.to_string())
            .end()
    };
    lines.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallystick_client::v1::{DeclineCode, Refusal};

    fn row(session: &str, payee: &str, amount_nanos: u64) -> Row {
        let (session, payee) = (SessionId::new(session), PayeeId::new(payee));
        Row { session, payee, amount_nanos, reference: String::new(), key: String::new() }
    }

    fn approved(partial_nanos: Option<u64>, replayed: bool) -> Answer {
        Answer::Approved { seq: 1, partial_nanos, remaining_nanos: 0, replayed }
    }

    #[test]
    fn sums_are_by_payee_outcome_and_currency() {
        let mut summary = Summary::new(2);
        let cap = Answer::Declined { code: DeclineCode::Cap, seq: 2, remaining_nanos: 0, replayed: false };
        summary.hear(&row("ses_1", "pay_1", 1_500_000_000), &approved(None, false));
        summary.hear(&row("ses_1", "pay_1", 1_000_000_000), &approved(Some(1), true));
        summary.hear(&row("ses_2", "pay_1", 2_000_000_000), &approved(None, false));
        summary.hear(&row("ses_1", "pay_2", 3_000_000_000), &cap);
        let currencies = [("ses_1", "USD"), ("ses_2", "EUR")];
        let currencies = currencies.map(|(id, text)| (SessionId::new(id), text.to_owned())).into();
        let said = summary.said(&currencies, (Look::PLAIN, Money::Decimal));
        let wanted = "\
╭───────┬──────────────┬────────┬─────────────┬──────────╮
│ payee ┆ outcome      ┆ debits ┆      amount ┆ currency │
╞═══════╪══════════════╪════════╪═════════════╪══════════╡
│ pay_1 ┆ approved     ┆      1 ┆ 2.000000000 ┆ EUR      │
│ pay_1 ┆ approved     ┆      2 ┆ 1.500000001 ┆ USD      │
│ pay_2 ┆ declined CAP ┆      1 ┆ 3.000000000 ┆ USD      │
╰───────┴──────────────┴────────┴─────────────┴──────────╯
4 rows: 3 approved, 1 declined, 1 of these decided before, 2 bad rows left out";
        assert_eq!(said.text, wanted);
        assert_eq!(said.exit, Exit::Declined);
        assert_eq!(said.json["outcomes"][2]["code"], "CAP");
        assert_eq!(said.json["outcomes"][1]["amount_nanos"], "1500000001");
    }

    #[test]
    fn a_refusal_weighs_more_than_a_decline() {
        let mut summary = Summary::new(0);
        let gone = Answer::Refused { refusal: Refusal::SessionRetired, message: String::new() };
        summary.hear(&row("ses_1", "pay_1", 1), &gone);
        let said = summary.said(&BTreeMap::new(), (Look::PLAIN, Money::Decimal));
        assert_eq!(said.exit, Exit::Refused);
        assert_eq!(said.json["outcomes"][0]["code"], "SESSION_RETIRED");
        assert_eq!(Summary::new(0).said(&BTreeMap::new(), (Look::PLAIN, Money::Decimal)).exit, Exit::Done);
    }
}
