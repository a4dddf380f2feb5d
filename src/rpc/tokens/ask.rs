//! Owns: what is asked of tokens, as core's commands. Never: asks anybody; a bound that core tests.

use crate::{command, decode, periods, status};
use tallystick_core::{
    Amount, EnvelopeId, PayeeId,
    command::{AmendToken, AskRenewal, IssueToken, OpenSession, RefreshToken},
    period::{Calendar, Day, Rolling, Rule},
    record::AuthorityFacts,
    session::{Prefix, SecretHash},
};
use tallystick_proto::v1::{self, calendar_periods, renewal};
use tonic::Status;

/// Takes what a token has in common with a session, for `issue` to read.
pub(crate) fn common(r: &v1::IssueTokenRequest) -> v1::OpenSessionRequest {
    v1::OpenSessionRequest {
        account_id: r.account_id.clone(),
        parent_token_id: r.parent_token_id.clone(),
        parent_secret: r.parent_secret.clone(),
        idempotency_key: r.idempotency_key.clone(),
        cap_nanos: r.cap_nanos,
        currency: r.currency.clone(),
        ttl: r.ttl,
        not_before: r.not_before,
        payee_ids: r.payee_ids.clone(),
        payee_caps: r.payee_caps.clone(),
        default_payee_cap_nanos: r.default_payee_cap_nanos,
        debit_min_nanos: r.debit_min_nanos,
        debit_max_nanos: r.debit_max_nanos,
        approval_above_nanos: r.approval_above_nanos,
        velocity: r.velocity.clone(),
        authority: r.authority.clone(),
        reference: r.reference.clone(),
        secret_hash: r.secret_hash.clone(),
        mode: if r.mode == 0 { v1::EnvelopeMode::Shared.into() } else { r.mode },
        ..v1::OpenSessionRequest::default()
    }
}

/// Reads what issues a token; `open` is what `common` took, as a session's opening.
pub(crate) fn issue<'a>(
    r: &'a v1::IssueTokenRequest,
    open: OpenSession<'a>,
) -> Result<IssueToken<'a>, Status> {
    let one_time = match v1::TokenUse::try_from(r.r#use) {
        Ok(v1::TokenUse::Unspecified | v1::TokenUse::Cumulative) => false,
        Ok(v1::TokenUse::OneTime) => true,
        Err(_) => return Err(status::malformed("use", "must be CUMULATIVE or ONE_TIME")),
    };
    Ok(IssueToken {
        open,
        one_time,
        prefix: prefix(&r.secret_prefix, !r.secret_hash.is_empty(), "secret_prefix")?,
        agreement: &r.agreement_reference,
        renewal: r.renewal.as_ref().map(ask_renewal).transpose()?,
    })
}

fn prefix(text: &str, has_hash: bool, field: &'static str) -> Result<Prefix, Status> {
    if !text.is_empty() && !has_hash {
        return Err(status::malformed(field, "must come with the hash of its secret"));
    }
    Prefix::of(text).ok_or_else(|| status::malformed(field, "must be at most 12 printable ASCII characters"))
}

fn ask_renewal(r: &v1::Renewal) -> Result<AskRenewal, Status> {
    let field = "renewal.refresh_secret_hash";
    let hash = decode::hash(&r.refresh_secret_hash, field).map_err(decode::refuse)?;
    let prefix = prefix(&r.refresh_secret_prefix, hash.is_some(), "renewal.refresh_secret_prefix")?;
    Ok(AskRenewal {
        rule: rule(r)?,
        total_cap: decode::amount(r.total_cap_nanos),
        rollover: r.rollover,
        refresh: hash.map(|hash| (SecretHash(hash), prefix)),
    })
}

fn rule(r: &v1::Renewal) -> Result<Rule, Status> {
    match &r.periods {
        None => Err(status::malformed("renewal.periods", "must be calendar or rolling")),
        Some(renewal::Periods::Rolling(rolling)) => Ok(Rule::Rolling(Rolling {
            every: decode::optional_span(rolling.every, "renewal.rolling.every")?,
            anchor: decode::time(rolling.anchor, "renewal.rolling.anchor")?,
        })),
        Some(renewal::Periods::Calendar(calendar)) => {
            let small = |number: u32| u8::try_from(number).unwrap_or(u8::MAX);
            let day = match calendar.day {
                Some(calendar_periods::Day::Daily(true)) => Day::Daily,
                Some(calendar_periods::Day::Weekday(day)) => Day::Weekly(small(day)),
                Some(calendar_periods::Day::DayOfMonth(day)) => Day::Monthly(small(day)),
                Some(calendar_periods::Day::Daily(false)) | None => {
                    let rule = "must be daily, a weekday or a day_of_month";
                    return Err(status::malformed("renewal.calendar.day", rule));
                }
            };
            let zone = periods::zone_name(&calendar.time_zone).ok_or_else(|| {
                let rule = "must be an IANA time zone such as Europe/Berlin";
                status::malformed("renewal.calendar.time_zone", rule)
            })?;
            let minute = u16::try_from(calendar.local_minute).unwrap_or(u16::MAX);
            Ok(Rule::Calendar(Calendar { day, minute, zone: zone.into() }))
        }
    }
}

/// Reads what changes a token.
pub(crate) fn amend(r: &v1::AmendTokenRequest) -> Result<AmendToken<'_>, Status> {
    let list = |ids: &[String], field| -> Result<Vec<PayeeId>, Status> {
        ids.iter().map(|id| decode::payee(id, field)).collect::<Result<_, _>>().map_err(decode::refuse)
    };
    let cap = |cap: &v1::PayeeCap| {
        let payee = decode::payee(&cap.payee_id, "payee_caps.payee_id").map_err(decode::refuse)?;
        Ok::<_, Status>((payee, Amount::from_nanos(cap.cap_nanos)))
    };
    let given = |nanos: Option<u64>| nanos.map(Amount::from_nanos);
    let token = decode::token(&r.token_id, "token_id").map_err(decode::refuse)?;
    Ok(AmendToken {
        cap: decode::amount(r.cap_nanos),
        ends_at: decode::time(r.ends_at, "ends_at")?,
        debit_min: given(r.debit_min_nanos),
        debit_max: given(r.debit_max_nanos),
        approval_above: given(r.approval_above_nanos),
        payee_caps: r.payee_caps.iter().map(cap).collect::<Result<_, _>>()?,
        default_payee_cap: given(r.default_payee_cap_nanos),
        remove: list(&r.remove_payee_ids, "remove_payee_ids")?,
        add: list(&r.add_payee_ids, "add_payee_ids")?,
        total_cap: decode::amount(r.total_cap_nanos),
        authority: authority(r)?,
        ..AmendToken::nothing(token, r.idempotency_key.as_bytes())
    })
}

fn authority(r: &v1::AmendTokenRequest) -> Result<Option<AuthorityFacts<'_>>, Status> {
    let Some(authority) = &r.authority else {
        return match r.agreement_reference.is_empty() {
            true => Ok(None),
            false => Err(status::malformed("agreement_reference", "must come with an authority")),
        };
    };
    let evidence = decode::hash(&authority.evidence_hash, "authority.evidence_hash");
    Ok(Some(AuthorityFacts {
        principal: &authority.principal,
        method: &authority.method,
        evidence_hash: evidence.map_err(decode::refuse)?,
        approved_at: decode::time(authority.approved_at, "authority.approved_at")?,
        agreement: &r.agreement_reference,
    }))
}

/// Reads what refreshes a standing mandate; its period is worked out later.
pub(crate) fn refresh(r: &v1::RefreshTokenRequest) -> Result<RefreshToken, Status> {
    let presented = command::proof(&r.refresh_secret, "refresh_secret")?;
    let presented = presented.ok_or_else(|| status::malformed("refresh_secret", "must be 1 to 255 bytes"))?;
    let hash = |bytes: &[u8], field| {
        decode::hash(bytes, field).map(|hash| hash.map(SecretHash)).map_err(decode::refuse)
    };
    Ok(RefreshToken {
        token: decode::token(&r.token_id, "token_id").map_err(decode::refuse)?,
        presented,
        refresh: hash(&r.new_refresh_secret_hash, "new_refresh_secret_hash")?,
        secret: hash(&r.new_secret_hash, "new_secret_hash")?,
        period: None,
    })
}

/// Reads the root of a tree.
pub(crate) fn root(text: &str) -> Result<EnvelopeId, Status> {
    let found = match text.get(..4) {
        Some("acc_") => decode::account(text, "root_id").map(EnvelopeId::Account),
        Some("tok_") => decode::token(text, "root_id").map(EnvelopeId::Session),
        Some("ses_") => decode::session(text, "root_id").map(EnvelopeId::Session),
        _ => Err(("root_id", "must begin with acc_, tok_ or ses_")),
    };
    found.map_err(decode::refuse)
}
