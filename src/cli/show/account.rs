//! Owns: accounts and deposits, shown. Never: asks for any.

use super::{
    Shown,
    control::{control_line_if_any, control_value},
    total, total_if_any, totals, word,
};
use crate::{
    desk::Said,
    fields::Fields,
    moment,
    money::Money,
    screen::{self, Look},
    velocity,
};
use serde_json::Value;
use tallystick_client::v1::{Account, DepositInfo, ExternalAuthority, Funding, PaymentMethod};

/// Shows one account.
pub(crate) fn show_account(account: &Account, money: Money) -> Shown {
    let of = |text: &str| total(text, money);
    let line = account.funding() == Funding::CreditLine;
    let when_line = |text: &str| if line { of(text) } else { String::new() };
    let funding = word(account.funding().as_str_name(), "FUNDING_");
    Shown::new()
        .fact("account", account.account_id.as_str())
        .fact("reference", account.reference.as_str())
        .fact("currency", account.currency.as_str())
        .fact("funding", funding)
        .fact("state", word(account.state().as_str_name(), "ACCOUNT_STATE_"))
        .fact("front-end", account.front_end.as_str())
        .fact("control", control_line_if_any(account.control.as_ref()))
        .fact("deposited", if line { String::new() } else { of(&account.deposited_nanos_total) })
        .fact("pending", total_if_any(&account.pending_nanos_total, money))
        .fact("withdrawn", total_if_any(&account.withdrawn_nanos_total, money))
        .fact("limit", when_line(&account.credit_limit_nanos_total))
        .fact("outstanding", when_line(&account.outstanding_nanos_total))
        .fact("repaid", when_line(&account.repaid_nanos_total))
        .fact("authority", account.external_authority.as_ref().map(authority_line).unwrap_or_default())
        .fact("method", account.payment_method.as_ref().map(method_line).unwrap_or_default())
        .fact("reserved", of(&account.reserved_nanos_total))
        .fact("spent", of(&account.spent_nanos_total))
        .fact("available", of(&account.available_nanos_total))
        .fact("deficit", total_if_any(&account.deficit_nanos_total, money))
        .velocity(&account.velocity, &account.currency, money)
        .fact("open", screen::counted(account.open_session_count, "session"))
        .fact("created", moment::show(account.created_at.as_ref()))
        .fields(|_| account_fields(account))
}

fn authority_line(authority: &ExternalAuthority) -> String {
    let ExternalAuthority { reference, amount_nanos, usable_until, .. } = authority;
    let amount = Money::Decimal.show(*amount_nanos);
    format!("{reference}, {amount}, usable until {}", moment::show(usable_until.as_ref()))
}

fn method_line(method: &PaymentMethod) -> String {
    let PaymentMethod { kind, brand, last_four, funding_type } = method;
    let parts = [kind, brand, last_four, funding_type];
    parts.iter().filter(|part| !part.is_empty()).map(|part| part.as_str()).collect::<Vec<_>>().join(" ")
}

fn account_fields(account: &Account) -> Fields {
    let authority = account.external_authority.as_ref().map(|authority| {
        let margin = authority.margin.as_ref().map(moment::seconds);
        let fields = Fields::new().text("reference", &authority.reference);
        let fields = fields.nanos("amount", authority.amount_nanos);
        fields.at("usable_until", authority.usable_until.as_ref()).put("margin", margin).end()
    });
    let method = account.payment_method.as_ref().map(|method| {
        let fields = Fields::new().text("kind", &method.kind).text("brand", &method.brand);
        fields.text("last_four", &method.last_four).text("funding_type", &method.funding_type).end()
    });
    Fields::new()
        .text("account_id", &account.account_id)
        .text("currency", &account.currency)
        .text("reference", &account.reference)
        .name("funding", account.funding().as_str_name(), "FUNDING_")
        .name("state", account.state().as_str_name(), "ACCOUNT_STATE_")
        .total("deposited", &account.deposited_nanos_total)
        .total("pending", &account.pending_nanos_total)
        .total("withdrawn", &account.withdrawn_nanos_total)
        .total("credit_limit", &account.credit_limit_nanos_total)
        .total("outstanding", &account.outstanding_nanos_total)
        .total("repaid", &account.repaid_nanos_total)
        .total("reserved", &account.reserved_nanos_total)
        .total("spent", &account.spent_nanos_total)
        .total("available", &account.available_nanos_total)
        .total("deficit", &account.deficit_nanos_total)
        .put("open_session_count", account.open_session_count)
        .at("created_at", account.created_at.as_ref())
        .put("external_authority", authority)
        .put("payment_method", method)
        .text("front_end", &account.front_end)
        .put("control", control_value(account.control.as_ref()))
        .put("velocity", velocity::fields(&account.velocity))
}

/// Shows a list of accounts.
pub(crate) fn accounts(rows: &[Account], more: bool, (look, money): (Look, Money)) -> Said {
    let column = |of: fn(&Account) -> &str| totals(rows.iter().map(of), money).into_iter();
    let mut available = column(|row| &row.available_nanos_total);
    let mut reserved = column(|row| &row.reserved_nanos_total);
    let mut spent = column(|row| &row.spent_nanos_total);
    let mut grid = look.table([
        "account",
        "reference",
        "currency",
        "funding",
        "state",
        ">available",
        ">reserved",
        ">spent",
        ">open",
    ]);
    for row in rows {
        grid.row([
            row.account_id.clone(),
            row.reference.clone(),
            row.currency.clone(),
            word(row.funding().as_str_name(), "FUNDING_"),
            word(row.state().as_str_name(), "ACCOUNT_STATE_"),
            available.next().unwrap_or_default(),
            reserved.next().unwrap_or_default(),
            spent.next().unwrap_or_default(),
            row.open_session_count.to_string(),
        ]);
    }
    let rows = rows.iter().map(|row| account_fields(row).end()).collect();
    Said::list("accounts", grid.text("no accounts"), rows, more)
}

/// Shows one deposit.
pub(crate) fn show_deposit(deposit: &DepositInfo, money: Money) -> Shown {
    Shown::new()
        .fact("deposit", deposit.deposit_id.as_str())
        .fact("amount", money.show(deposit.amount_nanos))
        .fact("state", word(deposit.state().as_str_name(), "DEPOSIT_STATE_"))
        .fields(|_| deposit_fields(deposit))
}

fn deposit_fields(deposit: &DepositInfo) -> Fields {
    Fields::new()
        .text("deposit_id", &deposit.deposit_id)
        .text("account_id", &deposit.account_id)
        .nanos("amount", deposit.amount_nanos)
        .name("state", deposit.state().as_str_name(), "DEPOSIT_STATE_")
        .at("created_at", deposit.created_at.as_ref())
        .at("changed_at", deposit.changed_at.as_ref())
}

/// Shows a list of deposits.
pub(crate) fn deposits(rows: &[DepositInfo], more: bool, (look, money): (Look, Money)) -> Said {
    let amounts = money.column(&rows.iter().map(|row| row.amount_nanos.into()).collect::<Vec<_>>());
    let mut grid = look.table(["deposit", ">amount", "state", "created", "changed"]);
    for (row, amount) in rows.iter().zip(amounts) {
        grid.row([
            row.deposit_id.clone(),
            amount,
            word(row.state().as_str_name(), "DEPOSIT_STATE_"),
            moment::show(row.created_at.as_ref()),
            moment::show(row.changed_at.as_ref()),
        ]);
    }
    let rows: Vec<Value> = rows.iter().map(|row| deposit_fields(row).end()).collect();
    Said::list("deposits", grid.text("no deposits"), rows, more)
}
