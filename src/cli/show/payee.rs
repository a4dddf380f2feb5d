//! Owns: payees and what they are owed, shown. Never: asks for any.

use super::{Shown, total, word};
use crate::{
    desk::Said,
    fields::Fields,
    moment,
    money::Money,
    screen::{Look, counted},
};
use serde_json::Value;
use tallystick_client::v1::{Payee, Position};

/// Shows one payee.
pub(crate) fn show_payee(payee: &Payee, money: Money) -> Shown {
    Shown::new()
        .fact("payee", payee.payee_id.as_str())
        .fact("name", payee.name.as_str())
        .fact("status", word(payee.status().as_str_name(), "PAYEE_STATUS_"))
        .fact("owed", owed(payee, money))
        .fact("created", moment::show(payee.created_at.as_ref()))
        .fields(|_| payee_fields(payee))
}

fn owed(payee: &Payee, money: Money) -> String {
    let line = |position: &Position| {
        let lines = counted(position.settlement_count, "settlement");
        format!("{} {} in {lines}", total(&position.payable_nanos_total, money), position.currency)
    };
    let all: Vec<_> = payee.positions.iter().map(line).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}

fn payee_fields(payee: &Payee) -> Fields {
    let position = |position: &Position| {
        Fields::new()
            .text("currency", &position.currency)
            .total("payable", &position.payable_nanos_total)
            .put("settlement_count", position.settlement_count)
            .end()
    };
    Fields::new()
        .text("payee_id", &payee.payee_id)
        .text("name", &payee.name)
        .name("status", payee.status().as_str_name(), "PAYEE_STATUS_")
        .put("positions", payee.positions.iter().map(position).collect::<Vec<_>>())
        .at("created_at", payee.created_at.as_ref())
}

/// Shows a list of payees.
pub(crate) fn payees(rows: &[Payee], more: bool, (look, money): (Look, Money)) -> Said {
    let mut grid = look.table(["payee", "name", "status", "owed"]);
    for row in rows {
        grid.row([
            row.payee_id.clone(),
            row.name.clone(),
            word(row.status().as_str_name(), "PAYEE_STATUS_"),
            owed(row, money),
        ]);
    }
    let rows: Vec<Value> = rows.iter().map(|row| payee_fields(row).end()).collect();
    Said::list("payees", grid.text("no payees"), rows, more)
}
