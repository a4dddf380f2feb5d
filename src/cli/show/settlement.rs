//! Owns: settlements, shown. Never: asks for any.

use super::{Shown, amount_if_any, word};
use crate::{
    desk::Said,
    fields::Fields,
    moment,
    money::Money,
    screen::{Look, counted},
};
use serde_json::Value;
use tallystick_client::v1::{Collection, Settlement, SettlementLine};

/// Shows one settlement.
pub(crate) fn show_settlement(settlement: &Settlement, money: Money) -> Shown {
    let shown = Shown::new()
        .fact("settlement", settlement.settlement_id.as_str())
        .fact("session", settlement.session_id.as_str())
        .fact("reason", word(settlement.reason().as_str_name(), "SETTLEMENT_REASON_"));
    let shown =
        settlement.lines.iter().fold(shown, |shown, line| shown.fact("owed to", line_text(line, money)));
    let Settlement { currency, debit_count, total_nanos, .. } = settlement;
    shown
        .fact(
            "total",
            format!("{} {currency} in {}", money.show(*total_nanos), counted(*debit_count, "debit")),
        )
        .fact("spent below", amount_if_any(settlement.spent_below_nanos, money))
        .fact("given back", money.show(settlement.released_nanos))
        .fact(
            "collect",
            settlement.collection.as_ref().map(|c| collection_text(c, money)).unwrap_or_default(),
        )
        .fact("opened", moment::show(settlement.opened_at.as_ref()))
        .fact("settled", moment::show(settlement.settled_at.as_ref()))
        .fields(|_| settlement_fields(settlement))
}

fn line_text(line: &SettlementLine, money: Money) -> String {
    format!("{}  {} in {}", line.payee_id, money.show(line.amount_nanos), counted(line.debit_count, "debit"))
}

fn collection_text(collection: &Collection, money: Money) -> String {
    let Collection { authority_reference, amount_nanos, usable_until } = collection;
    let until = moment::show(usable_until.as_ref());
    format!("{} of {authority_reference} before {until}", money.show(*amount_nanos))
}

fn settlement_fields(settlement: &Settlement) -> Fields {
    let line = |line: &SettlementLine| {
        let fields = Fields::new().text("payee_id", &line.payee_id).nanos("amount", line.amount_nanos);
        fields.put("debit_count", line.debit_count).end()
    };
    let collection = settlement.collection.as_ref().map(|collection| {
        let fields = Fields::new().text("authority_reference", &collection.authority_reference);
        let fields = fields.nanos("amount", collection.amount_nanos);
        fields.at("usable_until", collection.usable_until.as_ref()).end()
    });
    Fields::new()
        .text("settlement_id", &settlement.settlement_id)
        .text("session_id", &settlement.session_id)
        .text("parent_session_id", &settlement.parent_session_id)
        .text("account_id", &settlement.account_id)
        .text("currency", &settlement.currency)
        .name("reason", settlement.reason().as_str_name(), "SETTLEMENT_REASON_")
        .put("lines", settlement.lines.iter().map(line).collect::<Vec<_>>())
        .nanos("total", settlement.total_nanos)
        .nanos("spent_below", settlement.spent_below_nanos)
        .nanos("released", settlement.released_nanos)
        .put("debit_count", settlement.debit_count)
        .put("collection", collection)
        .at("opened_at", settlement.opened_at.as_ref())
        .at("settled_at", settlement.settled_at.as_ref())
        .put("seq", settlement.seq)
}

/// Writes a settlement in one line, for who follows them.
pub(crate) fn settlement_line(settlement: &Settlement, money: Money) -> (String, Value) {
    let Settlement { settlement_id, currency, total_nanos, lines, seq, .. } = settlement;
    let reason = word(settlement.reason().as_str_name(), "SETTLEMENT_REASON_");
    let payees = counted(lines.len() as u64, "payee");
    let (total, at) = (money.show(*total_nanos), moment::show(settlement.settled_at.as_ref()));
    let text = format!("{at}  seq {seq}  {settlement_id}  {total} {currency} to {payees}, {reason}");
    (text, settlement_fields(settlement).end())
}

/// Shows a list of settlements; `cursor` is where the next one begins.
pub(crate) fn settlements(
    rows: &[Settlement],
    (more, cursor): (bool, u64),
    (look, money): (Look, Money),
) -> Said {
    let column = |of: fn(&Settlement) -> u64| {
        money.column(&rows.iter().map(|row| of(row).into()).collect::<Vec<_>>()).into_iter()
    };
    let (mut totals, mut released) = (column(|row| row.total_nanos), column(|row| row.released_nanos));
    let mut grid = look.table([
        ">seq",
        "settlement",
        "currency",
        ">total",
        ">given back",
        ">payees",
        ">debits",
        "reason",
        "settled",
    ]);
    for row in rows {
        grid.row([
            row.seq.to_string(),
            row.settlement_id.clone(),
            row.currency.clone(),
            totals.next().unwrap_or_default(),
            released.next().unwrap_or_default(),
            row.lines.len().to_string(),
            row.debit_count.to_string(),
            word(row.reason().as_str_name(), "SETTLEMENT_REASON_"),
            moment::show(row.settled_at.as_ref()),
        ]);
    }
    let mut text = grid.text("no settlements");
    if more {
        text = format!("{text}\n… and more: --after {cursor} goes on from here");
    }
    let rows: Vec<Value> = rows.iter().map(|row| settlement_fields(row).end()).collect();
    let fields = Fields::new().put("settlements", rows).put("more", more);
    Said::done(text, fields.put("next_after_seq", cursor).end())
}
