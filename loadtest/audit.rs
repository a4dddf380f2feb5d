//! Owns: settling a run's sessions and comparing what is owed with what was heard. Never: forgives a nano.

// Requests gain optional fields from time to time; what is not named here stays at its default.
#![allow(clippy::needless_update, reason = "as long as every field happens to be named")]

use crate::{
    LoadError,
    progress::Progress,
    stage::{CURRENCY, Stage},
};
use tallystick_client::{
    Client, Difference, PayeeId, SessionId, Tally, Unit,
    v1::{GetPayeeRequest, SettleRequest, Settlement},
};

/// What an audit found.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    pub(crate) differences: Vec<Difference>,
}

/// Is the server's half of the tally.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settled {
    /// One a session, in the stage's order.
    pub(crate) settlements: Vec<Settlement>,
    /// What each payee was owed before the run, in nanos, in the stage's order.
    pub(crate) before: Vec<u128>,
    /// The same after all sessions were settled.
    pub(crate) after: Vec<u128>,
}

impl Audit {
    /// Returns the sum of all differences in money.
    pub(crate) fn difference_nanos(&self) -> u128 {
        let money = self.differences.iter().filter(|difference| difference.unit == Unit::Nanos);
        money.map(Difference::size).sum()
    }

    /// Returns what differs, in words.
    pub(crate) fn words(&self) -> impl Iterator<Item = String> {
        self.differences.iter().map(|difference| {
            let (ours, theirs, unit) = (difference.ours, difference.theirs, difference.unit);
            format!("{}: we heard {ours}, the server says {theirs} ({unit:?})", difference.place)
        })
    }
}

/// Reads what each payee is owed.
pub(crate) async fn positions(client: &Client, payees: &[PayeeId]) -> Result<Vec<u128>, LoadError> {
    let mut positions = Vec::new();
    for payee in payees {
        positions.push(position(client, payee).await?);
    }
    Ok(positions)
}

/// Settles every session and reads what each payee is owed then.
pub(crate) async fn settle(client: &Client, stage: &Stage, before: Vec<u128>) -> Result<Settled, LoadError> {
    let doing = "settle a session";
    let mut settlements = Vec::with_capacity(stage.sessions.len());
    let mut progress = Progress::new("settling and comparing".to_owned(), stage.sessions.len() as u64);
    for session in &stage.sessions {
        let request = SettleRequest { session_id: session.to_string(), ..SettleRequest::default() };
        let response = client.settle(request).await.map_err(LoadError::call(doing))?;
        settlements.push(response.settlement.ok_or_else(|| LoadError::answer(doing, "no settlement"))?);
        progress.step();
    }
    Ok(Settled { settlements, before, after: positions(client, &stage.payees).await? })
}

/// Lays settlements and payees' positions beside the answers heard, nano by nano and debit by debit.
pub(crate) fn compare(stage: &Stage, heard: &Tally, settled: &Settled) -> Audit {
    let mut differences = Vec::new();
    let (ours, theirs) = (stage.sessions.len() as u64, settled.settlements.len() as u64);
    differences.extend(Difference::in_debits(|| "settlements, one a session".to_owned(), ours, theirs));
    for (session, settlement) in stage.sessions.iter().zip(&settled.settlements) {
        differences.extend(heard.compare(settlement));
        let theirs =
            if SessionId::new(&settlement.session_id) == *session { settlement.total_nanos } else { 0 };
        let place = || format!("total of {session}");
        differences.extend(Difference::in_nanos(place, heard.session_nanos(session), theirs.into()));
        let debits = heard.session(session).values().map(|notch| notch.debit_count).sum();
        differences.extend(Difference::in_debits(place, debits, settlement.debit_count));
    }
    let positions = settled.before.iter().zip(&settled.after);
    for (payee, (before, after)) in stage.payees.iter().zip(positions) {
        let ours = before + heard.payee(payee).approved_nanos;
        differences.extend(Difference::in_nanos(|| format!("position of {payee}"), ours, *after));
    }
    Audit { differences }
}

async fn position(client: &Client, payee: &PayeeId) -> Result<u128, LoadError> {
    let doing = "read a payee's position";
    let request = GetPayeeRequest { payee_id: payee.to_string(), ..GetPayeeRequest::default() };
    let response = client.get_payee(request).await.map_err(LoadError::call(doing))?;
    let payee = response.payee.ok_or_else(|| LoadError::answer(doing, "no payee"))?;
    let mut sum = 0;
    for position in payee.positions.iter().filter(|position| position.currency == CURRENCY) {
        let text = &position.payable_nanos_total;
        sum += text.parse::<u128>().map_err(|_| LoadError::answer(doing, format!("`{text}`")))?;
    }
    Ok(sum)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::drive::Ledger;
    use tallystick_client::v1::SettlementLine;

    /// Returns a stage of two sessions and one payee, three debits heard in the first session, and the server's half of it.
    pub(crate) fn halves() -> (Stage, Ledger, Settled) {
        let stage = Stage {
            payees: vec![PayeeId::new("pay_1")],
            sessions: vec![SessionId::new("ses_1"), SessionId::new("ses_2")],
            label: String::new(),
        };
        let ledger = Ledger::new(&stage);
        for amount_nanos in [600, 601, 602] {
            ledger.approve_first(amount_nanos);
        }
        let line = SettlementLine { payee_id: "pay_1".to_owned(), amount_nanos: 1_803, debit_count: 3 };
        let paid = Settlement {
            session_id: "ses_1".to_owned(),
            lines: vec![line],
            total_nanos: 1_803,
            debit_count: 3,
            ..Settlement::default()
        };
        let unused = Settlement { session_id: "ses_2".to_owned(), ..Settlement::default() };
        let settled = Settled { settlements: vec![paid, unused], before: vec![40], after: vec![1_843] };
        (stage, ledger, settled)
    }

    fn found(change: impl FnOnce(&Ledger, &mut Settled)) -> (u128, usize) {
        let (stage, ledger, mut settled) = halves();
        change(&ledger, &mut settled);
        let audit = compare(&stage, &ledger.tally(&stage), &settled);
        assert_eq!(audit.words().count(), audit.differences.len());
        (audit.difference_nanos(), audit.differences.len())
    }

    #[test]
    fn halves_that_match_show_no_difference() {
        assert_eq!(found(|_, _| {}), (0, 0));
    }

    #[test]
    fn an_answer_falsified_by_one_nano_is_found_in_line_total_and_position() {
        assert_eq!(found(|ledger, _| ledger.falsify()), (3, 3));
    }

    #[test]
    fn one_nano_more_or_less_in_any_of_the_servers_figures_is_found() {
        let one = |change: fn(&mut Settled)| found(|_, settled| change(settled));
        assert_eq!(one(|settled| settled.settlements[0].lines[0].amount_nanos -= 1).0, 2, "line, lines' sum");
        assert_eq!(one(|settled| settled.settlements[0].total_nanos += 1).0, 2, "total, lines' sum");
        assert_eq!(
            one(|settled| settled.settlements[1].total_nanos += 1).0,
            2,
            "of a session without debits"
        );
        assert_eq!(one(|settled| settled.after[0] += 1), (1, 1));
        assert_eq!(one(|settled| settled.before[0] += 1), (1, 1));
    }

    #[test]
    fn a_debit_too_many_or_a_settlement_too_few_is_found() {
        let (nanos, count) = found(|_, settled| settled.settlements[0].debit_count += 1);
        assert_eq!((nanos, count), (0, 1));
        let (_, count) = found(|_, settled| drop(settled.settlements.pop()));
        assert_eq!(count, 1);
        let (nanos, _) = found(|_, settled| settled.settlements.swap(0, 1));
        assert!(nanos > 0, "each session has its own");
    }
}
