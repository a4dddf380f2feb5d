//! Owns: the layout of what happens to tokens. A token's issue is a session's opening, with a token's part behind it.
//! Never: a secret; the hashes of some are here.

use super::{
    piece::{amount, cap, id, keyed, put_keyed, time, yes_or_no},
    session::{bounds, put_bounds},
};
use crate::wire::{Damage, Put as _, Take};
use tallystick_core::{
    Cap, SessionId, Span,
    period::{Calendar, Day, Period, Rolling, Rule},
    record::{
        Amended, AuthorityFacts, FamilyRevoked, PeriodBegun, RefreshSeen, RenewalFacts, TokenAmended,
        TokenPart,
    },
    session::{Each, Kept, Prefix, SecretHash},
};

pub(super) fn put_part(part: &TokenPart<'_>, out: &mut Vec<u8>) {
    out.put_u8(u8::from(part.one_time));
    out.put_text(part.prefix.as_str());
    out.put_u8(u8::from(part.derived));
    out.put_text(part.agreement);
    out.put_u8(u8::from(part.renewal.is_some()));
    if let Some(renewal) = &part.renewal {
        put_rule(&renewal.rule, out);
        put_each(&renewal.each, out);
        out.put_u8(u8::from(renewal.rollover));
        put_kept(&renewal.refresh, out);
    }
}

pub(super) fn take_part<'a>(take: &mut Take<'a>) -> Result<TokenPart<'a>, Damage> {
    Ok(TokenPart {
        one_time: yes_or_no(take, "one time")?,
        prefix: prefix(take)?,
        derived: yes_or_no(take, "derived")?,
        agreement: take.text("agreement")?,
        renewal: match yes_or_no(take, "renewal")? {
            false => None,
            true => Some(RenewalFacts {
                rule: rule(take)?,
                each: each(take)?,
                rollover: yes_or_no(take, "rollover")?,
                refresh: kept(take)?,
            }),
        },
    })
}

fn prefix(take: &mut Take<'_>) -> Result<Prefix, Damage> {
    let text = take.text("prefix")?;
    Prefix::of(text).ok_or(take.damage("prefix"))
}

fn put_rule(rule: &Rule, out: &mut Vec<u8>) {
    match rule {
        Rule::Calendar(calendar) => {
            let (kind, day) = match calendar.day {
                Day::Daily => (1, 0),
                Day::Weekly(day) => (2, day),
                Day::Monthly(day) => (3, day),
            };
            out.put(&[kind, day]);
            out.put_small(calendar.minute.into());
            out.put_text(&calendar.zone);
        }
        Rule::Rolling(rolling) => {
            out.put_u8(4);
            out.put_u64(rolling.every.ns());
            out.put_u64(rolling.anchor.ns());
        }
    }
}

fn rule(take: &mut Take<'_>) -> Result<Rule, Damage> {
    let kind = take.u8("periods")?;
    if kind == 4 {
        let every = Span::from_ns(take.u64("every")?);
        return Ok(Rule::Rolling(Rolling { every, anchor: time(take)? }));
    }
    let day = match (kind, take.u8("day")?) {
        (1, 0) => Day::Daily,
        (2, day) => Day::Weekly(day),
        (3, day) => Day::Monthly(day),
        _ => return Err(take.damage("periods")),
    };
    let (minute, zone) = (take.narrow("minute")?, take.text("zone")?.into());
    let rule = Rule::Calendar(Calendar { day, minute, zone });
    if rule.check().is_ok() { Ok(rule) } else { Err(take.damage("periods")) }
}

fn put_payees(payees: &[(u32, Cap)], out: &mut Vec<u8>) {
    out.put_small(payees.len() as u64);
    for (slot, cap) in payees {
        out.put_small((*slot).into());
        out.put_small(cap.nanos_or_zero());
    }
}

fn payees(take: &mut Take<'_>) -> Result<Vec<(u32, Cap)>, Damage> {
    let count = take.count(2, "payees")?;
    (0..count).map(|_| Ok((take.narrow("slot")?, cap(take)?))).collect()
}

fn put_each(each: &Each, out: &mut Vec<u8>) {
    out.put_small(each.cap.nanos());
    out.put_small(each.default_payee_cap.nanos_or_zero());
    put_payees(&each.payees, out);
}

fn each(take: &mut Take<'_>) -> Result<Each, Damage> {
    Ok(Each { cap: amount(take)?, default_payee_cap: cap(take)?, payees: payees(take)? })
}

fn put_kept(kept: &Kept, out: &mut Vec<u8>) {
    out.put(&kept.hash.0);
    out.put_text(kept.prefix.as_str());
    out.put_u8(u8::from(kept.derived));
}

fn kept(take: &mut Take<'_>) -> Result<Kept, Damage> {
    let hash = SecretHash(take.array("secret")?);
    Ok(Kept { hash, prefix: prefix(take)?, derived: yes_or_no(take, "derived")? })
}

fn put_changed(amended: &Amended, out: &mut Vec<u8>) {
    put_bounds(&amended.bounds, out);
    out.put_small(amended.approval_above.nanos_or_zero());
    put_payees(&amended.payees, out);
    out.put_small(amended.barred.len() as u64);
    amended.barred.iter().for_each(|slot| out.put_small((*slot).into()));
    out.put_u8(u8::from(amended.narrowed));
}

fn changed(take: &mut Take<'_>) -> Result<Amended, Damage> {
    let (bounds, approval_above, payees) = (bounds(take)?, cap(take)?, payees(take)?);
    let count = take.count(1, "payees off the list")?;
    let barred = (0..count).map(|_| take.narrow("slot")).collect::<Result<_, _>>()?;
    Ok(Amended { bounds, approval_above, payees, barred, narrowed: yes_or_no(take, "narrowed")? })
}

pub(super) fn put_amended(r: &TokenAmended<'_>, out: &mut Vec<u8>) {
    out.put_u128(r.token.bits());
    put_changed(&r.own, out);
    out.put_u8(u8::from(r.each.is_some()));
    r.each.iter().for_each(|each| put_each(each, out));
    out.put_u8(u8::from(r.current.is_some()));
    if let Some((id, amended)) = &r.current {
        out.put_u128(id.bits());
        put_changed(amended, out);
    }
    out.put_u8(u8::from(r.authority.is_some()));
    if let Some(authority) = &r.authority {
        out.put_text(authority.principal);
        out.put_text(authority.method);
        out.put_hash(authority.evidence_hash.as_ref());
        out.put_u64(authority.approved_at.ns());
        out.put_text(authority.agreement);
    }
    put_keyed(&r.keyed, out);
}

pub(super) fn take_amended<'a>(take: &mut Take<'a>) -> Result<TokenAmended<'a>, Damage> {
    let (token, own) = (id(take, SessionId::from_bits)?, changed(take)?);
    let each = if yes_or_no(take, "each period")? { Some(each(take)?) } else { None };
    let current = match yes_or_no(take, "this period")? {
        true => Some((id(take, SessionId::from_bits)?, changed(take)?)),
        false => None,
    };
    let authority = match yes_or_no(take, "authority")? {
        false => None,
        true => Some(AuthorityFacts {
            principal: take.text("principal")?,
            method: take.text("method")?,
            evidence_hash: take.hash("evidence")?,
            approved_at: time(take)?,
            agreement: take.text("agreement")?,
        }),
    };
    Ok(TokenAmended { token, own, each, current, authority, keyed: keyed(take)? })
}

pub(super) fn put_begun(r: &PeriodBegun, out: &mut Vec<u8>) {
    out.put_u128(r.standing.bits());
    out.put_u128(r.id.bits());
    out.put_u64(r.period.begins_at.ns());
    out.put_u64(r.period.ends_at.ns());
    put_bounds(&r.bounds, out);
    out.put_small(r.approval_above.nanos_or_zero());
    put_payees(&r.payees, out);
    put_kept(&r.secret, out);
    put_kept(&r.refresh, out);
    out.put_small(r.generation.into());
    out.put_u8(u8::from(r.closed.is_some()));
    r.closed.iter().for_each(|id| out.put_u128(id.bits()));
    out.put_small(r.carried.len() as u64);
    r.carried.iter().for_each(|id| out.put_u128(id.bits()));
}

pub(super) fn take_begun(take: &mut Take<'_>) -> Result<PeriodBegun, Damage> {
    let (standing, token) = (id(take, SessionId::from_bits)?, id(take, SessionId::from_bits)?);
    let period = Period { begins_at: time(take)?, ends_at: time(take)? };
    let (bounds, approval_above, payees) = (bounds(take)?, cap(take)?, payees(take)?);
    let (secret, refresh, generation) = (kept(take)?, kept(take)?, take.narrow("generation")?);
    let closed = if yes_or_no(take, "closed")? { Some(id(take, SessionId::from_bits)?) } else { None };
    let count = take.count(16, "carried")?;
    let carried = (0..count).map(|_| id(take, SessionId::from_bits)).collect::<Result<_, _>>()?;
    Ok(PeriodBegun {
        standing,
        id: token,
        period,
        bounds,
        approval_above,
        payees,
        secret,
        refresh,
        generation,
        closed,
        carried,
    })
}

pub(super) fn take_revoked(take: &mut Take<'_>) -> Result<FamilyRevoked, Damage> {
    Ok(FamilyRevoked { standing: id(take, SessionId::from_bits)? })
}

pub(super) fn take_seen(take: &mut Take<'_>) -> Result<RefreshSeen, Damage> {
    Ok(RefreshSeen { standing: id(take, SessionId::from_bits)? })
}
