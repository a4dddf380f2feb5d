//! Owns: `tallystick session open`: a mandate as flags. Never: what it may be; the server says that.

use crate::{
    Failure,
    desk::{Desk, Said},
    ids,
    key::{KeyArg, ParentSecretArg, SecretArg},
    moment,
    money::Money,
    show::{self, Declined, Shown},
    velocity,
};
use clap::{Args, ValueEnum};
use tallystick_client::v1::{self, EnvelopeMode, Outcome};

/// Is how long a session on an account lasts when nobody says.
const TTL: &str = "1h";

/// Says how a session stands to what is above it.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Mode {
    /// Its cap is set aside at once; closing gives back what was not spent.
    Reserved,
    /// Its cap is only a ceiling: each debit counts at once above it, too.
    Shared,
}

/// Takes what a session is opened with.
#[derive(Debug, Args)]
pub(crate) struct OpenArgs {
    /// What it stands under: an account, acc_…, another session, ses_…, or a token, tok_…
    #[arg(value_parser = ids::envelope)]
    under: String,
    /// The most that can be spent, such as 2.00.
    cap: String,
    /// How long it lasts, such as 15m or 24h; an hour under an account, as long as its parent under a session.
    #[arg(long, value_name = "SPAN")]
    ttl: Option<String>,
    /// Whether the cap is set aside, or only a ceiling.
    #[arg(long, value_enum, default_value = "reserved")]
    mode: Mode,
    /// Your own name for it.
    #[arg(long, default_value = "")]
    reference: String,
    /// No debit before this instant, such as 2026-12-31T00:00:00Z.
    #[arg(long, value_name = "INSTANT")]
    not_before: Option<String>,
    /// Pay only this payee; can be given again for others.
    #[arg(long = "payee", value_name = "PAYEE", value_parser = ids::payee)]
    payees: Vec<String>,
    /// The most that one payee may get: pay_…=0.50; can be given again.
    #[arg(long = "payee-cap", value_name = "PAYEE=AMOUNT")]
    payee_caps: Vec<String>,
    /// The most that each other payee may get.
    #[arg(long, value_name = "AMOUNT")]
    default_payee_cap: Option<String>,
    /// The least single debit.
    #[arg(long, value_name = "AMOUNT")]
    debit_min: Option<String>,
    /// The greatest single debit.
    #[arg(long, value_name = "AMOUNT")]
    debit_max: Option<String>,
    #[arg(long, value_name = "MOST/SPAN", help = velocity::HELP)]
    velocity: Vec<String>,
    /// Debits above this need somebody's approval.
    #[arg(long, value_name = "AMOUNT")]
    approval_above: Option<String>,
    /// Under a period's token: go on after the period, with its whole cap set aside in the next.
    #[arg(long)]
    carry: bool,
    /// Who approved it.
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// How: "passkey", "signed mandate" …
    #[arg(long, requires = "principal")]
    method: Option<String>,
    /// A hash of what proves it: 64 hexadecimal digits.
    #[arg(long, value_name = "HEX", requires = "principal")]
    evidence_hash: Option<String>,
    /// When it was approved.
    #[arg(long, value_name = "INSTANT", requires = "principal")]
    approved_at: Option<String>,
    /// The currency, which must be that of what it stands under; asked of the server when absent.
    #[arg(long)]
    currency: Option<String>,
    /// A secret for it: whoever debits it, or opens a session below it, must then know it. Its hash is sent.
    #[command(flatten)]
    secret: SecretArg,
    #[command(flatten)]
    parent_secret: ParentSecretArg,
    #[command(flatten)]
    key: KeyArg,
}

pub(crate) async fn run(args: OpenArgs, desk: &Desk) -> Result<Said, Failure> {
    let doing = "open the session";
    let under = args.under.clone();
    let mut request = request(&args, desk.money)?;
    let key = args.key.take()?;
    request.idempotency_key.clone_from(&key);
    request.currency = match args.currency {
        Some(currency) => currency,
        None => currency_of(&under, desk).await?,
    };
    request.velocity = velocity::read(&args.velocity, &request.currency, desk.money)?;
    let cap = desk.money.show(request.cap_nanos);
    let answer = desk.keyed(doing, &key, desk.client.open_session(request)).await?;
    let shown = match &answer.session {
        Some(session) => show::show_session(session, desk.money),
        None => Shown::new().fact("under", under.as_str()),
    };
    let shown = shown.fields(|fields| fields.put("key", key).put("outcome", "APPROVED"));
    let shown = shown.record(answer.seq, answer.replayed, answer.durability());
    if answer.outcome() == Outcome::Declined {
        let session = under.starts_with("ses_").then_some(under.as_str());
        let next = answer.next.as_ref();
        let declined = Declined { code: answer.code(), level: answer.level(), next, session };
        return Ok(declined.said(&format!("a session of {cap}"), shown, desk.money));
    }
    Ok(Said::done(shown.text(), shown.json()))
}

/// Asks for the currency of what a session is to stand under.
pub(crate) async fn currency_of(under: &str, desk: &Desk) -> Result<String, Failure> {
    let doing = "find the currency";
    if !under.starts_with("acc_") {
        let request = v1::GetSessionRequest { session_id: under.to_owned() };
        let answer = desk.call(doing, desk.client.get_session(request)).await?;
        let settled = || answer.settlement.map(|settlement| settlement.currency);
        let currency = answer.session.map(|session| session.currency).or_else(settled);
        return currency.ok_or(Failure::Answer { doing, missing: "session" });
    }
    let request = v1::GetAccountRequest { account_id: under.to_owned() };
    let answer = desk.call(doing, desk.client.get_account(request)).await?;
    Ok(answer.account.ok_or(Failure::Answer { doing, missing: "account" })?.currency)
}

fn request(args: &OpenArgs, money: Money) -> Result<v1::OpenSessionRequest, Failure> {
    let only = |prefix| if args.under.starts_with(prefix) { args.under.clone() } else { String::new() };
    let is_child = !args.under.starts_with("acc_");
    let ttl = args.ttl.as_deref().or((!is_child).then_some(TTL));
    let ttl = ttl.map(|ttl| moment::read_span("--ttl", ttl)).transpose()?.map(moment::to_wire);
    let instant = |field, text: &Option<String>| {
        text.as_deref().map(|text| moment::read_instant(field, text)).transpose()
    };
    let caps = args.payee_caps.iter().map(|text| payee_cap(text, money));
    let authority = match &args.principal {
        None => None,
        Some(principal) => Some(v1::Authority {
            principal: principal.clone(),
            method: args.method.clone().unwrap_or_default(),
            evidence_hash: args.evidence_hash.as_deref().map(hash).transpose()?.unwrap_or_default(),
            approved_at: instant("--approved-at", &args.approved_at)?,
        }),
    };
    let mode = match args.mode {
        Mode::Reserved => EnvelopeMode::Reserved,
        Mode::Shared => EnvelopeMode::Shared,
    };
    Ok(v1::OpenSessionRequest {
        account_id: only("acc_"),
        parent_token_id: only("tok_"),
        carry: args.carry,
        approval_above_nanos: money.read_or_none("--approval-above", args.approval_above.as_deref())?,
        cap_nanos: money.read("CAP", &args.cap)?,
        ttl,
        not_before: instant("--not-before", &args.not_before)?,
        payee_ids: args.payees.clone(),
        payee_caps: caps.collect::<Result<_, _>>()?,
        default_payee_cap_nanos: money
            .read_or_none("--default-payee-cap", args.default_payee_cap.as_deref())?,
        debit_min_nanos: money.read_or_none("--debit-min", args.debit_min.as_deref())?,
        debit_max_nanos: money.read_or_none("--debit-max", args.debit_max.as_deref())?,
        authority,
        reference: args.reference.clone(),
        parent_session_id: only("ses_"),
        mode: mode.into(),
        secret_hash: args.secret.given().map(|secret| secret.hash().to_vec()).unwrap_or_default(),
        parent_secret: args.parent_secret.bytes(),
        ..v1::OpenSessionRequest::default()
    })
}

pub(crate) fn payee_cap(text: &str, money: Money) -> Result<v1::PayeeCap, Failure> {
    const FIELD: &str = "--payee-cap";
    let parts = text.split_once('=');
    let (payee, amount) =
        parts.ok_or_else(|| Failure::usage(FIELD, text, "must be PAYEE=AMOUNT, such as pay_…=0.50"))?;
    let payee_id = ids::payee(payee).map_err(|rule| Failure::usage(FIELD, text, &rule))?;
    Ok(v1::PayeeCap { payee_id, cap_nanos: money.read(FIELD, amount)? })
}

fn hash(text: &str) -> Result<Vec<u8>, Failure> {
    let digit = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..64).step_by(2).map(digit).collect();
    bytes.filter(|_| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).ok_or_else(|| {
        Failure::usage("--evidence-hash", text, "must be 64 hexadecimal digits, which are 32 bytes")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYEE: &str = "pay_00000000000000000000000000";

    #[test]
    fn a_payees_cap_is_an_id_and_an_amount() {
        let cap = payee_cap(&format!("{PAYEE}=0.50"), Money::Decimal).unwrap();
        assert_eq!((cap.payee_id.as_str(), cap.cap_nanos), (PAYEE, 500_000_000));
        for (text, rule) in
            [(PAYEE, "PAYEE=AMOUNT"), ("acme=1", "begins with pay_"), (&format!("{PAYEE}=x"), "decimal")]
        {
            let said = payee_cap(text, Money::Decimal).unwrap_err().to_string();
            assert!(said.contains("--payee-cap") && said.contains(rule), "{said}");
        }
    }

    #[test]
    fn a_hash_is_32_bytes() {
        assert_eq!(hash(&"0f".repeat(32)).unwrap(), [15; 32]);
        for text in ["", "0f", &"0f".repeat(33), &"0g".repeat(32), &"+f".repeat(32)] {
            assert!(hash(text).is_err(), "{text}");
        }
    }
}
