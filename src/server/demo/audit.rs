//! Owns: laying the client's half of the tally beside the server's: settlements, accounts, payees.
//! Never: rounds, or lets a difference in one place make up for one in another.

use super::{
    Scene,
    error::DemoError,
    plan::{ACCOUNT_COUNT, PAYEES},
    setup::{self, CURRENCY},
};
use tallystick_client::{
    Client, Difference, Notch, PayeeId, SessionId, Tally, Unit,
    v1::{GetPayeeRequest, SettleRequest, Settlement},
};

/// What the audit compared and found.
#[derive(Debug, Default)]
pub(super) struct Audit {
    /// One a payee, in the plan's order: what we heard approved for it.
    pub(super) settled: Vec<Notch>,
    /// Likewise: what the server says it owes it.
    pub(super) payable_nanos: Vec<u128>,
    pub(super) settlement_count: u64,
    pub(super) line_count: u64,
    /// Figures that were laid side by side.
    pub(super) comparison_count: u64,
    pub(super) differences: Vec<Difference>,
}

impl Audit {
    /// Settles every session and compares everything with what was heard.
    ///
    /// *Errors*: calls that fail; a difference is no error here, but a finding.
    pub(super) async fn run(client: &Client, scene: &Scene, tally: &Tally) -> Result<Self, DemoError> {
        let mut audit = Self::default();
        let mut spent_nanos = [0_u128; ACCOUNT_COUNT];
        for (agent, session) in scene.plan.agents.iter().zip(&scene.stage.sessions) {
            let settlement = settle(client, session).await?;
            audit.settlement(session, agent.cap_nanos, &settlement, tally);
            spent_nanos[agent.account] += tally.session_nanos(session);
        }
        for (index, spent) in spent_nanos.into_iter().enumerate() {
            audit.account(client, scene, index, spent).await?;
        }
        for (index, payee) in scene.stage.payees.iter().enumerate() {
            let heard = tally.payee(payee);
            audit.payee(client, PAYEES[index].0, payee, heard).await?;
            audit.settled.push(heard);
        }
        Ok(audit)
    }

    /// Returns the sum of all differences in money.
    pub(super) fn difference_nanos(&self) -> u128 {
        let money = self.differences.iter().filter(|difference| difference.unit == Unit::Nanos);
        money.map(Difference::size).sum()
    }

    fn settlement(&mut self, session: &SessionId, cap_nanos: u64, settlement: &Settlement, tally: &Tally) {
        self.settlement_count += 1;
        self.line_count += settlement.lines.len() as u64;
        // Each line in nanos and in debits, the lines against the total.
        self.comparison_count += 2 * settlement.lines.len() as u64 + 1;
        self.differences.extend(tally.compare(settlement));
        self.nanos(
            || format!("session {session}, total heard against the settlement's"),
            tally.session_nanos(session),
            settlement.total_nanos.into(),
        );
        self.nanos(
            || format!("session {session}, cap against settled and released"),
            cap_nanos.into(),
            u128::from(settlement.total_nanos) + u128::from(settlement.released_nanos),
        );
    }

    async fn account(
        &mut self,
        client: &Client,
        scene: &Scene,
        index: usize,
        spent: u128,
    ) -> Result<(), DemoError> {
        let account = setup::account(client, &scene.stage.accounts[index]).await?;
        let deposited = u128::from(scene.plan.deposits_nanos[index]);
        let unspent = deposited.saturating_sub(spent);
        for (name, ours, theirs) in [
            ("deposited", deposited, &account.deposited_nanos_total),
            ("reserved", 0, &account.reserved_nanos_total),
            ("spent", spent, &account.spent_nanos_total),
            ("available", unspent, &account.available_nanos_total),
        ] {
            let place = || format!("account {index}, {name}");
            let theirs = nanos(theirs, "read an account's total")?;
            self.nanos(place, ours, theirs);
        }
        Ok(())
    }

    async fn payee(
        &mut self,
        client: &Client,
        name: &str,
        payee_id: &PayeeId,
        heard: Notch,
    ) -> Result<(), DemoError> {
        let doing = format!("read payee {name}");
        let request = GetPayeeRequest { payee_id: payee_id.to_string() };
        let response = client.get_payee(request).await.map_err(DemoError::call(&doing))?;
        let payee = response.payee.ok_or_else(|| DemoError::answer(&doing, "payee"))?;
        let mut payable = 0;
        for position in payee.positions.iter().filter(|position| position.currency == CURRENCY) {
            payable += nanos(&position.payable_nanos_total, &doing)?;
        }
        self.nanos(|| format!("payee {name}, position"), heard.approved_nanos, payable);
        self.payable_nanos.push(payable);
        Ok(())
    }

    fn nanos(&mut self, place: impl FnOnce() -> String, ours: u128, theirs: u128) {
        self.comparison_count += 1;
        self.differences.extend(Difference::in_nanos(place, ours, theirs));
    }
}

async fn settle(client: &Client, session: &SessionId) -> Result<Settlement, DemoError> {
    let doing = format!("settle {session}");
    let request = SettleRequest { session_id: session.to_string(), ..SettleRequest::default() };
    let response = client.settle(request).await.map_err(DemoError::call(&doing))?;
    let settlement = response.settlement.ok_or_else(|| DemoError::answer(&doing, "settlement"))?;
    if settlement.session_id != session.as_str() {
        return Err(DemoError::answer(&doing, "settlement of this session"));
    }
    Ok(settlement)
}

fn nanos(text: &str, doing: &str) -> Result<u128, DemoError> {
    text.parse().map_err(|_| DemoError::answer(doing, "total in decimal digits"))
}
