//! Owns: records to be written and read, in every form that their layouts have. Never: a test.

use tallystick_core::{
    AccountId, Amount, Cap, CredentialId, Currency, Decline, DeclineCode, DepositId, EnvelopeId, Level, Next,
    PayeeId, Record, SessionId, Span, Time, Total, WriterId,
    account::Funding,
    command::{Act, Scope},
    control::{Control, ControlOf, Promises, State},
    deposit::DepositState,
    hash::{FieldHash, KeyHash, Seed},
    id::Place,
    payee::PayeeStatus,
    period::{Calendar, Day, Period, Rolling, Rule},
    record::*,
    role::{Role, Roles},
    session::{Bounds, Clauses, Each, Kept, Mode, Prefix, SecretHash},
    settlement::{Line, Outgoing, Reason},
    velocity::{Measure, VelocityLimit},
    writer::Numbered,
};

pub(super) fn place() -> Place {
    Place { partition: 200, slot: 77, generation: 3 }
}

pub(super) fn session() -> SessionId {
    SessionId::new(place(), 0xabc)
}

pub(super) fn keyed() -> Keyed {
    Keyed { key: KeyHash(9 << 90), content: vec![FieldHash(1), FieldHash(0)] }
}

pub(super) fn line() -> Line {
    Line { payee: PayeeId::new(place(), 5), amount: Amount::from_nanos(600), debit_count: 2 }
}

pub(super) fn nanos(nanos: u64) -> Amount {
    Amount::from_nanos(nanos)
}

pub(super) fn account() -> AccountId {
    AccountId::new(place(), 8)
}

pub(super) fn debit(reference: &str, number: u64, amount: u64, declined: bool) -> Debited<'_> {
    Debited {
        act: Act::Debit,
        asked_until: Time::ZERO,
        late: false,
        session: session(),
        payee: 4,
        amount: nanos(amount),
        currency: Currency::from_number(840),
        partial: false,
        verdict: declined.then_some((DeclineCode::PayeeCap, Level::Payee)),
        taken: nanos(if declined { 0 } else { amount }),
        intent: StoredIntent::Number(Numbered {
            writer: WriterId::new(place(), 1),
            epoch: 2,
            number,
            acked_through: number / 2,
        }),
        reference,
        evidence: declined.then_some([3; 32]),
    }
}

pub(super) fn bounds() -> Bounds {
    Bounds {
        cap: nanos(5_000_000_000),
        not_before: Time::from_ns(7),
        ends_at: Time::from_ns(1_700_000_000_000_000_000),
        default_payee_cap: Cap::NONE,
        debit_min: nanos(1),
        debit_max: Cap::of(nanos(1_000)),
        payees_restricted: true,
    }
}

pub(super) fn opened(parent: Option<SessionId>, mode: Mode) -> SessionOpened<'static> {
    SessionOpened {
        clauses: Clauses {
            velocity: if mode == Mode::Shared { limits() } else { Vec::new() },
            ..Clauses::default()
        },
        token: None,
        id: session(),
        account: account(),
        parent,
        mode,
        bounds: bounds(),
        payees: vec![(3, Cap::NONE), (300, Cap::of(nanos(9)))],
        principal: "cfo",
        method: "passkey",
        evidence_hash: Some([1; 32]),
        approved_at: Time::from_ns(1),
        reference: "run 7",
        keyed: keyed(),
    }
}

pub(super) fn decline(next: Next) -> Decline {
    Decline { code: DeclineCode::Cap, level: Level::Account, next }
}

/// Returns one limit in time of each pace and measure.
pub(super) fn limits() -> Vec<VelocityLimit> {
    let rate = VelocityLimit::new(Measure::Count, 50, Span::from_ns(1_000_000_000)).with_burst(7);
    let window = VelocityLimit::new(Measure::Amount, Amount::MAX.nanos(), Span::from_days(400));
    vec![rate, window.for_each_payee()]
}

/// Returns an account with all that its funding brings.
pub(super) fn created(funding: Funding) -> AccountCreated<'static> {
    let authority = ExternalFacts {
        reference: "mandate 1Ω",
        usable_until: Time::from_ns(1_800_000_000_000_000_000),
        margin: Span::from_hours(1),
    };
    let none = MethodFacts::default();
    let card = MethodFacts { kind: "card", brand: "Girocard", last_four: "0042", funding_type: "debit" };
    let (limit, external, method) = match funding {
        Funding::Prepaid => (Amount::ZERO, None, none),
        Funding::CreditLine => (Amount::MAX, None, MethodFacts { kind: "bank_account", ..none }),
        Funding::ExternalAuthority => (nanos(1), Some(authority), card),
    };
    let (id, currency, reference) = (account(), Currency::from_number(978), "kasse");
    let front_end = if funding == Funding::Prepaid { "" } else { "shop-7" };
    let velocity = if funding == Funding::Prepaid { Vec::new() } else { limits() };
    let keyed = keyed();
    AccountCreated { id, currency, funding, limit, external, method, reference, front_end, velocity, keyed }
}

fn credentials() -> Vec<Record<'static>> {
    let id = CredentialId::new(Place { partition: 0, ..place() }, 12);
    let made = CredentialMade {
        id,
        hash: [7; 32],
        prefix: "tsk_0123abcd",
        roles: Roles::of(&[Role::Authorize, Role::Settle]),
        is_development: false,
        payee: None,
        front_end: "shop-7",
        name: "agent Ω",
        keyed: keyed(),
    };
    let payees = CredentialMade {
        roles: Roles::of(&[Role::Collect]),
        payee: Some(PayeeId::new(place(), 9)),
        front_end: "",
        ..made.clone()
    };
    let first = CredentialMade { roles: Roles::ALL, is_development: true, ..made.clone() };
    let revoked = Record::CredentialRevoked(CredentialRevoked { id });
    [made, payees, first].map(Record::CredentialMade).into_iter().chain([revoked]).collect()
}

fn accounts() -> Vec<Record<'static>> {
    let fundings = [Funding::Prepaid, Funding::CreditLine, Funding::ExternalAuthority];
    fundings.map(|funding| Record::AccountCreated(created(funding))).into()
}

/// Holds what happens to an account's money.
fn movements() -> Vec<Record<'static>> {
    let (account, amount, keyed) = (account(), Amount::MAX, keyed());
    let id = DepositId::new(place(), 12);
    let deposited_after = Total::MAX;
    vec![
        Record::Deposited(Deposited { account, amount, deposited_after, keyed: keyed.clone() }),
        Record::DepositMoved(DepositMoved { id, to: DepositState::Available, deposited_after }),
        Record::DepositMoved(DepositMoved { id, to: DepositState::Failed, deposited_after: Total::ZERO }),
        Record::Withdrawn(Withdrawn { account, amount, withdrawn_after: Total::MAX, keyed: keyed.clone() }),
        Record::Repaid(Repaid { account, amount, repaid_after: Total::MAX, keyed: keyed.clone() }),
        Record::DepositMade(DepositMade {
            id,
            account,
            amount,
            state: DepositState::Pending,
            total_after: Total::MAX,
            keyed: keyed.clone(),
        }),
        Record::CreditLimitSet(CreditLimitSet { account, limit: amount, keyed }),
    ]
}

fn payees() -> Vec<Record<'static>> {
    let id = PayeeId::new(place(), 5);
    vec![
        Record::PayeeCreated(PayeeCreated {
            id, status: PayeeStatus::Active, name: "Émile", keyed: keyed()
        }),
        Record::PayeeStatusSet(PayeeStatusSet { id, status: PayeeStatus::Blocked, version: 2 }),
        Record::PayeeShared(PayeeShared { id, with: 255 }),
        Record::PayeeNoticed(PayeeNoticed { id, slot: 300, status: PayeeStatus::Active, version: 1 }),
    ]
}

fn sessions() -> Vec<Record<'static>> {
    let parent = SessionId::new(Place { slot: 76, ..place() }, 0xabd);
    let on_session = EnvelopeId::Session(session());
    vec![
        Record::SessionOpened(opened(None, Mode::Reserved)),
        Record::SessionOpened(opened(Some(parent), Mode::Shared)),
        Record::OpenDeclined(OpenDeclined {
            account: account(),
            decline: decline(Next::SmallerAmount(nanos(17))),
            keyed: keyed(),
        }),
        Record::CommandDeclined(CommandDeclined {
            command: Scope::Withdraw,
            on: EnvelopeId::Account(account()),
            decline: decline(Next::TopUp(nanos(18))),
            keyed: keyed(),
        }),
        Record::CommandDeclined(CommandDeclined {
            command: Scope::TopUp,
            on: on_session,
            decline: decline(Next::WaitUntil(Time::from_ns(19))),
            keyed: keyed(),
        }),
        Record::ToppedUp(ToppedUp {
            session: session(),
            add: nanos(1_000),
            ends_at: Time::from_ns(1_700_000_000_000_000_001),
            keyed: keyed(),
        }),
        Record::SessionClosing(SessionClosing { session: session() }),
    ]
}

/// Holds what happens to tokens.
fn tokens() -> Vec<Record<'static>> {
    let token = |slot| SessionId::new_token(Place { slot, ..place() }, 0xabe);
    let kept = Kept { hash: SecretHash([9; 32]), prefix: Prefix::of("tkr_abc123").unwrap(), derived: true };
    let each = Each {
        cap: nanos(25),
        default_payee_cap: Cap::of(nanos(5)),
        payees: vec![(3, Cap::NONE), (4, Cap::of(nanos(2)))],
    };
    let part = TokenPart {
        one_time: false,
        prefix: Prefix::default(),
        derived: false,
        agreement: "agreement 12",
        renewal: None,
    };
    let calendar = |day| Rule::Calendar(Calendar { day, minute: 150, zone: "Europe/Berlin".into() });
    let rolling = Rule::Rolling(Rolling { every: Span::from_hours(24), anchor: Time::from_ns(5) });
    let rules = [calendar(Day::Daily), calendar(Day::Weekly(1)), calendar(Day::Monthly(31)), rolling];
    let standing = |rule| {
        let renewal = RenewalFacts { rule, each: each.clone(), rollover: true, refresh: kept };
        let token = Some(TokenPart { renewal: Some(renewal), ..part.clone() });
        Record::SessionOpened(SessionOpened { id: self::token(), token, ..opened(None, Mode::Shared) })
    };
    let clauses = Clauses { secret: Some(SecretHash([8; 32])), ..Clauses::default() };
    let single = SessionOpened {
        id: token(5),
        clauses,
        token: Some(TokenPart { one_time: true, ..part.clone() }),
        ..opened(Some(token(4)), Mode::Reserved)
    };
    let amended = Amended {
        bounds: bounds(),
        approval_above: Cap::of(nanos(3)),
        payees: vec![(3, Cap::of(nanos(1)))],
        barred: vec![7, 900],
        narrowed: true,
    };
    let plain = TokenAmended {
        token: token(5),
        own: amended.clone(),
        each: None,
        current: None,
        authority: None,
        keyed: keyed(),
    };
    let authority = AuthorityFacts {
        principal: "cfo",
        method: "passkey",
        evidence_hash: Some([4; 32]),
        approved_at: Time::from_ns(6),
        agreement: "",
    };
    let whole = TokenAmended {
        token: self::token(),
        each: Some(each.clone()),
        current: Some((token(6), amended)),
        authority: Some(authority),
        ..plain.clone()
    };
    let begun = PeriodBegun {
        standing: self::token(),
        id: token(6),
        period: Period { begins_at: Time::from_ns(100), ends_at: Time::from_ns(200) },
        bounds: bounds(),
        approval_above: Cap::NONE,
        payees: vec![(3, Cap::NONE)],
        secret: Kept { derived: false, ..kept },
        refresh: kept,
        generation: 300,
        closed: Some(token(5)),
        carried: vec![session(), token(8)],
    };
    let mut all: Vec<Record<'static>> = rules.into_iter().map(standing).collect();
    all.extend([
        Record::SessionOpened(single),
        Record::TokenAmended(plain),
        Record::TokenAmended(whole),
        Record::PeriodBegun(PeriodBegun { closed: None, carried: Vec::new(), ..begun.clone() }),
        Record::PeriodBegun(begun),
        Record::FamilyRevoked(FamilyRevoked { standing: self::token() }),
        Record::RefreshSeen(RefreshSeen { standing: self::token() }),
    ]);
    all
}

fn token() -> SessionId {
    SessionId::new_token(place(), 0xabf)
}

fn debits() -> Vec<Record<'static>> {
    let by_key = StoredIntent::Key(KeyHash(u128::MAX));
    let partly = Debited { partial: true, taken: nanos(599), ..debit("", 14, 600, false) };
    vec![
        Record::Debited(debit("ref-1", 12, 600, false)),
        Record::Debited(debit("", 13, 600, true)),
        Record::Debited(Debited { currency: Currency::UNSTATED, intent: by_key, ..debit("", 0, 1, false) }),
        Record::Debited(partly),
        Record::Debited(Debited { intent: by_key, ..partly }),
        Record::Debited(Debited { partial: true, ..debit("", 15, 600, true) }),
        Record::Debited(Debited {
            act: Act::Capture { hold: 1 << 40, last: false },
            late: true,
            ..debit("", 16, 9, false)
        }),
        Record::Debited(Debited {
            act: Act::Capture { hold: 3, last: true },
            late: true,
            ..debit("", 17, 9, true)
        }),
        Record::Reversed(Reversed {
            session: session(),
            debit_seq: u64::MAX,
            payee: 4,
            amount: nanos(1),
            reversed_after: nanos(599),
            keyed: keyed(),
        }),
    ]
}

/// Holds a control word of each state, of all that can have one.
fn controls() -> Vec<Record<'static>> {
    let states =
        [State::Paused, State::Open, State::Revoked(Promises::Honour), State::Revoked(Promises::Void)];
    let things = [
        ControlOf::Envelope(EnvelopeId::Session(session())),
        ControlOf::Envelope(EnvelopeId::Session(SessionId::new_token(place(), 4))),
        ControlOf::Envelope(EnvelopeId::Account(account())),
        ControlOf::FrontEnd("shop-é"),
    ];
    let word = |state| Control {
        state,
        epoch: u64::MAX,
        by: u32::MAX,
        at: Time::from_ns(5),
        note: "fraud, says Émile".into(),
    };
    let of = |on| states.map(|state| Record::ControlSet(ControlSet { on, control: word(state) }));
    things.into_iter().flat_map(of).collect()
}

/// Holds what is done with holds: each approved and declined, by key and by number.
fn held() -> Vec<Record<'static>> {
    let by_key = StoredIntent::Key(KeyHash(77));
    let until = Time::from_ns(1 << 60);
    let hold = Act::Hold { tolerance: nanos(50), until };
    let asked = Debited { act: hold, asked_until: until, ..debit("hold", 18, 600, false) };
    let capture = Debited { act: Act::Capture { hold: 1 << 50, last: true }, ..debit("", 19, 5, false) };
    let void = Debited { act: Act::Void { hold: 12 }, amount: nanos(0), ..debit("", 20, 595, false) };
    let no = |record: Debited<'static>| Debited {
        verdict: Some((DeclineCode::HoldEnded, Level::Session)),
        taken: nanos(0),
        intent: by_key,
        ..record
    };
    let mut all: Vec<_> = [asked, capture, void].into_iter().flat_map(|one| [one, no(one)]).collect();
    all.push(Debited { asked_until: Time::ZERO, ..asked });
    let lapsed = HoldLapsed { session: session(), hold: u64::MAX, released: nanos(650) };
    all.into_iter().map(Record::Debited).chain([Record::HoldLapsed(lapsed)]).collect()
}

/// Holds records of every kind, in every form that their layouts have.
pub(super) fn one_of_each() -> Vec<Record<'static>> {
    let writer = WriterId::new(place(), 1);
    let mut all = vec![
        Record::Genesis(Genesis { seed: Seed([6; 16]), partitions: 256 }),
        Record::WriterOpened(WriterOpened { id: writer, epoch: 1 }),
        Record::WriterPositioned(WriterPositioned { session: session(), writer, epoch: 2 }),
        Record::SessionSettled(SessionSettled {
            session: session(),
            reason: Reason::Cascade,
            lines: vec![line(), line()],
            total: nanos(1_200),
            released: nanos(4_999_998_800),
        }),
        Record::SettlementPosted(SettlementPosted {
            source: 9,
            outgoing: Outgoing {
                no: 1,
                settlement: session().settlement(),
                currency: Currency::from_number(840),
                line: line(),
            },
        }),
        Record::OutboxDelivered(OutboxDelivered { through: 1 }),
    ];
    for part in
        [credentials(), accounts(), movements(), payees(), sessions(), tokens(), debits(), held(), controls()]
    {
        all.extend(part);
    }
    all
}
