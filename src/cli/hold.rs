//! Owns: `tallystick hold`, `capture` and `void`: a promise to a payee, what is taken out of it, and its end.
//! Never: a rule about money; sends one intent under two keys.

use crate::{
    Failure,
    desk::{Desk, Reach, Said},
    ids,
    key::{KeyArg, SecretArg},
    moment, show,
};
use clap::Args;
use tallystick_client::v1::{self, HoldInfo, capture_request, hold_request, void_request};

/// Bounds the holds that are shown with their session.
const SHOWN_MOST: u32 = 20;

/// Takes `tallystick hold`.
#[derive(Debug, Args)]
pub struct HoldArgs {
    /// The session that promises, ses_… or tok_…
    #[arg(value_parser = ids::debited)]
    session: String,
    /// To whom, pay_…
    #[arg(value_parser = ids::payee)]
    payee: String,
    /// How much, such as 12.00.
    amount: String,
    /// How much more may be captured, such as 1.50; it is set aside, too.
    #[arg(long, value_name = "AMOUNT")]
    tolerance: Option<String>,
    /// When it ends, such as 2026-11-21T12:00:00Z; when the session does, by default.
    #[arg(long, value_name = "INSTANT")]
    until: Option<String>,
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

/// Takes `tallystick capture`.
#[derive(Debug, Args)]
pub struct CaptureArgs {
    /// The hold, hld_…
    #[arg(value_parser = ids::hold)]
    hold: String,
    /// How much of it, such as 7.20.
    amount: String,
    /// Give the rest back: nothing more will be captured.
    #[arg(long)]
    last: bool,
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

/// Takes `tallystick void`.
#[derive(Debug, Args)]
pub struct VoidArgs {
    /// The hold, hld_…
    #[arg(value_parser = ids::hold)]
    hold: String,
    #[command(flatten)]
    secret: SecretArg,
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

pub(crate) async fn hold(args: HoldArgs, desk: &Desk) -> Result<Said, Failure> {
    let doing = "place the hold";
    let amount_nanos = desk.money.read("AMOUNT", &args.amount)?;
    let tolerance_nanos = desk.money.read_or_none("--tolerance", args.tolerance.as_deref())?;
    let until = args.until.as_deref().map(|at| moment::read_instant("--until", at)).transpose()?;
    let key = args.key.take()?;
    let request = v1::HoldRequest {
        session_id: args.session.clone(),
        payee_id: args.payee,
        amount_nanos,
        intent: Some(hold_request::Intent::IdempotencyKey(key.clone())),
        reference: args.reference,
        tolerance_nanos,
        capture_until: until,
        secret: args.secret.bytes(),
        ..v1::HoldRequest::default()
    };
    let answer = desk.keyed(doing, &key, desk.client.hold(request)).await?;
    let decision = answer.decision.as_ref().ok_or(Failure::Answer { doing, missing: "decision" })?;
    let asked = show::Asked { session: &args.session, key: &key, hold: answer.hold.as_ref() };
    Ok(show::show_held(decision, &asked, desk.money))
}

pub(crate) async fn capture(args: CaptureArgs, desk: &Desk) -> Result<Said, Failure> {
    let doing = "capture the hold";
    let amount_nanos = desk.money.read("AMOUNT", &args.amount)?;
    let key = args.key.take()?;
    let hold = find(args.hold, desk).await?;
    let request = v1::CaptureRequest {
        session_id: hold.session_id.clone(),
        payee_id: hold.payee_id,
        amount_nanos,
        intent: Some(capture_request::Intent::IdempotencyKey(key.clone())),
        reference: args.reference,
        hold_id: hold.hold_id,
        last: args.last,
        secret: args.secret.bytes(),
        ..v1::CaptureRequest::default()
    };
    let answer = desk.keyed(doing, &key, desk.client.capture(request)).await?;
    let decision = answer.decision.as_ref().ok_or(Failure::Answer { doing, missing: "decision" })?;
    let asked = show::Asked { session: &hold.session_id, key: &key, hold: answer.hold.as_ref() };
    Ok(show::show_held(decision, &asked, desk.money))
}

pub(crate) async fn void(args: VoidArgs, desk: &Desk) -> Result<Said, Failure> {
    let doing = "void the hold";
    let key = args.key.take()?;
    let hold = find(args.hold, desk).await?;
    let request = v1::VoidRequest {
        session_id: hold.session_id.clone(),
        payee_id: hold.payee_id,
        intent: Some(void_request::Intent::IdempotencyKey(key.clone())),
        hold_id: hold.hold_id,
        secret: args.secret.bytes(),
        ..v1::VoidRequest::default()
    };
    let answer = desk.keyed(doing, &key, desk.client.void(request)).await?;
    let decision = answer.decision.as_ref().ok_or(Failure::Answer { doing, missing: "decision" })?;
    let asked = show::Asked { session: &hold.session_id, key: &key, hold: answer.hold.as_ref() };
    Ok(show::show_held(decision, &asked, desk.money))
}

/// Asks whose a hold is: its id alone names it, and the server knows the rest.
async fn find(hold_id: String, desk: &Desk) -> Result<HoldInfo, Failure> {
    let doing = "find the hold";
    let answer = desk.call(doing, desk.client.get_hold(v1::GetHoldRequest { hold_id })).await?;
    answer.hold.ok_or(Failure::Answer { doing, missing: "hold" })
}

/// Asks for the open holds of a session that has some; the first of them, if there are many.
pub(crate) async fn open_holds(session: &v1::Session, desk: &Desk) -> Result<Vec<HoldInfo>, Failure> {
    if session.open_hold_count == 0 {
        return Ok(Vec::new());
    }
    let session_id = session.session_id.clone();
    let request = v1::ListHoldsRequest { session_id, page_size: SHOWN_MOST, after_seq: 0 };
    Ok(desk.call("list holds", desk.client.list_holds(request)).await?.holds)
}
