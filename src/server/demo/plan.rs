//! Owns: what will be bought, by whom, from whom and under which caps; all of it before the first debit.
//! Never: speaks to the server.

use super::{error::DemoError, trace::Request};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// 0.15 USD per million context tokens.
const CONTEXT_TOKEN_NANOS: u64 = 150;
/// 0.60 USD per million generated tokens.
const GENERATED_TOKEN_NANOS: u64 = 600;
const DOLLAR_NANOS: u64 = 1_000_000_000;

/// Accounts that the agents spend from.
pub(super) const ACCOUNT_COUNT: usize = 4;

/// Model providers (none of them real), and how many of a hundred requests go to each.
pub(super) const PAYEES: [(&str, u32); 5] = [
    ("acme-llm", 40),
    ("borealis-ai", 25),
    ("cobalt-models", 18),
    ("driftwood-lm", 12),
    ("ember-inference", 5),
];

/// One metered call to a model: the context at once, then each generated token by itself.
#[derive(Clone, Copy, Debug)]
struct Call {
    payee: usize,
    context_nanos: u64,
    generated_tokens: u32,
}

/// One micropayment to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Payment {
    /// Index into [`PAYEES`].
    pub(super) payee: usize,
    pub(super) amount_nanos: u64,
}

/// Says which of its limits an agent will run into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Budget {
    /// None: a quarter more than it needs.
    Ample,
    /// The session's cap: seven tenths of what it needs.
    Short,
    /// What its favourite payee may get: half of what it needs there.
    ShortForOnePayee,
}

/// One agent with its calls and its session's limits.
#[derive(Debug)]
pub(super) struct Agent {
    /// Index among the accounts.
    pub(super) account: usize,
    pub(super) cap_nanos: u64,
    /// Index into [`PAYEES`], and the most that it may get.
    pub(super) payee_cap: Option<(usize, u64)>,
    calls: Vec<Call>,
}

/// Holds the whole workload.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) agents: Vec<Agent>,
    pub(super) requests: u64,
    /// Micropayments in all.
    pub(super) debits: u64,
    /// What goes into each account: enough for the caps of its sessions, in whole dollars.
    pub(super) deposits_nanos: [u64; ACCOUNT_COUNT],
}

impl Plan {
    /// Gives the requests to the agents in turn, draws a payee for each, and sets the caps by what is needed.
    ///
    /// *Errors*: a workload without a single debit, or beyond 2^63-1 nanos.
    pub(super) fn new(requests: &[Request], agent_count: u32, seed: u64) -> Result<Self, DemoError> {
        let agent_count = usize::try_from(agent_count).unwrap_or(usize::MAX).min(requests.len()).max(1);
        let mut draws = StdRng::seed_from_u64(seed);
        let mut calls = vec![Vec::new(); agent_count];
        for (index, request) in requests.iter().enumerate() {
            calls[index % agent_count].push(Call {
                payee: draw_payee(&mut draws),
                context_nanos: u64::from(request.context_tokens) * CONTEXT_TOKEN_NANOS,
                generated_tokens: request.generated_tokens,
            });
        }
        let mut deposits_nanos = [0_u64; ACCOUNT_COUNT];
        let mut agents = Vec::with_capacity(agent_count);
        for (index, calls) in calls.into_iter().enumerate() {
            let agent = Agent::new(index, calls).ok_or_else(too_much)?;
            let deposit = &mut deposits_nanos[agent.account];
            *deposit = deposit.checked_add(agent.cap_nanos).ok_or_else(too_much)?;
            agents.push(agent);
        }
        for deposit in &mut deposits_nanos {
            let dollars = deposit.div_ceil(DOLLAR_NANOS).max(1);
            *deposit = dollars.checked_mul(DOLLAR_NANOS).filter(is_amount).ok_or_else(too_much)?;
        }
        let debits = agents.iter().flat_map(Agent::payments).map(|_| 1).sum();
        if debits == 0 {
            return Err(DemoError::Workload { problem: "it has no token to pay for".to_owned() });
        }
        Ok(Self { agents, requests: requests.len() as u64, debits, deposits_nanos })
    }
}

impl Agent {
    /// Returns nothing when the sums are too large to be caps.
    fn new(index: usize, calls: Vec<Call>) -> Option<Self> {
        let mut agent = Self { account: index % ACCOUNT_COUNT, cap_nanos: 0, payee_cap: None, calls };
        let mut needs = [0_u64; PAYEES.len()];
        for payment in agent.payments() {
            needs[payment.payee] = needs[payment.payee].checked_add(payment.amount_nanos)?;
        }
        let need = needs.iter().try_fold(0_u64, |sum, need| sum.checked_add(*need))?;
        let ample = need.checked_add(need / 4)?.max(1);
        agent.cap_nanos = ample;
        match Budget::of(index) {
            Budget::Ample => {}
            Budget::Short => agent.cap_nanos = (need / 10).checked_mul(7)?.max(1),
            Budget::ShortForOnePayee => {
                let (favourite, most) = needs.iter().enumerate().max_by_key(|(_, need)| **need)?;
                agent.payee_cap = Some((favourite, (most / 2).max(1)));
            }
        }
        is_amount(&agent.cap_nanos).then_some(agent)
    }

    /// Returns its micropayments in their order.
    pub(super) fn payments(&self) -> impl Iterator<Item = Payment> + '_ {
        self.calls.iter().flat_map(|call| {
            let context = Payment { payee: call.payee, amount_nanos: call.context_nanos };
            let token = Payment { payee: call.payee, amount_nanos: GENERATED_TOKEN_NANOS };
            // A request without context has nothing to pay for it: an amount is at least one nano.
            let context = (call.context_nanos > 0).then_some(context);
            context.into_iter().chain((0..call.generated_tokens).map(move |_| token))
        })
    }
}

impl Budget {
    /// Makes one agent in eight run short, and one in eight with one payee; with two agents there is already one of
    /// each kind of decline.
    fn of(index: usize) -> Self {
        match index % 8 {
            0 => Self::Short,
            1 => Self::ShortForOnePayee,
            _ => Self::Ample,
        }
    }
}

fn draw_payee(draws: &mut StdRng) -> usize {
    let mut left = draws.random_range(0..100);
    for (index, (_, share)) in PAYEES.iter().enumerate() {
        if left < *share {
            return index;
        }
        left -= share;
    }
    0
}

fn is_amount(nanos: &u64) -> bool {
    (1..=i64::MAX.unsigned_abs()).contains(nanos)
}

fn too_much() -> DemoError {
    DemoError::Workload { problem: "its cost is beyond 2^63-1 nanos".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(requests: &[(u32, u32)], agents: u32) -> Result<Plan, DemoError> {
        let request = |(context_tokens, generated_tokens): &(u32, u32)| Request {
            context_tokens: *context_tokens,
            generated_tokens: *generated_tokens,
        };
        Plan::new(&requests.iter().map(request).collect::<Vec<_>>(), agents, 1)
    }

    #[test]
    fn every_token_is_one_debit_and_context_is_one() {
        let plan = plan(&[(10, 3), (0, 2), (5, 0)], 1).expect("a plan");
        let amounts: Vec<u64> = plan.agents[0].payments().map(|payment| payment.amount_nanos).collect();
        assert_eq!(amounts, [1_500, 600, 600, 600, 600, 600, 750]);
        assert_eq!((plan.debits, plan.requests), (7, 3));
    }

    #[test]
    fn some_caps_are_too_small_and_the_deposits_cover_all_of_them() {
        let plan = plan(&[(1_000, 20); 64], 16).expect("a plan");
        let need = |agent: &Agent| agent.payments().map(|payment| payment.amount_nanos).sum::<u64>();
        let short = plan.agents.iter().filter(|agent| agent.cap_nanos < need(agent)).count();
        assert_eq!(short, 2);
        assert_eq!(plan.agents.iter().filter(|agent| agent.payee_cap.is_some()).count(), 2);
        for (account, deposit) in plan.deposits_nanos.iter().enumerate() {
            let caps: u64 =
                plan.agents.iter().filter(|agent| agent.account == account).map(|a| a.cap_nanos).sum();
            assert!(caps <= *deposit, "account {account}: caps of {caps} over a deposit of {deposit}");
        }
    }

    #[test]
    fn there_are_never_more_agents_than_requests() {
        assert_eq!(plan(&[(1, 1), (1, 1)], 64).expect("a plan").agents.len(), 2);
    }

    #[test]
    fn a_workload_without_tokens_is_refused() {
        assert!(matches!(plan(&[(0, 0)], 1), Err(DemoError::Workload { .. })));
    }

    #[test]
    fn the_shares_of_the_payees_make_a_hundred() {
        assert_eq!(PAYEES.iter().map(|(_, share)| share).sum::<u32>(), 100);
    }
}
