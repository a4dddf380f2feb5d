//! Owns: `tallystick token tree`: what is open below an envelope, drawn, each with what it has, what it can still give, and which
//! limit says no first. Never: asks for one twice.

use crate::{
    Failure,
    desk::{Desk, Said},
    fields::Fields,
    money::Money,
    show,
};
use serde_json::Value;
use std::collections::BTreeMap;
use tallystick_client::v1::{self, Account, EnvelopeMode, TokenKind, TreeNode};
use termtree::Tree;

/// Bounds how deep is drawn; a contract's tree is 8 deep, and one that is not is damage.
const DEPTH_MAX: usize = 64;

pub(crate) async fn run(root: &str, desk: &Desk) -> Result<Said, Failure> {
    let (mut nodes, mut page_token, mut account) = (Vec::new(), String::new(), None);
    loop {
        let request = v1::GetTreeRequest { root_id: root.to_owned(), page_size: 1_000, page_token };
        let page = desk.call("draw the tree", desk.client.get_tree(request)).await?;
        nodes.extend(page.nodes);
        account = account.or(page.account);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    Ok(Drawing { below: below(&nodes), money: desk.money }.said(root, account.as_ref()))
}

/// Sorts envelopes under what they stand under. One whose parent is not among them stands under the root.
fn below(nodes: &[TreeNode]) -> BTreeMap<&str, Vec<&TreeNode>> {
    let known: BTreeMap<&str, ()> = nodes.iter().map(|node| (node.id.as_str(), ())).collect();
    let mut below: BTreeMap<&str, Vec<&TreeNode>> = BTreeMap::new();
    for node in nodes {
        let parent = known.get_key_value(node.parent_id.as_str()).map_or("", |(id, ())| id);
        below.entry(parent).or_default().push(node);
    }
    below
}

struct Drawing<'a> {
    below: BTreeMap<&'a str, Vec<&'a TreeNode>>,
    money: Money,
}

impl Drawing<'_> {
    fn said(&self, root: &str, account: Option<&Account>) -> Said {
        let label = account.map_or_else(|| root.to_owned(), |account| self.account_label(account));
        let mut tree = Tree::new(label);
        tree.leaves = self.branches("", 0);
        let account = account.map(|account| show::show_account(account, self.money).json());
        let json = Fields::new().text("root_id", root).put("account", account);
        Said::done(tree.to_string().trim_end().to_owned(), json.put("nodes", self.fields("", 0)).end())
    }

    fn at(&self, parent: &str, depth: usize) -> &[&TreeNode] {
        let nodes = self.below.get(parent).map(Vec::as_slice).unwrap_or_default();
        if depth > DEPTH_MAX { &[] } else { nodes }
    }

    fn branches(&self, parent: &str, depth: usize) -> Vec<Tree<String>> {
        let branch = |node: &&TreeNode| {
            let mut tree = Tree::new(self.label(node));
            tree.leaves = self.branches(&node.id, depth + 1);
            tree
        };
        self.at(parent, depth).iter().map(branch).collect()
    }

    fn fields(&self, parent: &str, depth: usize) -> Vec<Value> {
        let one = |node: &&TreeNode| {
            let next = node.next_decline().as_str_name();
            Fields::new()
                .text("id", &node.id)
                .text("parent_id", &node.parent_id)
                .name("token_kind", node.token_kind().as_str_name(), "TOKEN_KIND_")
                .name("mode", node.mode().as_str_name(), "ENVELOPE_MODE_")
                .text("reference", &node.reference)
                .nanos_or_null("cap", (node.cap_nanos != 0).then_some(node.cap_nanos))
                .nanos("spent", node.spent_nanos)
                .nanos("spent_below", node.spent_below_nanos)
                .nanos("held", node.held_nanos)
                .nanos("reserved_by_children", node.reserved_by_children_nanos)
                .nanos("remaining", node.remaining_nanos)
                .nanos("available", node.available_nanos)
                .name("next_decline", next, "DECLINE_CODE_")
                .text("next_decline_id", &node.next_decline_id)
                .nanos("next_decline_above", node.next_decline_above_nanos)
                .put("children", self.fields(&node.id, depth + 1))
                .end()
        };
        self.at(parent, depth).iter().map(one).collect()
    }

    fn account_label(&self, account: &Account) -> String {
        let total = |text: &str| self.money.show(text.parse::<u128>().unwrap_or_default());
        format!(
            "{}{}  {} {} available, {} reserved, {} spent",
            account.account_id,
            quoted(&account.reference),
            total(&account.available_nanos_total),
            account.currency,
            total(&account.reserved_nanos_total),
            total(&account.spent_nanos_total),
        )
    }

    fn label(&self, node: &TreeNode) -> String {
        let money = self.money;
        let mode = match node.mode() {
            EnvelopeMode::Shared => "shared",
            EnvelopeMode::Reserved | EnvelopeMode::Unspecified => "reserved",
        };
        let kind = match node.token_kind() {
            TokenKind::Unspecified | TokenKind::Single => "",
            TokenKind::Standing => "standing, ",
            TokenKind::Period => "this period, ",
        };
        let cap = match node.cap_nanos {
            0 => String::new(),
            nanos => format!(" {}", money.show(nanos)),
        };
        let more = |nanos: u64, what: &str| match nanos {
            0 => String::new(),
            nanos => format!("{} {what}", money.show(nanos)),
        };
        let below = match node.spent_below_nanos {
            0 => String::new(),
            nanos => format!(" + {} below", money.show(nanos)),
        };
        let parts = [
            format!("{} spent{below}", money.show(node.spent_nanos)),
            more(node.held_nanos, "held"),
            more(node.reserved_by_children_nanos, "set aside below"),
            format!("{} available", money.show(node.available_nanos)),
        ];
        let parts = parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>();
        let code = node.next_decline().as_str_name().trim_start_matches("DECLINE_CODE_");
        let whose = if node.next_decline_id == node.id { "here" } else { node.next_decline_id.as_str() };
        let above = money.show(node.next_decline_above_nanos);
        format!(
            "{}{}  {kind}{mode}{cap}: {}; {code} above {above}, {whose}",
            node.id,
            quoted(&node.reference),
            parts.join(", "),
        )
    }
}

fn quoted(reference: &str) -> String {
    if reference.is_empty() { String::new() } else { format!(" \"{reference}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_drawn_with_what_would_say_no_first() {
        let token = TreeNode {
            id: "tok_1".into(),
            parent_id: "acc_1".into(),
            token_kind: TokenKind::Single.into(),
            mode: EnvelopeMode::Shared.into(),
            cap_nanos: 100_000_000_000,
            spent_nanos: 10_000_000_000,
            reserved_by_children_nanos: 20_000_000_000,
            available_nanos: 50_000_000_000,
            next_decline: v1::DeclineCode::Cap.into(),
            next_decline_id: "acc_1".into(),
            next_decline_above_nanos: 50_000_000_000,
            reference: "acme".into(),
            ..TreeNode::default()
        };
        let session = TreeNode {
            id: "ses_1".into(),
            parent_id: "tok_1".into(),
            mode: EnvelopeMode::Reserved.into(),
            cap_nanos: 20_000_000_000,
            available_nanos: 20_000_000_000,
            next_decline: v1::DeclineCode::AboveDebitMax.into(),
            next_decline_id: "ses_1".into(),
            next_decline_above_nanos: 1_000_000_000,
            ..TreeNode::default()
        };
        let nodes = [token, session];
        let drawing = Drawing { below: below(&nodes), money: Money::Decimal };
        let said = drawing.said("acc_1", None);
        let wanted = "\
acc_1
└── tok_1 \"acme\"  shared 100.00: 10.00 spent, 20.00 set aside below, 50.00 available; CAP above 50.00, acc_1
    └── ses_1  reserved 20.00: 0.00 spent, 20.00 available; ABOVE_DEBIT_MAX above 1.00, here";
        assert_eq!(said.text, wanted);
        assert_eq!(said.json["nodes"][0]["children"][0]["id"], "ses_1");
    }
}
