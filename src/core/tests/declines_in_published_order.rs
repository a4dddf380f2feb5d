//! I4: every decline that is given, as a table; and for each pair of neighbouring rungs of the ladder, a debit at which
//! both would say no: the earlier one is named.
#![allow(clippy::unwrap_used, reason = "a test")]

mod ledger;

use ledger::{EUR, Ledger, USD, prepaid};
use tallystick_core::{
    Amount, DeclineCode, EnvelopeId, Next, Span,
    command::{CreateAccount, Debit},
    control::{ControlOf, Promises, State},
    velocity::{Measure, VelocityLimit},
};

/// Each row is one debit: what was set up, what is asked, and what is answered. Amounts in nanos.
///
/// A session has a cap of 100 and lasts from `t=0` to `t=1000` unless its setup says otherwise. Its account has 300, so
/// that 200 could top it up. `alice` and `bob` are payees, `mallory` is blocked. The account is the front-end `ours`'s. `rate
/// 2/10` is two debits in 10 nanoseconds, `window 2` is two in 100 seconds; with `amount`, two nanos.
const TABLE: &str = "
setup                              | asked                  | outcome            | level   | session left | payee left | next
                                   | 100 to alice           | approved           | -       | 0            | -          | -
                                   | 1 to alice in USD      | approved           | -       | 99           | -          | -
                                   | 1 to alice in nothing  | approved           | -       | 99           | -          | -
                                   | 1 to alice at 999      | approved           | -       | 99           | -          | -
                                   | 1 to alice at 1000     | SESSION_ENDED      | session | 100          | -          | nothing
                                   | 1 to alice at 5000     | SESSION_ENDED      | session | 100          | -          | nothing
begins 500                         | 1 to alice at 499      | NOT_YET_VALID      | session | 100          | -          | wait until 500
begins 500                         | 1 to alice at 500      | approved           | -       | 99           | -          | -
begins 500                         | 1 to alice at 1499     | approved           | -       | 99           | -          | -
begins 500                         | 1 to alice at 1500     | SESSION_ENDED      | session | 100          | -          | nothing
                                   | 1 to alice in EUR      | CURRENCY_MISMATCH  | session | 100          | -          | nothing
                                   | 1 to mallory           | PAYEE_BLOCKED      | payee   | 100          | -          | nothing
only alice                         | 1 to alice             | approved           | -       | 99           | -          | -
only alice                         | 1 to bob               | PAYEE_NOT_ALLOWED  | session | 100          | -          | nothing
64 payees paid                     | 1 to alice             | TOO_MANY_PAYEES    | session | 36           | -          | nothing
63 payees paid                     | 1 to alice             | approved           | -       | 36           | -          | -
min 5                              | 4 to alice             | BELOW_DEBIT_MIN    | session | 100          | -          | nothing
min 5                              | 5 to alice             | approved           | -       | 95           | -          | -
max 10                             | 10 to alice            | approved           | -       | 90           | -          | -
max 10                             | 11 to alice            | ABOVE_DEBIT_MAX    | session | 100          | -          | at most 10
max 10, bob got 93                 | 11 to alice            | ABOVE_DEBIT_MAX    | session | 7            | -          | at most 7
max 10, payee cap 4                | 11 to alice            | ABOVE_DEBIT_MAX    | session | 100          | 4          | at most 4
max 10, min 8, bob got 93          | 11 to alice            | ABOVE_DEBIT_MAX    | session | 7            | -          | nothing
max 10, amount rate 6/10           | 11 to alice            | ABOVE_DEBIT_MAX    | session | 100          | -          | at most 6
max 10, rate 1/10, bob got 5       | 11 to alice            | ABOVE_DEBIT_MAX    | session | 95           | -          | nothing
rate 2/10, bob got 5               | 1 to alice             | approved           | -       | 94           | -          | -
rate 1/10, bob got 5               | 1 to alice             | VELOCITY_RATE      | session | 95           | -          | wait until 10
rate 1/10, bob got 5               | 1 to alice at 9        | VELOCITY_RATE      | session | 95           | -          | wait until 10
rate 1/10, bob got 5               | 1 to alice at 10       | approved           | -       | 94           | -          | -
each rate 1/10, bob got 5          | 1 to alice             | approved           | -       | 94           | -          | -
each rate 1/10, alice got 5        | 1 to alice             | VELOCITY_RATE      | payee   | 95           | -          | wait until 10
account's rate 1/10, bob got 5     | 1 to alice             | VELOCITY_RATE      | account | 95           | -          | wait until 10
rate 1/4, account's rate 1/9, bob got 5 | 1 to alice        | VELOCITY_RATE      | session | 95           | -          | wait until 9
amount rate 20/10, bob got 15      | 12 to alice            | VELOCITY_RATE      | session | 85           | -          | wait until 4
amount rate 20/10                  | 21 to alice            | VELOCITY_RATE      | session | 100          | -          | at most 20
amount rate 20/10, bob got 15      | 21 to alice            | VELOCITY_RATE      | session | 85           | -          | at most 5
amount rate 20/10, payee cap 15, bob got 2 | 21 to alice    | VELOCITY_RATE      | session | 98           | 15         | at most 15
amount rate 20/10, min 8, bob got 15 | 21 to alice          | VELOCITY_RATE      | session | 85           | -          | nothing
amount rate 20/10, bob got 20      | 21 to alice            | VELOCITY_RATE      | session | 80           | -          | nothing
lasts long, window 1, bob got 5    | 1 to alice             | VELOCITY_WINDOW    | session | 95           | -          | wait until 100000000000
lasts long, window 1, bob got 5    | 1 to alice at 100000000000 | approved       | -       | 94           | -          | -
window 1, bob got 5                | 1 to alice             | VELOCITY_WINDOW    | session | 95           | -          | nothing
amount window 20, bob got 5        | 16 to alice            | VELOCITY_WINDOW    | session | 95           | -          | at most 15
each amount window 20, alice got 5 | 16 to alice            | VELOCITY_WINDOW    | payee   | 95           | -          | at most 15
amount window 20, rate 1/10, bob got 5 | 16 to alice        | VELOCITY_RATE      | session | 95           | -          | nothing
payee cap 30                       | 30 to alice            | approved           | -       | 70           | 0          | -
payee cap 30                       | 31 to alice            | PAYEE_CAP          | payee   | 100          | 30         | at most 30
payee cap 30, alice got 30         | 1 to alice             | PAYEE_CAP          | payee   | 70           | 0          | nothing
payee cap 30, alice got 30         | 30 to bob              | approved           | -       | 40           | 0          | -
payee cap 30, alice's cap 50       | 50 to alice            | approved           | -       | 50           | 0          | -
payee cap 30, alice's cap 50       | 31 to bob              | PAYEE_CAP          | payee   | 100          | 30         | at most 30
payee cap 30, min 20, alice got 25 | 20 to alice            | PAYEE_CAP          | payee   | 75           | 5          | nothing
                                   | 101 to alice           | CAP                | session | 100          | -          | top up by at most 200
bob got 100                        | 1 to alice             | CAP                | session | 0            | -          | top up by at most 200
account empty                      | 101 to alice           | CAP                | session | 100          | -          | at most 100
account empty, bob got 95          | 6 to alice             | CAP                | session | 5            | -          | at most 5
account empty, bob got 100         | 1 to alice             | CAP                | session | 0            | -          | nothing
account empty, min 6, bob got 95   | 6 to alice             | CAP                | session | 5            | -          | nothing
is paused                          | 1 to alice             | PAUSED             | session | 100          | -          | new key
is paused, is resumed              | 1 to alice             | approved           | -       | 99           | -          | -
is revoked                         | 1 to alice             | REVOKED            | session | 100          | -          | nothing
account is paused                  | 1 to alice             | PAUSED             | account | 100          | -          | new key
account is revoked                 | 1 to alice             | REVOKED            | account | 100          | -          | nothing
front-end is paused                | 1 to alice             | PAUSED             | account | 100          | -          | new key
front-end is revoked               | 1 to alice             | REVOKED            | account | 100          | -          | nothing
another front-end is revoked       | 1 to alice             | approved           | -       | 99           | -          | -
is paused, account is paused       | 1 to alice             | PAUSED             | session | 100          | -          | new key
is revoked, account is revoked     | 1 to alice             | REVOKED            | session | 100          | -          | nothing
approval above 10                  | 10 to alice            | approved           | -       | 90           | -          | -
approval above 10                  | 11 to alice            | APPROVAL_REQUIRED  | session | 100          | -          | ask for approval
approval above 10, max 20          | 21 to alice            | ABOVE_DEBIT_MAX    | session | 100          | -          | at most 10
";

/// Both rungs would say no; the first wins. Some neighbours never meet, and the next rung stands for them: no session ends
/// before it begins, and none opens whose least debit is above its greatest.
const PRECEDENCE: &str = "
setup                                        | asked                     | first             | second
is paused, account is revoked                | 1 to alice                | REVOKED           | PAUSED
is paused, front-end is revoked              | 1 to alice                | REVOKED           | PAUSED
is revoked                                   | 1 to alice at 1000        | REVOKED           | SESSION_ENDED
account is paused                            | 1 to alice at 1000        | PAUSED            | SESSION_ENDED
                                             | 1 to alice in EUR at 1000 | SESSION_ENDED     | CURRENCY_MISMATCH
begins 500                                   | 1 to alice in EUR at 499  | NOT_YET_VALID     | CURRENCY_MISMATCH
                                             | 1 to mallory in EUR       | CURRENCY_MISMATCH | PAYEE_BLOCKED
only alice                                   | 1 to mallory              | PAYEE_BLOCKED     | PAYEE_NOT_ALLOWED
64 listed                                    | 1 to alice                | PAYEE_NOT_ALLOWED | TOO_MANY_PAYEES
64 payees paid, min 5 now                    | 1 to alice                | TOO_MANY_PAYEES   | BELOW_DEBIT_MIN
max 10, rate 1/10, bob got 1                 | 11 to alice               | ABOVE_DEBIT_MAX   | VELOCITY_RATE
min 5, rate 1/10, bob got 5                  | 4 to alice                | BELOW_DEBIT_MIN   | VELOCITY_RATE
rate 1/10, window 1, bob got 5               | 1 to alice                | VELOCITY_RATE     | VELOCITY_WINDOW
account's rate 1/10, window 1, bob got 5     | 1 to alice                | VELOCITY_RATE     | VELOCITY_WINDOW
rate 1/10, payee cap 30, bob got 5           | 31 to alice               | VELOCITY_RATE     | PAYEE_CAP
window 1, payee cap 30, bob got 5            | 31 to alice               | VELOCITY_WINDOW   | PAYEE_CAP
window 1, bob got 5                          | 101 to alice              | VELOCITY_WINDOW   | CAP
max 10, payee cap 5                          | 11 to alice               | ABOVE_DEBIT_MAX   | PAYEE_CAP
min 5, payee cap 3                           | 4 to alice                | BELOW_DEBIT_MIN   | PAYEE_CAP
payee cap 30                                 | 101 to alice              | PAYEE_CAP         | CAP
max 10                                       | 101 to alice              | ABOVE_DEBIT_MAX   | CAP
min 5, bob got 98                            | 4 to alice                | BELOW_DEBIT_MIN   | CAP
approval above 10                            | 101 to alice              | CAP               | APPROVAL_REQUIRED
";

fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table
        .lines()
        .filter(|line| line.contains('|'))
        .skip(1)
        .map(|line| line.split('|').map(str::trim).collect())
}

/// Reads a limit in time: "each amount rate 20/10", "window 2".
fn velocity(clause: &str) -> Option<VelocityLimit> {
    let (clause, each_payee) = clause.strip_prefix("each ").map_or((clause, false), |rest| (rest, true));
    let amount = clause.strip_prefix("amount ").map(|rest| (rest, Measure::Amount));
    let (clause, measure) = amount.unwrap_or((clause, Measure::Count));
    let (most, per) = match clause.split_once(' ')? {
        ("rate", rest) => rest.split_once('/').map(|(most, per)| (number(most), number(per)))?,
        ("window", rest) => (number(rest), 100_000_000_000),
        _ => return None,
    };
    let limit = VelocityLimit::new(measure, most, Span::from_ns(per));
    Some(VelocityLimit { each_payee, ..limit })
}

fn number(text: &str) -> u64 {
    text.trim().parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}

/// Builds the ledger that a setup describes, with its one session.
fn set_up(setup: &str) -> Ledger {
    let mut ledger = Ledger::new();
    for name in ["alice", "bob", "mallory"] {
        ledger.payee(name);
    }
    ledger.block("mallory");
    let clauses: Vec<&str> = setup.split(',').map(str::trim).filter(|clause| !clause.is_empty()).collect();
    let has = |text: &str| clauses.contains(&text);
    let of_account = clauses.iter().filter_map(|clause| velocity(clause.strip_prefix("account's ")?));
    let of_account: Vec<VelocityLimit> = of_account.collect();
    let create = CreateAccount { velocity: &of_account, front_end: "ours", ..prepaid() };
    let account = ledger.create_account(&create).unwrap();
    ledger.deposit(account, if has("account empty") { 100 } else { 300 });
    let mut asked = ledger.opening(100, if has("lasts long") { 1_000_000_000_000 } else { 1_000 });
    asked.clauses.velocity.extend(clauses.iter().filter_map(|clause| velocity(clause)));
    for clause in &clauses {
        let (word, rest) = clause.split_once(' ').unwrap();
        match word {
            "begins" => asked.not_before = ledger.at(number(rest)),
            "min" => asked.debit_min = Amount::from_nanos(number(rest.trim_end_matches(" now"))),
            "max" => asked.debit_max = Amount::from_nanos(number(rest)),
            "payee" => asked.default_payee_cap = Amount::from_nanos(number(rest.trim_start_matches("cap "))),
            "alice's" => {
                let cap = Amount::from_nanos(number(rest.trim_start_matches("cap ")));
                asked.payee_caps.push((ledger.named("alice"), cap));
            }
            "approval" => {
                let above = number(rest.trim_start_matches("above "));
                asked.clauses.approval_above = tallystick_core::Cap::of(Amount::from_nanos(above));
            }
            "only" => asked.payees.push(ledger.named(rest)),
            "64" if rest == "listed" => {
                asked.payees = (0..64).map(|n| ledger.payee(&format!("listed {n}"))).collect();
            }
            _ => {}
        }
    }
    if has("min 5 now") {
        // Sixty-four payees with caps of their own fill a session as well as payments do.
        let caps = (0..64).map(|n| (ledger.payee(&format!("capped {n}")), Amount::from_nanos(9)));
        asked.payee_caps.extend(caps.collect::<Vec<_>>());
    }
    ledger.open(&asked).unwrap();
    for clause in &clauses {
        stop(&mut ledger, clause);
        match clause.split_once(' ').unwrap() {
            (who @ ("alice" | "bob"), rest) => {
                // In even pieces that the bounds let through.
                let mut left = number(rest.trim_start_matches("got "));
                let mut pieces =
                    asked.debit_max.nanos().checked_sub(1).map_or(1, |most| left / (most + 1) + 1);
                while left > 0 {
                    let piece = left.div_ceil(pieces);
                    assert!(ledger.pay(who, piece, USD).is_none(), "{clause}");
                    (left, pieces) = (left - piece, pieces - 1);
                }
            }
            (count @ ("63" | "64"), "payees paid") if !has("min 5 now") => {
                for n in 0..number(count) {
                    let name = format!("paid {n}");
                    ledger.payee(&name);
                    assert!(ledger.pay(&name, 1, USD).is_none());
                }
            }
            _ => {}
        }
    }
    ledger
}

/// Stops what a clause says is stopped.
fn stop(ledger: &mut Ledger, clause: &str) {
    let session = ControlOf::Envelope(EnvelopeId::Session(ledger.session.unwrap()));
    let account = ControlOf::Envelope(EnvelopeId::Account(ledger.account.unwrap()));
    let (who, what) = clause.rsplit_once("is ").unwrap_or_default();
    let (to, epoch) = match what {
        "paused" => (State::Paused, None),
        "resumed" => (State::Open, Some(1)),
        "revoked" => (State::Revoked(Promises::Honour), None),
        _ => return,
    };
    match who.trim() {
        "front-end" => assert!(ledger.front_end("ours", to, 1)),
        "another front-end" => assert!(ledger.front_end("theirs", to, 1)),
        "account" => drop(ledger.control(account, to, epoch).unwrap()),
        _ => drop(ledger.control(session, to, epoch).unwrap()),
    }
}

/// Decides a debit as it is asked for in a table: "1 to alice in EUR at 499".
fn ask(ledger: &mut Ledger, asked: &str) -> Option<tallystick_core::Decline> {
    let (amount, rest) = asked.split_once(" to ").unwrap();
    let (rest, at) = rest.split_once(" at ").map_or((rest, None), |(rest, at)| (rest, Some(number(at))));
    let (name, currency) = rest.split_once(" in ").map_or((rest, USD), |(name, currency)| {
        (
            name,
            match currency {
                "EUR" => EUR,
                "nothing" => tallystick_core::Currency::UNSTATED,
                _ => USD,
            },
        )
    });
    if let Some(at) = at {
        ledger.now = ledger.at(at);
    }
    ledger.pay(name.trim(), number(amount), currency)
}

fn next(next: Next, ledger: &Ledger) -> String {
    match next {
        Next::Nothing => "nothing".into(),
        Next::TopUp(most) => format!("top up by at most {}", most.nanos()),
        Next::WaitUntil(at) => format!("wait until {}", at.ns() - ledger.at(0).ns()),
        Next::SmallerAmount(most) => format!("at most {}", most.nanos()),
        Next::NewKey => "new key".into(),
        Next::AskApproval => "ask for approval".into(),
    }
}

#[test]
fn each_code_is_given_as_the_table_says() {
    for row in rows(TABLE) {
        let [setup, asked, outcome, level, session_left, payee_left, advice] = row[..] else {
            panic!("{row:?}")
        };
        let mut ledger = set_up(setup);
        let decline = ask(&mut ledger, asked);
        let session = ledger.session();
        let name = asked.split_once(" to ").unwrap().1.split(' ').next().unwrap();
        let left = ledger.payee_left(name).map_or("-".into(), |left| left.nanos().to_string());
        let said = match decline {
            None => ("approved", "-".into(), "-".into()),
            Some(no) => (no.code.name(), format!("{:?}", no.level).to_lowercase(), next(no.next, &ledger)),
        };
        let said = (said.0, said.1, session.remaining().nanos().to_string(), left, said.2);
        let session_left = session_left.to_string();
        let expected = (outcome, level.into(), session_left, payee_left.into(), advice.into());
        assert_eq!(said, expected, "{setup} | {asked}");
        assert_eq!(ledger.partition.check_sound(), Ok(()));
        // What is to be waited for comes then, and not before.
        if let Some(Next::WaitUntil(at)) = decline.map(|no| no.next) {
            let amount = number(asked.split_once(" to ").unwrap().0);
            ledger.now = tallystick_core::Time::from_ns(at.ns() - 1);
            assert!(ledger.pay(name, amount, USD).is_some(), "{setup} | {asked} | just before {at}");
            ledger.now = at;
            assert_eq!(ledger.pay(name, amount, USD), None, "{setup} | {asked} | at {at}");
        }
        // What is offered would be taken: that is what an offer is for.
        if let Some(Next::SmallerAmount(most)) = decline.map(|no| no.next) {
            assert_eq!(ledger.pay(name, most.nanos(), USD), None, "{setup} | {asked} | at most {most}");
        }
    }
}

#[test]
fn of_two_rungs_that_say_no_the_earlier_is_named() {
    for row in rows(PRECEDENCE) {
        let [setup, asked, first, second] = row[..] else { panic!("{row:?}") };
        let code = ask(&mut set_up(setup), asked).map(|no| no.code.name());
        assert_eq!(code, Some(first), "{setup} | {asked}: not {second}");
        let place = |name: &str| DeclineCode::ALL.iter().position(|code| code.name() == name).unwrap();
        assert!(place(first) < place(second), "the codes ascend in the order of the ladder");
    }
}

#[test]
fn every_code_that_is_given_is_in_the_table() {
    // Places for what is planned: nothing gives these yet. `TOO_MANY_CHILDREN` and `TOO_DEEP` are an opening's, and what is
    // said of holds is in `holds_are_promises`.
    let planned = [
        DeclineCode::AboveHold,
        DeclineCode::HoldEnded,
        DeclineCode::TooManyHolds,
        DeclineCode::TooManyChildren,
        DeclineCode::TooDeep,
    ];
    for code in DeclineCode::ALL {
        let given = rows(TABLE).any(|row| row[2] == code.name());
        assert_ne!(given, planned.contains(code), "{}", code.name());
    }
}

#[test]
fn a_refusal_comes_before_any_decline_and_changes_nothing() {
    let mut ledger = set_up("");
    ledger.now = ledger.at(5_000);
    let before = format!("{:?}", ledger.partition);
    let whole = ledger.debit("alice", 1, USD, b"k");
    let unknown = tallystick_core::SessionId::new(
        tallystick_core::id::Place { partition: 7, slot: 9, generation: 0 },
        1,
    );
    let broken = [
        Debit { amount: Amount::ZERO, ..whole },
        Debit { amount: Amount::from_nanos(1 << 63), ..whole },
        Debit { session: unknown, ..whole },
        Debit { intent: tallystick_core::command::Intent::Key(b""), ..whole },
        Debit { reference: &"x".repeat(129), ..whole },
    ];
    for debit in broken {
        assert!(tallystick_core::decide::debit(&ledger.partition, &debit, ledger.now).is_err(), "{debit:?}");
    }
    assert_eq!(format!("{:?}", ledger.partition), before);
}
