//! Owns: decisions, declines and debits, shown. Never: asks for any.

use super::{Shown, amount_if_any, word};
use crate::{Exit, advice, desk::Said, fields::Fields, moment, money::Money, screen::Look};
use serde_json::Value;
use tallystick_client::v1::{
    DebitInfo, DebitKind, Decision, DeclineCode, Level, ListDebitsResponse, Next, NextAction, Outcome,
};

const CODE: &str = "DECLINE_CODE_";

/// Is a decline of anything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Declined<'a> {
    pub(crate) code: DeclineCode,
    pub(crate) level: Level,
    pub(crate) next: Option<&'a Next>,
    /// The session that a top-up would help, if one would.
    pub(crate) session: Option<&'a str>,
}

impl Declined<'_> {
    /// Says a decline of a command that is no debit.
    pub(crate) fn said(&self, what: &str, shown: Shown, money: Money) -> Said {
        let shown = Shown::new().fact("declined", format!("{what}: {}", self.reason())).join(shown);
        let shown = self.add_next(shown, money).fields(|fields| self.fields(fields));
        let text = shown.text();
        let json = shown.fields(|fields| fields.put("outcome", "DECLINED")).json();
        Said { exit: Exit::Declined, text, json }
    }

    fn reason(&self) -> String {
        let code = self.code.as_str_name().trim_start_matches(CODE);
        format!("{code}, a limit of the {}", word(self.level.as_str_name(), "LEVEL_"))
    }

    fn add_next(&self, shown: Shown, money: Money) -> Shown {
        shown.fact("next", advice::after_decline(self.next, self.session, money).unwrap_or_default())
    }

    fn fields(&self, fields: Fields) -> Fields {
        let next = self.next.map(|next| {
            let capped = matches!(next.action(), NextAction::TopUp | NextAction::SmallerAmount);
            Fields::new()
                .name("action", next.action().as_str_name(), "NEXT_ACTION_")
                .nanos_or_null("at_most", capped.then_some(next.at_most_nanos))
                .at("at", next.at.as_ref())
                .end()
        });
        let fields = fields.name("code", self.code.as_str_name(), CODE);
        fields.name("level", self.level.as_str_name(), "LEVEL_").put("next", next)
    }
}

impl Shown {
    fn join(mut self, other: Self) -> Self {
        self.facts.extend(other.facts);
        Self { facts: self.facts, fields: other.fields }
    }
}

/// Shows a decision about a debit of `session`, which was sent under `key`.
pub(crate) fn show_decision(decision: &Decision, session: &str, key: &str, money: Money) -> Said {
    let (shown, exit) = decided(decision, session, key, money);
    Said { exit, text: shown.text(), json: shown.json() }
}

/// As `show_decision`, for whoever has more to say. Returns how the process ends, too.
pub(super) fn decided(decision: &Decision, session: &str, key: &str, money: Money) -> (Shown, Exit) {
    let approved = decision.outcome() == Outcome::Approved;
    let declined = Declined {
        code: decision.code(),
        level: decision.level(),
        next: decision.next.as_ref(),
        session: Some(session),
    };
    let (amount, asked) = (money.show(decision.amount_nanos), money.show(decision.asked_nanos));
    let head = match decision.outcome() {
        Outcome::Approved if decision.asked_nanos > decision.amount_nanos => {
            Shown::new().fact("approved", format!("{amount} of {asked} asked"))
        }
        Outcome::Approved => Shown::new().fact("approved", amount),
        Outcome::Declined => {
            let network = match decision.network_code.as_str() {
                "" => String::new(),
                code => format!(" (network code {code})"),
            };
            Shown::new().fact("declined", format!("{amount}: {}{network}", declined.reason()))
        }
        Outcome::Pending | Outcome::Unspecified => Shown::new().fact("pending", amount),
    };
    let last = if approved && decision.final_unit { ": nothing more can be approved" } else { "" };
    let shown = head
        .fact("debit", decision.debit_id.as_str())
        .fact("limit", decision.limit_id.as_str())
        .fact("remaining", format!("{}{last}", money.show(decision.remaining_nanos)))
        .fact("to payee", decision.payee_remaining_nanos.map(|nanos| money.show(nanos)).unwrap_or_default())
        .fields(|fields| declined.fields(decision_fields(fields, decision).put("key", key)))
        .record(decision.seq, decision.replayed, decision.durability());
    let shown = if approved { shown } else { declined.add_next(shown, money) };
    (shown, if approved { Exit::Done } else { Exit::Declined })
}

fn decision_fields(fields: Fields, decision: &Decision) -> Fields {
    fields
        .name("outcome", decision.outcome().as_str_name(), "OUTCOME_")
        .text("debit_id", &decision.debit_id)
        .text("network_code", &decision.network_code)
        .text("limit_id", &decision.limit_id)
        .nanos("amount", decision.amount_nanos)
        .nanos("asked", decision.asked_nanos)
        .nanos("remaining", decision.remaining_nanos)
        .nanos_or_null("payee_remaining", decision.payee_remaining_nanos)
        .put("final_unit", decision.final_unit)
        .at("decided_at", decision.decided_at.as_ref())
}

fn outcome(debit: &DebitInfo) -> String {
    match debit.outcome() {
        Outcome::Declined => format!("declined {}", debit.code().as_str_name().trim_start_matches(CODE)),
        other => word(other.as_str_name(), "OUTCOME_"),
    }
}

/// Writes what is no plain debit.
fn kind(debit: &DebitInfo) -> String {
    match debit.kind() {
        DebitKind::Unspecified | DebitKind::Debit => String::new(),
        DebitKind::Capture if debit.last => "last capture".to_owned(),
        other => word(other.as_str_name(), "DEBIT_KIND_"),
    }
}

/// Shows one debit as it was decided.
pub(crate) fn show_debit(debit: &DebitInfo, money: Money) -> Shown {
    let by = match debit.number {
        0 => String::new(),
        number => format!("{}, number {number}", debit.writer_id),
    };
    let partial = debit.outcome() == Outcome::Approved && debit.asked_nanos > debit.amount_nanos;
    Shown::new()
        .fact("debit", debit.debit_id.as_str())
        .fact("kind", kind(debit))
        .fact("outcome", outcome(debit))
        .fact("hold", debit.hold_id.as_str())
        .fact("late of", debit.late_of.as_str())
        .fact("session", debit.session_id.as_str())
        .fact("payee", debit.payee_id.as_str())
        .fact("amount", money.show(debit.amount_nanos))
        .fact(
            "asked",
            if partial || debit.amount_nanos == 0 { money.show(debit.asked_nanos) } else { String::new() },
        )
        .fact("tolerance", amount_if_any(debit.tolerance_nanos, money))
        .fact("until", debit.capture_until.as_ref().map(|at| moment::show(Some(at))).unwrap_or_default())
        .fact("reversed", amount_if_any(debit.reversed_nanos, money))
        .fact("reference", debit.reference.as_str())
        .fact("writer", by)
        .fact("decided", moment::show(debit.decided_at.as_ref()))
        .fact("seq", debit.seq.to_string())
        .fields(|_| debit_fields(debit))
}

fn debit_fields(debit: &DebitInfo) -> Fields {
    Fields::new()
        .text("debit_id", &debit.debit_id)
        .name("kind", debit.kind().as_str_name(), "DEBIT_KIND_")
        .text("hold_id", &debit.hold_id)
        .text("late_of", &debit.late_of)
        .nanos("tolerance", debit.tolerance_nanos)
        .at("capture_until", debit.capture_until.as_ref())
        .text("session_id", &debit.session_id)
        .text("payee_id", &debit.payee_id)
        .name("outcome", debit.outcome().as_str_name(), "OUTCOME_")
        .name("code", debit.code().as_str_name(), CODE)
        .name("level", debit.level().as_str_name(), "LEVEL_")
        .nanos("asked", debit.asked_nanos)
        .nanos("amount", debit.amount_nanos)
        .nanos("reversed", debit.reversed_nanos)
        .text("reference", &debit.reference)
        .bytes("evidence_hash", &debit.evidence_hash)
        .text("writer_id", &debit.writer_id)
        .put("number", if debit.number == 0 { Value::Null } else { debit.number.into() })
        .at("decided_at", debit.decided_at.as_ref())
        .put("seq", debit.seq)
}

/// Shows a list of debits; of the answer, its cursor and how far it reaches.
pub(crate) fn debits(list: &ListDebitsResponse, more: bool, (look, money): (Look, Money)) -> Said {
    let rows = &list.debits;
    let column = |of: fn(&DebitInfo) -> u64| {
        money.column(&rows.iter().map(|row| of(row).into()).collect::<Vec<_>>()).into_iter()
    };
    let (mut asked, mut taken) = (column(|row| row.asked_nanos), column(|row| row.amount_nanos));
    let mut reversed = column(|row| row.reversed_nanos);
    let mut grid = look.table([
        ">seq",
        "debit",
        "payee",
        "kind",
        "outcome",
        ">asked",
        ">taken",
        ">reversed",
        "reference",
        "decided",
    ]);
    for row in rows {
        grid.row([
            row.seq.to_string(),
            row.debit_id.clone(),
            row.payee_id.clone(),
            kind(row),
            outcome(row),
            asked.next().unwrap_or_default(),
            taken.next().unwrap_or_default(),
            reversed.next().unwrap_or_default(),
            row.reference.clone(),
            moment::show(row.decided_at.as_ref()),
        ]);
    }
    let mut text = grid.text("no debits");
    if more {
        text = format!("{text}\n… and more: --after {} goes on from here", list.next_after_seq);
    }
    let rows: Vec<Value> = rows.iter().map(|row| debit_fields(row).end()).collect();
    let fields = Fields::new().put("debits", rows).put("more", more);
    let fields = fields.put("next_after_seq", list.next_after_seq).put("as_of_seq", list.as_of_seq);
    Said::done(text, fields.end())
}
