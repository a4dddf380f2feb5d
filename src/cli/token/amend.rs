//! Owns: `tallystick token amend`: what is to be changed, as flags. Never: whether it may be.

use super::issue::AuthorityArgs;
use crate::{
    Failure,
    desk::{Desk, Said},
    ids,
    key::KeyArg,
    moment,
    money::Money,
    session::open::payee_cap,
    show::{self, Declined, Shown},
};
use clap::Args;
use tallystick_client::v1::{self, Outcome};

/// Takes what a token is changed to. What is not given stays; an amount of 0 means none.
#[derive(Debug, Args)]
pub(crate) struct AmendArgs {
    /// The token, or the standing mandate: tok_…
    #[arg(value_parser = ids::token)]
    token: String,
    /// Its cap from now on; of each period for a standing mandate.
    #[arg(long, value_name = "AMOUNT")]
    cap: Option<String>,
    /// What all periods of a standing mandate together may spend.
    #[arg(long, value_name = "AMOUNT")]
    total: Option<String>,
    /// Its end from now on; one in the past ends it.
    #[arg(long, value_name = "INSTANT")]
    ends_at: Option<String>,
    /// The least single debit.
    #[arg(long, value_name = "AMOUNT")]
    debit_min: Option<String>,
    /// The greatest single debit.
    #[arg(long, value_name = "AMOUNT")]
    debit_max: Option<String>,
    /// Debits above this need somebody's approval.
    #[arg(long, value_name = "AMOUNT")]
    approval_above: Option<String>,
    /// The most that one payee may get: pay_…=0.50; can be given again.
    #[arg(long = "payee-cap", value_name = "PAYEE=AMOUNT")]
    payee_caps: Vec<String>,
    /// The most that each other payee may get.
    #[arg(long, value_name = "AMOUNT")]
    default_payee_cap: Option<String>,
    /// Take this payee off its list; can be given again.
    #[arg(long = "remove-payee", value_name = "PAYEE", value_parser = ids::payee)]
    remove: Vec<String>,
    /// Put this payee onto its list; can be given again.
    #[arg(long = "add-payee", value_name = "PAYEE", value_parser = ids::payee)]
    add: Vec<String>,
    #[command(flatten)]
    authority: AuthorityArgs,
    #[command(flatten)]
    key: KeyArg,
}

pub(crate) async fn run(args: AmendArgs, desk: &Desk) -> Result<Said, Failure> {
    let mut request = request(&args, desk.money)?;
    let key = args.key.take()?;
    request.idempotency_key.clone_from(&key);
    let answer = desk.keyed("amend the token", &key, desk.client.amend_token(request)).await?;
    let shown = match &answer.token {
        Some(token) => show::show_token(token, desk.money),
        None => Shown::new().fact("token", args.token.as_str()),
    };
    let shown = shown.fields(|fields| fields.put("key", key).put("outcome", "APPROVED"));
    let shown = shown.record(answer.seq, answer.replayed, answer.durability());
    if answer.outcome() == Outcome::Declined {
        let next = answer.next.as_ref();
        let declined = Declined { code: answer.code(), level: answer.level(), next, session: None };
        return Ok(declined.said("the amendment", shown, desk.money));
    }
    Ok(Said::done(shown.text(), shown.json()))
}

fn request(args: &AmendArgs, money: Money) -> Result<v1::AmendTokenRequest, Failure> {
    // Here nothing given leaves it, and 0 takes a bound away, so they are not the same.
    let given = |field, text: &Option<String>| match text.as_deref() {
        None => Ok(None),
        Some("0") => Ok(Some(0)),
        Some(text) => money.read(field, text).map(Some),
    };
    let ends_at = args.ends_at.as_deref().map(|text| moment::read_instant("--ends-at", text)).transpose()?;
    let caps = args.payee_caps.iter().map(|text| payee_cap(text, money));
    Ok(v1::AmendTokenRequest {
        token_id: args.token.clone(),
        cap_nanos: money.read_or_none("--cap", args.cap.as_deref())?,
        ends_at,
        debit_min_nanos: given("--debit-min", &args.debit_min)?,
        debit_max_nanos: given("--debit-max", &args.debit_max)?,
        approval_above_nanos: given("--approval-above", &args.approval_above)?,
        payee_caps: caps.collect::<Result<_, _>>()?,
        default_payee_cap_nanos: given("--default-payee-cap", &args.default_payee_cap)?,
        remove_payee_ids: args.remove.clone(),
        add_payee_ids: args.add.clone(),
        total_cap_nanos: money.read_or_none("--total", args.total.as_deref())?,
        authority: args.authority.read()?,
        agreement_reference: args.authority.agreement.clone(),
        ..v1::AmendTokenRequest::default()
    })
}
