//! Owns: `tallystick pay` and `tallystick reverse`: one debit, and taking it back. Never: sends one intent under two keys.

use crate::{
    Failure,
    desk::{Desk, Reach, Said},
    ids,
    key::{KeyArg, SecretArg},
    show::{self, Shown},
};
use clap::Args;
use tallystick_client::v1::{self, authorize_request::Intent};

/// Takes `tallystick pay`.
#[derive(Debug, Args)]
pub struct PayArgs {
    /// The session that pays, ses_…
    #[arg(value_parser = ids::debited)]
    session: String,
    /// Who is paid, pay_…
    #[arg(value_parser = ids::payee)]
    payee: String,
    /// How much, such as 0.0012.
    amount: String,
    /// Pay what still fits, when that is less.
    #[arg(long)]
    accept_partial: bool,
    /// The payee's own id for it.
    #[arg(long, default_value = "")]
    reference: String,
    #[command(flatten)]
    secret: SecretArg,
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// Takes `tallystick reverse`.
#[derive(Debug, Args)]
pub struct ReverseArgs {
    /// The debit, deb_…
    #[arg(value_parser = ids::debit)]
    debit: String,
    /// How much of it; all that is left of it when absent.
    amount: Option<String>,
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

pub(crate) async fn pay(args: PayArgs, desk: &Desk) -> Result<Said, Failure> {
    let doing = "pay";
    let amount_nanos = desk.money.read("AMOUNT", &args.amount)?;
    let key = args.key.take()?;
    let request = v1::AuthorizeRequest {
        session_id: args.session.clone(),
        payee_id: args.payee,
        amount_nanos,
        intent: Some(Intent::IdempotencyKey(key.clone())),
        reference: args.reference,
        accept_partial: args.accept_partial,
        secret: args.secret.bytes(),
        ..v1::AuthorizeRequest::default()
    };
    let answer = desk.keyed(doing, &key, desk.client.authorize(request)).await?;
    let decision = answer.decision.as_ref().ok_or(Failure::Answer { doing, missing: "decision" })?;
    Ok(show::show_decision(decision, &args.session, &key, desk.money))
}

pub(crate) async fn reverse(args: ReverseArgs, desk: &Desk) -> Result<Said, Failure> {
    let amount_nanos = desk.money.read_or_none("AMOUNT", args.amount.as_deref())?;
    let key = args.key.take()?;
    let request =
        v1::ReverseRequest { debit_id: args.debit.clone(), idempotency_key: key.clone(), amount_nanos };
    let answer = desk.keyed("reverse the debit", &key, desk.client.reverse(request)).await?;
    let remaining = answer.session.as_ref().map(|session| desk.money.show(session.remaining_nanos));
    let session = answer.session.as_ref().map(|session| show::session_fields(session).end());
    let shown = Shown::new()
        .fact("reversed", desk.money.show(answer.reversed_nanos))
        .fact("debit", args.debit.as_str())
        .fact("remaining", remaining.unwrap_or_default())
        .fields(|fields| fields.text("debit_id", &args.debit).nanos("reversed", answer.reversed_nanos))
        .fields(|fields| fields.put("key", key).put("session", session))
        .record(answer.seq, answer.replayed, answer.durability());
    Ok(Said::done(shown.text(), shown.json()))
}
