//! Owns: an account's tree, drawn: each open session under what it stands under, with what it may, has and still can spend.
//! Never: asks for a session twice.

use super::all;
use crate::{
    Failure,
    desk::{Desk, Limit, Said},
    fields::Fields,
    moment,
    money::Money,
    show,
};
use serde_json::Value;
use std::collections::BTreeMap;
use tallystick_client::v1::{self, Account, EnvelopeMode, Session, SessionState};
use termtree::Tree;

/// Bounds how deep is drawn; a contract's tree is 8 deep, and one that is not is damage.
const DEPTH_MAX: usize = 64;

pub(crate) async fn run(account: &str, with_payees: bool, desk: &Desk) -> Result<Said, Failure> {
    let doing = "draw the tree";
    let request = v1::GetAccountRequest { account_id: account.to_owned() };
    let answer = desk.call(doing, desk.client.get_account(request)).await?;
    let account = answer.account.ok_or(Failure::Answer { doing, missing: "account" })?;
    let (sessions, _) = all(&account.account_id, Limit::NONE, desk).await?;
    let drawing = Drawing { below: below(&sessions), money: desk.money, with_payees };
    Ok(drawing.said(&account))
}

/// Sorts sessions under what they stand under. One whose parent is not among them (settled since, on another page) is
/// shown straight under the account.
fn below(sessions: &[Session]) -> BTreeMap<&str, Vec<&Session>> {
    let known: BTreeMap<&str, ()> =
        sessions.iter().map(|session| (session.session_id.as_str(), ())).collect();
    let mut below: BTreeMap<&str, Vec<&Session>> = BTreeMap::new();
    for session in sessions {
        let above = [session.parent_session_id.as_str(), session.parent_token_id.as_str()];
        let parent = above.into_iter().find_map(|id| known.get_key_value(id)).map_or("", |(id, ())| id);
        below.entry(parent).or_default().push(session);
    }
    below
}

struct Drawing<'a> {
    below: BTreeMap<&'a str, Vec<&'a Session>>,
    money: Money,
    with_payees: bool,
}

impl Drawing<'_> {
    fn said(&self, account: &Account) -> Said {
        let mut root = Tree::new(self.account_label(account));
        root.leaves = self.branches("", 0);
        let account_fields = show::show_account(account, self.money).json();
        let json = Fields::new().put("account", account_fields).put("sessions", self.fields("", 0)).end();
        Said::done(root.to_string().trim_end().to_owned(), json)
    }

    fn branches(&self, parent: &str, depth: usize) -> Vec<Tree<String>> {
        let sessions = self.below.get(parent).map(Vec::as_slice).unwrap_or_default();
        if depth > DEPTH_MAX {
            return Vec::new();
        }
        let branch = |session: &&Session| {
            let mut tree = Tree::new(self.session_label(session));
            if self.with_payees {
                let payees = session.payees.iter().map(|part| Tree::new(show::payee_line(part, self.money)));
                tree.leaves.extend(payees);
            }
            tree.leaves.extend(self.branches(&session.session_id, depth + 1));
            tree
        };
        sessions.iter().map(branch).collect()
    }

    fn fields(&self, parent: &str, depth: usize) -> Vec<Value> {
        let sessions = self.below.get(parent).map(Vec::as_slice).unwrap_or_default();
        if depth > DEPTH_MAX {
            return Vec::new();
        }
        let one = |session: &&Session| {
            let children = self.fields(&session.session_id, depth + 1);
            show::session_fields(session).put("children", children).end()
        };
        sessions.iter().map(one).collect()
    }

    fn account_label(&self, account: &Account) -> String {
        let total = |text: &str| self.money.show(text.parse::<u128>().unwrap_or_default());
        let deficit = match account.deficit_nanos_total.as_str() {
            "" | "0" => String::new(),
            deficit => format!(", {} in deficit", total(deficit)),
        };
        format!(
            "{}{}  {} {} available, {} reserved, {} spent{deficit}",
            account.account_id,
            quoted(&account.reference),
            total(&account.available_nanos_total),
            account.currency,
            total(&account.reserved_nanos_total),
            total(&account.spent_nanos_total),
        )
    }

    fn session_label(&self, session: &Session) -> String {
        let money = self.money;
        let mode = match session.mode() {
            EnvelopeMode::Shared => "shared",
            EnvelopeMode::Reserved | EnvelopeMode::Unspecified => "reserved",
        };
        let below = match session.spent_below_nanos {
            0 => String::new(),
            nanos => format!(" + {} below", money.show(nanos)),
        };
        let reserved = match session.reserved_by_children_nanos {
            0 => String::new(),
            nanos => format!(", {} set aside below", money.show(nanos)),
        };
        let state = match session.state() {
            SessionState::Open | SessionState::Unspecified => String::new(),
            other => format!(", {}", other.as_str_name().trim_start_matches("SESSION_STATE_").to_lowercase()),
        };
        let until = session.ends_at.as_ref().map(|at| format!(", until {}", moment::show(Some(at))));
        format!(
            "{}{}  {mode} {}: {} spent{below}{reserved}, {} remaining{state}{}",
            session.session_id,
            quoted(&session.reference),
            money.show(session.cap_nanos),
            money.show(session.spent_nanos),
            money.show(session.remaining_nanos),
            until.unwrap_or_default(),
        )
    }
}

fn quoted(reference: &str) -> String {
    if reference.is_empty() { String::new() } else { format!(" \"{reference}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: &str, parent: &str, cap_nanos: u64) -> Session {
        Session {
            session_id: id.into(),
            parent_session_id: parent.into(),
            mode: EnvelopeMode::Reserved.into(),
            cap_nanos,
            remaining_nanos: cap_nanos,
            ..Session::default()
        }
    }

    fn account() -> Account {
        Account {
            account_id: "acc_1".into(),
            currency: "USD".into(),
            reference: "research team".into(),
            available_nanos_total: "4500000000".into(),
            reserved_nanos_total: "5000000000".into(),
            spent_nanos_total: "500000000".into(),
            ..Account::default()
        }
    }

    #[test]
    fn the_tree_is_drawn_with_what_each_may_has_and_can_spend() {
        let mut shared = session("ses_3", "ses_1", 500_000_000);
        shared.set_mode(EnvelopeMode::Shared);
        shared.spent_nanos = 100_000_000;
        shared.remaining_nanos = 400_000_000;
        shared.reference = "sub-agent".into();
        shared.payees.push(v1::PayeeSpend {
            payee_id: "pay_1".into(),
            spent_nanos: 100_000_000,
            debit_count: 3,
            cap_nanos: 200_000_000,
            spent_below_nanos: 0,
        });
        let mut above = session("ses_1", "", 2_000_000_000);
        above.spent_below_nanos = 100_000_000;
        above.reserved_by_children_nanos = 300_000_000;
        above.remaining_nanos = 1_600_000_000;
        let sessions =
            [above, session("ses_2", "ses_1", 300_000_000), shared, session("ses_4", "ses_gone", 1)];
        let drawing = Drawing { below: below(&sessions), money: Money::Decimal, with_payees: true };
        let said = drawing.said(&account());
        let wanted = "\
acc_1 \"research team\"  4.50 USD available, 5.00 reserved, 0.50 spent
├── ses_1  reserved 2.00: 0.00 spent + 0.10 below, 0.30 set aside below, 1.60 remaining
│   ├── ses_2  reserved 0.30: 0.00 spent, 0.30 remaining
│   └── ses_3 \"sub-agent\"  shared 0.50: 0.10 spent, 0.40 remaining
│       └── pay_1  0.10 of 0.20 in 3 debits
└── ses_4  reserved 0.000000001: 0.00 spent, 0.000000001 remaining";
        assert_eq!(said.text, wanted);
        assert_eq!(said.json["sessions"][0]["children"][1]["session_id"], "ses_3");
        assert_eq!(said.json["account"]["available_nanos"], "4500000000");
    }

    #[test]
    fn a_session_under_itself_is_not_drawn_for_ever() {
        let sessions = [session("ses_1", "ses_1", 1)];
        let drawing = Drawing { below: below(&sessions), money: Money::Decimal, with_payees: true };
        assert!(drawing.said(&account()).text.lines().count() <= DEPTH_MAX + 2);
    }
}
