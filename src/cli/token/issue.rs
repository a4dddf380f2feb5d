//! Owns: `tallystick token issue`: a token's mandate as flags. Never: what it may be; the server says that.

use super::said_once;
use crate::{
    Failure,
    desk::{Desk, Said},
    ids,
    key::KeyArg,
    moment,
    money::Money,
    session::open::{currency_of, payee_cap},
    show::{self, Declined, Shown},
    velocity,
};
use clap::{Args, ValueEnum};
use tallystick_client::v1::{self, EnvelopeMode, Outcome, calendar_periods, renewal};

/// Is how long a token on an account lasts when nobody says.
const TTL: &str = "365d";

/// Says on which days a standing mandate's periods begin.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Each {
    Day,
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
    /// The first of the month.
    Month,
}

/// Takes what a token is issued with.
#[derive(Debug, Args)]
pub(crate) struct IssueArgs {
    /// What it stands under: an account, acc_…, or another token, tok_…
    #[arg(value_parser = ids::above_token)]
    under: String,
    /// The most that can be spent, such as 100.00; of each period for a standing mandate.
    cap: String,
    /// How long it lasts, such as 30d; a year under an account, as long as its parent under a token.
    #[arg(long, value_name = "SPAN")]
    ttl: Option<String>,
    /// Set the cap aside, instead of only counting up to it.
    #[arg(long)]
    reserved: bool,
    /// For one debit, one hold or one session.
    #[arg(long)]
    one_time: bool,
    /// A standing mandate whose periods begin on these days.
    #[arg(long, value_enum, requires = "zone", conflicts_with = "every")]
    each: Option<Each>,
    /// Begin periods on this day of the month, instead of the first.
    #[arg(long, value_name = "DAY", requires = "each")]
    day: Option<u32>,
    /// The time of day at which periods begin.
    #[arg(long, value_name = "HH:MM", default_value = "00:00")]
    at: String,
    /// The time zone of that time, such as Europe/Berlin.
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    /// A standing mandate whose periods are of this length, such as 24h or 7d, from its issue on.
    #[arg(long, value_name = "SPAN")]
    every: Option<String>,
    /// Count the periods of --every from this instant.
    #[arg(long, value_name = "INSTANT", requires = "every")]
    anchor: Option<String>,
    /// What all periods together may spend.
    #[arg(long, value_name = "AMOUNT")]
    total: Option<String>,
    /// Add what is left of a period to the next, at most as much again.
    #[arg(long)]
    rollover: bool,
    /// Your own name for it.
    #[arg(long, default_value = "")]
    reference: String,
    /// No debit before this instant.
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
    #[command(flatten)]
    authority: AuthorityArgs,
    /// The SHA-256 of its secret, 64 hexadecimal digits, of a standing mandate's refresh secret; the server derives one when absent.
    #[arg(long, value_name = "HEX")]
    secret_hash: Option<String>,
    /// The first characters of that secret, for support.
    #[arg(long, value_name = "TEXT", default_value = "", requires = "secret_hash")]
    secret_prefix: String,
    /// The secret of the token that it stands under.
    #[arg(long, value_name = "SECRET", env = "TALLYSTICK_SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// The currency, which must be that of what it stands under; asked of the server when absent.
    #[arg(long)]
    currency: Option<String>,
    #[command(flatten)]
    key: KeyArg,
}

/// Takes the authority behind a token or its amendment.
#[derive(Debug, Args)]
pub(crate) struct AuthorityArgs {
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
    /// The agreement's reference.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) agreement: String,
}

impl AuthorityArgs {
    pub(crate) fn read(&self) -> Result<Option<v1::Authority>, Failure> {
        let Some(principal) = &self.principal else { return Ok(None) };
        let evidence = self.evidence_hash.as_deref().map(|text| hash("--evidence-hash", text)).transpose()?;
        let approved_at = self.approved_at.as_deref().map(|text| moment::read_instant("--approved-at", text));
        Ok(Some(v1::Authority {
            principal: principal.clone(),
            method: self.method.clone().unwrap_or_default(),
            evidence_hash: evidence.unwrap_or_default(),
            approved_at: approved_at.transpose()?,
        }))
    }
}

pub(crate) async fn run(args: IssueArgs, desk: &Desk) -> Result<Said, Failure> {
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
    let answer = desk.keyed("issue the token", &key, desk.client.issue_token(request)).await?;
    let shown = match &answer.token {
        Some(token) => show::show_token(token, desk.money),
        None => Shown::new().fact("token", answer.token_id.as_str()).fact("under", under.as_str()),
    };
    let secret = answer.secret.as_ref().map(|secret| secret.secret.clone()).unwrap_or_default();
    let is_standing = answer.token.as_ref().is_some_and(|token| token.standing.is_some());
    let name = if is_standing { "refresh secret" } else { "secret" };
    let field = if is_standing { "refresh_secret" } else { "secret" };
    let shown = shown.fact(name, said_once(answer.secret.as_ref()));
    let shown = shown.fields(|fields| fields.put("key", key).put("outcome", "APPROVED").text(field, &secret));
    let shown = shown.record(answer.seq, answer.replayed, answer.durability());
    if answer.outcome() == Outcome::Declined {
        let next = answer.next.as_ref();
        let declined = Declined { code: answer.code(), level: answer.level(), next, session: None };
        return Ok(declined.said(&format!("a token of {cap}"), shown, desk.money));
    }
    Ok(Said::done(shown.text(), shown.json()))
}

fn request(args: &IssueArgs, money: Money) -> Result<v1::IssueTokenRequest, Failure> {
    let is_child = args.under.starts_with("tok_");
    let (account_id, parent_token_id) =
        if is_child { (String::new(), args.under.clone()) } else { (args.under.clone(), String::new()) };
    let ttl = args.ttl.as_deref().or((!is_child).then_some(TTL));
    let ttl = ttl.map(|ttl| moment::read_span("--ttl", ttl)).transpose()?.map(moment::to_wire);
    let not_before = args.not_before.as_deref().map(|text| moment::read_instant("--not-before", text));
    let caps = args.payee_caps.iter().map(|text| payee_cap(text, money));
    let hash = args.secret_hash.as_deref().map(|text| hash("--secret-hash", text)).transpose()?;
    let (hash, renewal) = (hash.unwrap_or_default(), renewal(args, money)?);
    let is_standing = renewal.is_some();
    let renewal = renewal.map(|renewal| v1::Renewal {
        refresh_secret_hash: hash.clone(),
        refresh_secret_prefix: args.secret_prefix.clone(),
        ..renewal
    });
    let mode = if args.reserved { EnvelopeMode::Reserved } else { EnvelopeMode::Shared };
    let use_ = if args.one_time { v1::TokenUse::OneTime } else { v1::TokenUse::Cumulative };
    Ok(v1::IssueTokenRequest {
        account_id,
        parent_token_id,
        parent_secret: args.secret.clone().unwrap_or_default().into_bytes(),
        cap_nanos: money.read("CAP", &args.cap)?,
        mode: mode.into(),
        r#use: use_.into(),
        ttl,
        not_before: not_before.transpose()?,
        payee_ids: args.payees.clone(),
        payee_caps: caps.collect::<Result<_, _>>()?,
        default_payee_cap_nanos: money
            .read_or_none("--default-payee-cap", args.default_payee_cap.as_deref())?,
        debit_min_nanos: money.read_or_none("--debit-min", args.debit_min.as_deref())?,
        debit_max_nanos: money.read_or_none("--debit-max", args.debit_max.as_deref())?,
        approval_above_nanos: money.read_or_none("--approval-above", args.approval_above.as_deref())?,
        authority: args.authority.read()?,
        agreement_reference: args.authority.agreement.clone(),
        reference: args.reference.clone(),
        renewal,
        secret_hash: if is_standing { Vec::new() } else { hash },
        secret_prefix: if is_standing { String::new() } else { args.secret_prefix.clone() },
        ..v1::IssueTokenRequest::default()
    })
}

fn renewal(args: &IssueArgs, money: Money) -> Result<Option<v1::Renewal>, Failure> {
    let periods = match (&args.each, &args.every) {
        (None, None) => return Ok(None),
        (Some(each), _) => renewal::Periods::Calendar(calendar(*each, args)?),
        (None, Some(every)) => {
            let anchor = args.anchor.as_deref().map(|text| moment::read_instant("--anchor", text));
            let every = moment::to_wire(moment::read_span("--every", every)?);
            renewal::Periods::Rolling(v1::RollingPeriods { every: Some(every), anchor: anchor.transpose()? })
        }
    };
    Ok(Some(v1::Renewal {
        periods: Some(periods),
        total_cap_nanos: money.read_or_none("--total", args.total.as_deref())?,
        rollover: args.rollover,
        ..v1::Renewal::default()
    }))
}

fn calendar(each: Each, args: &IssueArgs) -> Result<v1::CalendarPeriods, Failure> {
    let day = match (each, args.day) {
        (Each::Day, _) => calendar_periods::Day::Daily(true),
        (Each::Month, day) => calendar_periods::Day::DayOfMonth(day.unwrap_or(1)),
        (Each::Mon, _) => calendar_periods::Day::Weekday(1),
        (Each::Tue, _) => calendar_periods::Day::Weekday(2),
        (Each::Wed, _) => calendar_periods::Day::Weekday(3),
        (Each::Thu, _) => calendar_periods::Day::Weekday(4),
        (Each::Fri, _) => calendar_periods::Day::Weekday(5),
        (Each::Sat, _) => calendar_periods::Day::Weekday(6),
        (Each::Sun, _) => calendar_periods::Day::Weekday(7),
    };
    let time_zone = args.zone.clone().unwrap_or_default();
    Ok(v1::CalendarPeriods { day: Some(day), local_minute: minute(&args.at)?, time_zone })
}

/// Reads a time of day. *Errors*: names the field and the rule.
fn minute(text: &str) -> Result<u32, Failure> {
    let read = || {
        let (hours, minutes) = text.split_once(':')?;
        let number = |text: &str, most: u32| {
            let number = text.parse::<u32>().ok().filter(|number| *number <= most);
            number.filter(|_| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit()))
        };
        Some(60 * number(hours, 23)? + number(minutes, 59)?)
    };
    read().ok_or_else(|| Failure::usage("--at", text, "must be a time of day, 00:00 to 23:59"))
}

/// Reads a hash. *Errors*: names the field and the rule.
pub(super) fn hash(field: &str, text: &str) -> Result<Vec<u8>, Failure> {
    let digit = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..64).step_by(2).map(digit).collect();
    bytes
        .filter(|_| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .ok_or_else(|| Failure::usage(field, text, "must be 64 hexadecimal digits, which are 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_hours_and_minutes() {
        assert_eq!(minute("00:00").unwrap(), 0);
        assert_eq!(minute("23:59").unwrap(), 1_439);
        for text in ["", "24:00", "9:00", "09:60", "+9:00", "0900"] {
            assert!(minute(text).is_err(), "{text}");
        }
    }
}
