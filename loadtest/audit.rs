//! Owns: settling a run's sessions and comparing what is owed with what was heard. Never: forgives a nano.

use crate::{
    LoadError,
    drive::Heard,
    stage::{CURRENCY, Stage},
};
use tallystick_client::{
    Client, Difference, PayeeId, Unit,
    v1::{GetPayeeRequest, SettleRequest},
};

/// What an audit found.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    pub(crate) differences: Vec<Difference>,
}

impl Audit {
    /// Returns the sum of all differences in money.
    pub(crate) fn difference_nanos(&self) -> u128 {
        let money = self.differences.iter().filter(|difference| difference.unit == Unit::Nanos);
        money.map(Difference::size).sum()
    }
}

/// Reads what each payee is owed.
pub(crate) async fn positions(client: &Client, stage: &Stage) -> Result<Vec<u128>, LoadError> {
    let mut positions = Vec::new();
    for payee in &stage.payees {
        positions.push(position(client, payee).await?);
    }
    Ok(positions)
}

/// Settles every session, and lays settlements and payees' positions beside the answers heard.
pub(crate) async fn settle_and_compare(
    client: &Client,
    stage: &Stage,
    heard: &Heard,
    before: &[u128],
) -> Result<Audit, LoadError> {
    let doing = "settle a session";
    let mut audit = Audit::default();
    for session in &stage.sessions {
        let request = SettleRequest { session_id: session.to_string() };
        let response = client.settle(request).await.map_err(LoadError::call(doing))?;
        let settlement = response.settlement.ok_or_else(|| LoadError::answer(doing, "no settlement"))?;
        audit.differences.extend(heard.tally.compare(&settlement));
        let (ours, theirs) = (heard.tally.session_nanos(session), settlement.total_nanos.into());
        audit.differences.extend(Difference::in_nanos(|| format!("total of {session}"), ours, theirs));
    }
    let after = positions(client, stage).await?;
    for ((payee, before), after) in stage.payees.iter().zip(before).zip(after) {
        let ours = before + heard.tally.payee(payee).approved_nanos;
        audit.differences.extend(Difference::in_nanos(|| format!("position of {payee}"), ours, after));
    }
    Ok(audit)
}

async fn position(client: &Client, payee: &PayeeId) -> Result<u128, LoadError> {
    let doing = "read a payee's position";
    let request = GetPayeeRequest { payee_id: payee.to_string() };
    let response = client.get_payee(request).await.map_err(LoadError::call(doing))?;
    let payee = response.payee.ok_or_else(|| LoadError::answer(doing, "no payee"))?;
    let mut sum = 0;
    for position in payee.positions.iter().filter(|position| position.currency == CURRENCY) {
        let text = &position.payable_nanos_total;
        sum += text.parse::<u128>().map_err(|_| LoadError::answer(doing, format!("`{text}`")))?;
    }
    Ok(sum)
}
