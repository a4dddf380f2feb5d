//! Owns: the story behind the fixtures of the third version: holds, limits in time, tokens and their periods, control words,
//! credentials. It goes on where the second ended.

use super::{account, keyed, nanos, opened, place, second};
use tallystick_core::{
    Amount, Cap, CredentialId, Currency, DeclineCode, DepositId, EnvelopeId, Level, PayeeId, Record,
    SessionId, Span, Time, Total,
    account::Funding,
    command::Act,
    control::{Control, ControlOf, Promises, State},
    deposit::DepositState,
    hash::KeyHash,
    id::Place,
    period::{Calendar, Day, Period, Rolling, Rule},
    record::*,
    role::{Role, Roles},
    session::{Bounds, Clauses, Each, Kept, Mode, Prefix, SecretHash},
    velocity::{Measure, VelocityLimit},
};

/// Tells how the second story goes on. Every kind of record that is new has its part, but for credentials, which live in
/// another partition.
pub fn story() -> Vec<Record<'static>> {
    let mut all = second::story();
    all.extend(given());
    all.extend(held(u64::try_from(all.len()).unwrap()));
    all.extend(tokens());
    all.extend(stopped());
    all
}

/// Returns what the first partition has beside: credentials.
pub fn credentials() -> Vec<Record<'static>> {
    let id = |slot| CredentialId::new(Place { partition: 0, slot, generation: 0 }, 0x00f6);
    let agents = CredentialMade {
        id: id(0),
        hash: [0x77; 32],
        prefix: "tsk_0123abcd",
        roles: Roles::of(&[Role::Authorize, Role::Settle]),
        is_development: false,
        payee: None,
        front_end: "Läden",
        name: "agent Ω",
        keyed: keyed(60),
    };
    let payees = CredentialMade {
        id: id(1),
        hash: [0x78; 32],
        roles: Roles::of(&[Role::Collect]),
        payee: Some(PayeeId::new(place(0), 0x00b2)),
        front_end: "",
        keyed: keyed(61),
        ..agents.clone()
    };
    let revoked = Record::CredentialRevoked(CredentialRevoked { id: id(0) });
    [agents, payees].map(Record::CredentialMade).into_iter().chain([revoked]).collect()
}

fn limits() -> Vec<VelocityLimit> {
    let rate = VelocityLimit::new(Measure::Count, 50, Span::from_ns(1_000_000_000)).with_burst(7);
    vec![rate, VelocityLimit::new(Measure::Amount, 900_000, Span::from_days(7)).for_each_payee()]
}

fn bounds(cap: u64) -> Bounds {
    Bounds { cap: nanos(cap), ..opened(4, false).bounds }
}

fn secret(byte: u8) -> SecretHash {
    SecretHash([byte; 32])
}

/// An account with limits in time, and a shared session of every clause on it.
fn given() -> Vec<Record<'static>> {
    let clauses = Clauses {
        velocity: limits(),
        secret: Some(secret(0x5e)),
        approval_above: Cap::of(nanos(500)),
        carry: false,
    };
    let session = SessionOpened {
        account: account(3),
        mode: Mode::Shared,
        bounds: bounds(10_000),
        clauses,
        ..opened(4, false)
    };
    vec![
        Record::AccountCreated(AccountCreated {
            id: account(3),
            currency: Currency::from_number(840),
            funding: Funding::Prepaid,
            limit: Amount::ZERO,
            external: None,
            method: MethodFacts::default(),
            reference: "",
            front_end: "Läden",
            velocity: limits(),
            keyed: keyed(26),
        }),
        Record::DepositMade(DepositMade {
            id: DepositId::new(place(4), 0x00e5),
            account: account(3),
            amount: nanos(50_000),
            state: DepositState::Available,
            total_after: Total::from_nanos(50_000),
            keyed: keyed(27),
        }),
        Record::SessionOpened(session),
    ]
}

fn asked(act: Act, amount: u64, key: u128) -> Debited<'static> {
    Debited {
        session: super::session(4),
        act,
        asked_until: Time::ZERO,
        late: false,
        payee: 0,
        amount: nanos(amount),
        currency: Currency::UNSTATED,
        partial: false,
        verdict: None,
        taken: nanos(amount),
        intent: StoredIntent::Key(KeyHash(key)),
        reference: "order 7",
        evidence: None,
    }
}

/// Holds of every course: one that stays open, captured in part; one captured to its end; one voided; one that lapses, and what is
/// captured of it too late. `before` is the seq of the last record before them.
fn held(before: u64) -> Vec<Record<'static>> {
    let until = Time::from_ns(1_800_000_000_000_500_000);
    let hold = |tolerance, until| Act::Hold { tolerance: nanos(tolerance), until };
    let open = asked(hold(10, bounds(0).ends_at), 200, 1);
    let short = Debited { asked_until: until, ..asked(hold(0, until), 40, 2) };
    let (first, second, third, fourth) = (before + 1, before + 2, before + 3, before + 4);
    let capture = |hold, last| Act::Capture { hold, last };
    let void = Debited { taken: nanos(61), ..asked(Act::Void { hold: third }, 0, 7) };
    let above = Debited {
        verdict: Some((DeclineCode::AboveHold, Level::Session)),
        taken: Amount::ZERO,
        ..asked(capture(first, false), 211, 6)
    };
    let lapsed = HoldLapsed { session: super::session(4), hold: fourth, released: nanos(40) };
    let late = Debited { late: true, ..asked(capture(fourth, true), 15, 8) };
    vec![
        Record::Debited(open),
        Record::Debited(asked(hold(0, bounds(0).ends_at), 30, 3)),
        Record::Debited(asked(hold(1, bounds(0).ends_at), 60, 4)),
        Record::Debited(short),
        Record::Debited(asked(capture(first, false), 120, 5)),
        Record::Debited(above),
        Record::Debited(asked(capture(second, true), 25, 9)),
        Record::Debited(void),
        Record::HoldLapsed(lapsed),
        Record::Debited(late),
    ]
}

fn token(slot: u32) -> SessionId {
    SessionId::new_token(place(slot), 0x00c3)
}

fn kept(byte: u8, derived: bool) -> Kept {
    Kept { hash: secret(byte), prefix: Prefix::of("tkr_abc1").unwrap(), derived }
}

/// A token for one use; two standing mandates, one of which begins two periods, with a session that is carried from one into the
/// other; an amendment; and a refresh secret that came too early, and one that came twice.
fn tokens() -> Vec<Record<'static>> {
    let part = TokenPart {
        one_time: true,
        prefix: Prefix::of("tkn_9").unwrap(),
        derived: true,
        agreement: "Vertrag 12",
        renewal: None,
    };
    let clauses = |byte| Clauses { secret: Some(secret(byte)), ..Clauses::default() };
    let issued = |slot: u32, clauses, token_part| {
        Record::SessionOpened(SessionOpened {
            id: token(slot),
            account: account(3),
            mode: Mode::Shared,
            bounds: bounds(9_000),
            clauses,
            token: Some(token_part),
            ..opened(slot, true)
        })
    };
    let each =
        Each { cap: nanos(2_500), default_payee_cap: Cap::NONE, payees: vec![(0, Cap::of(nanos(900)))] };
    let standing = |rule| TokenPart {
        one_time: false,
        renewal: Some(RenewalFacts { rule, each: each.clone(), rollover: true, refresh: kept(1, true) }),
        ..part.clone()
    };
    let monday = Rule::Calendar(Calendar { day: Day::Weekly(1), minute: 0, zone: "Europe/Berlin".into() });
    let anchor = Time::from_ns(1_800_000_000_000_000_000);
    let rolling = Rule::Rolling(Rolling { every: Span::from_hours(24), anchor });
    let begun = |slot: u32, generation: u32, period, closed, carried| {
        Record::PeriodBegun(PeriodBegun {
            standing: token(6),
            id: token(slot),
            period,
            bounds: bounds(2_500),
            approval_above: Cap::NONE,
            payees: each.payees.clone(),
            secret: kept(0x20 + slot.to_le_bytes()[0], true),
            refresh: kept(generation.to_le_bytes()[0] + 1, generation == 1),
            generation,
            closed,
            carried,
        })
    };
    let at = |micros: u64| Time::from_ns(1_800_000_000_000_000_000 + micros * 1_000);
    let carried = SessionOpened {
        account: account(3),
        parent: Some(token(8)),
        bounds: bounds(700),
        clauses: Clauses { carry: true, ..Clauses::default() },
        ..opened(9, false)
    };
    let bounds = Bounds { debit_max: Cap::of(nanos(99)), ..bounds(8_000) };
    let own = Amended {
        bounds,
        approval_above: Cap::of(nanos(50)),
        payees: vec![(0, Cap::of(nanos(80)))],
        barred: vec![3],
        narrowed: true,
    };
    let authority = AuthorityFacts {
        principal: "cfo@example.com",
        method: "passkey",
        evidence_hash: Some([0xa7; 32]),
        approved_at: at(0),
        agreement: "Vertrag 13",
    };
    vec![
        issued(5, clauses(0x51), part.clone()),
        issued(6, Clauses { velocity: limits(), ..Clauses::default() }, standing(monday)),
        issued(7, Clauses::default(), standing(rolling)),
        begun(8, 1, Period { begins_at: at(0), ends_at: at(60) }, None, Vec::new()),
        Record::SessionOpened(carried),
        begun(10, 2, Period { begins_at: at(60), ends_at: at(600) }, Some(token(8)), vec![super::session(9)]),
        Record::TokenAmended(TokenAmended {
            token: token(5),
            own,
            each: None,
            current: None,
            authority: Some(authority),
            keyed: keyed(28),
        }),
        Record::RefreshSeen(RefreshSeen { standing: token(6) }),
        Record::FamilyRevoked(FamilyRevoked { standing: token(7) }),
    ]
}

/// A control word of each kind, on each kind of thing.
fn stopped() -> Vec<Record<'static>> {
    let set = |on, state, epoch| {
        let at = Time::from_ns(1_800_000_000_000_000_000);
        Record::ControlSet(ControlSet {
            on,
            control: Control { state, epoch, by: 3, at, note: "Prüfung".into() },
        })
    };
    let on_session = ControlOf::Envelope(EnvelopeId::Session(super::session(4)));
    vec![
        set(on_session, State::Paused, 1),
        set(on_session, State::Open, 2),
        set(ControlOf::Envelope(EnvelopeId::Session(token(5))), State::Revoked(Promises::Honour), 1),
        set(ControlOf::Envelope(EnvelopeId::Account(account(3))), State::Paused, 1),
        set(ControlOf::FrontEnd("Läden"), State::Revoked(Promises::Void), 4),
    ]
}
