//! Owns: tokens, shown: what they may spend, how they renew themselves, what is left. Never: asks for any.

use super::{Shown, session::authority_line, word};
use crate::{
    desk::Said,
    fields::Fields,
    moment,
    money::Money,
    screen::{Look, counted},
};
use serde_json::Value;
use tallystick_client::v1::{
    PaymentMethod, Renewal, StandingFacts, Token, calendar_periods::Day, renewal::Periods,
};

/// Shows one token.
pub(crate) fn show_token(token: &Token, money: Money) -> Shown {
    let under = if token.parent_id.is_empty() { &token.account_id } else { &token.parent_id };
    let standing = token.standing.as_ref();
    let shown = Shown::new()
        .fact("token", token.token_id.as_str())
        .fact("reference", token.reference.as_str())
        .fact("under", under.as_str())
        .fact("kind", word(token.kind().as_str_name(), "TOKEN_KIND_"))
        .fact("use", word(token.r#use().as_str_name(), "TOKEN_USE_"))
        .fact("state", word(token.state().as_str_name(), "TOKEN_STATE_"))
        .fact("currency", token.currency.as_str())
        .fact("cap", cap(token, money))
        .fact("each period", standing.map(|facts| each(facts, money)).unwrap_or_default())
        .fact("this period", standing.map(this_period).unwrap_or_default())
        .fact(
            "spent",
            format!("{} in {}", money.show(token.spent_nanos), counted(token.debit_count, "debit")),
        )
        .fact("below", below(token, money))
        .fact("remaining", money.show(token.remaining_nanos))
        .fact("begins", token.not_before.as_ref().map(|at| moment::show(Some(at))).unwrap_or_default())
        .fact("ends", moment::show(token.ends_at.as_ref()))
        .fact("paid with", token.payment_method.as_ref().map(method_line).unwrap_or_default())
        .fact("authority", token.authority.as_ref().map(authority_line).unwrap_or_default())
        .fact("agreement", token.agreement_reference.as_str())
        .fact("secret begins", token.secret_prefix.as_str())
        .fact("amended", amended(token));
    let payees = token.payees.iter();
    let shown = payees.fold(shown, |shown, part| shown.fact("payee", super::payee_line(part, money)));
    shown.fields(|_| token_fields(token))
}

fn cap(token: &Token, money: Money) -> String {
    match (token.cap_nanos, &token.standing) {
        (0, Some(_)) => "none for all periods together".to_owned(),
        (nanos, Some(_)) => format!("{} for all periods together", money.show(nanos)),
        (nanos, None) => money.show(nanos),
    }
}

fn each(facts: &StandingFacts, money: Money) -> String {
    let when = facts.renewal.as_ref().map(renewal_line).unwrap_or_default();
    format!("{} {when}", money.show(facts.period_cap_nanos))
}

fn renewal_line(renewal: &Renewal) -> String {
    let rollover = if renewal.rollover { ", rolled over once" } else { "" };
    let when = match &renewal.periods {
        None => String::new(),
        Some(Periods::Rolling(rolling)) => {
            format!("every {}", rolling.every.as_ref().map(moment::seconds).unwrap_or_default())
        }
        Some(Periods::Calendar(calendar)) => {
            const DAYS: [&str; 7] =
                ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
            let day = match calendar.day {
                Some(Day::Daily(_)) | None => "day".to_owned(),
                Some(Day::Weekday(day)) => {
                    let at = usize::try_from(day).unwrap_or(0).saturating_sub(1);
                    DAYS.get(at).copied().unwrap_or("week").to_owned()
                }
                Some(Day::DayOfMonth(day)) => format!("month, on the {day}."),
            };
            let (hour, minute) = (calendar.local_minute / 60, calendar.local_minute % 60);
            format!("each {day} from {hour:02}:{minute:02} {}", calendar.time_zone)
        }
    };
    format!("{when}{rollover}")
}

fn this_period(facts: &StandingFacts) -> String {
    if let Some(at) = &facts.revoked_at {
        return format!("revoked at {}: a spent refresh secret was used again", moment::show(Some(at)));
    }
    match facts.generation {
        0 => "not refreshed yet".to_owned(),
        n => {
            let until = moment::show(facts.period_ends_at.as_ref());
            format!("{}, number {n}, until {until}", facts.current_token_id)
        }
    }
}

fn below(token: &Token, money: Money) -> String {
    let (spent, reserved) = (token.spent_below_nanos, token.reserved_by_children_nanos);
    if spent == 0 && reserved == 0 && token.open_child_count == 0 {
        return String::new();
    }
    let (spent, reserved) = (money.show(spent), money.show(reserved));
    match token.open_child_count {
        // Who holds it is not told how many.
        0 => format!("{spent} spent, {reserved} set aside"),
        count => format!("{spent} spent, {reserved} set aside for {}", counted(count, "open envelope")),
    }
}

fn method_line(method: &PaymentMethod) -> String {
    let last = if method.last_four.is_empty() { String::new() } else { format!("…{}", method.last_four) };
    let parts = [&method.brand, &method.funding_type, &method.kind, &last];
    parts.into_iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(" ")
}

fn amended(token: &Token) -> String {
    match token.amended_count {
        0 => String::new(),
        n => format!("{}, last at {}", counted(n, "time"), moment::show(token.amended_at.as_ref())),
    }
}

fn token_fields(token: &Token) -> Fields {
    let set = |nanos: u64| (nanos != 0).then_some(nanos);
    let standing = token.standing.as_ref().map(|facts| {
        let fields =
            Fields::new().nanos("period_cap", facts.period_cap_nanos).put("generation", facts.generation);
        fields
            .text("periods", &facts.renewal.as_ref().map(renewal_line).unwrap_or_default())
            .text("current_token_id", &facts.current_token_id)
            .at("period_begins_at", facts.period_begins_at.as_ref())
            .at("period_ends_at", facts.period_ends_at.as_ref())
            .at("revoked_at", facts.revoked_at.as_ref())
            .end()
    });
    let method = token.payment_method.as_ref().map(|method| {
        let fields = Fields::new().text("kind", &method.kind).text("brand", &method.brand);
        fields.text("last_four", &method.last_four).text("funding_type", &method.funding_type).end()
    });
    Fields::new()
        .text("token_id", &token.token_id)
        .text("account_id", &token.account_id)
        .text("parent_id", &token.parent_id)
        .name("kind", token.kind().as_str_name(), "TOKEN_KIND_")
        .name("use", token.r#use().as_str_name(), "TOKEN_USE_")
        .name("state", token.state().as_str_name(), "TOKEN_STATE_")
        .text("currency", &token.currency)
        .text("reference", &token.reference)
        .nanos_or_null("cap", set(token.cap_nanos))
        .nanos("remaining", token.remaining_nanos)
        .nanos("spent", token.spent_nanos)
        .nanos("spent_below", token.spent_below_nanos)
        .nanos("held", token.held_nanos)
        .nanos("reserved_by_children", token.reserved_by_children_nanos)
        .put("debit_count", token.debit_count)
        .put("payees_restricted", token.payees_restricted)
        .nanos_or_null("debit_min", set(token.debit_min_nanos))
        .nanos_or_null("debit_max", set(token.debit_max_nanos))
        .nanos_or_null("approval_above", set(token.approval_above_nanos))
        .text("agreement_reference", &token.agreement_reference)
        .text("secret_prefix", &token.secret_prefix)
        .put("payment_method", method)
        .put("standing", standing)
        .put("amended_count", token.amended_count)
        .at("issued_at", token.issued_at.as_ref())
        .at("not_before", token.not_before.as_ref())
        .at("ends_at", token.ends_at.as_ref())
}

/// Shows a list of tokens.
pub(crate) fn tokens(rows: &[Token], more: bool, (look, money): (Look, Money)) -> Said {
    let column = |of: fn(&Token) -> u64| {
        money.column(&rows.iter().map(|row| of(row).into()).collect::<Vec<_>>()).into_iter()
    };
    let mut caps = column(|row| row.standing.as_ref().map_or(row.cap_nanos, |facts| facts.period_cap_nanos));
    let mut remaining = column(|row| row.remaining_nanos);
    let mut grid =
        look.table(["token", "reference", "kind", "state", ">cap", ">remaining", ">debits", "ends"]);
    for row in rows {
        grid.row([
            row.token_id.clone(),
            row.reference.clone(),
            word(row.kind().as_str_name(), "TOKEN_KIND_"),
            word(row.state().as_str_name(), "TOKEN_STATE_"),
            caps.next().unwrap_or_default(),
            remaining.next().unwrap_or_default(),
            row.debit_count.to_string(),
            moment::show(row.ends_at.as_ref()),
        ]);
    }
    let rows: Vec<Value> = rows.iter().map(|row| token_fields(row).end()).collect();
    Said::list("tokens", grid.text("no open tokens"), rows, more)
}
