//! Is what reads amounts, ids, currencies, spans, instants and keys out of text: core's, the wire's and the command line's.

use super::nothing;
use crate::{Target, bytes::Choices, ids, key, moment, money::Money};
use tallystick_core::{AccountId, Currency, DebitId, DepositId, PayeeId, SessionId, SettlementId, WriterId};
use tallystick_proto::v1;
use tallystick_rpc::{command, currency_text};

pub(super) const TARGET: Target = Target {
    name: "texts",
    // What is refused is repeated in the refusal, some twenty times over.
    bytes_most: (16 << 10, 256),
    prepare: nothing,
    read,
};

macro_rules! ids {
    ($text:expr, $($id:ident = $name:ident),*) => {
        $(
            let parsed = $id::parse($text);
            if let Ok(id) = parsed {
                assert_eq!(id.to_string(), $text, "an id has two texts");
                assert_eq!($id::from_bits(id.bits()), Ok(id));
                assert!(ids::$name($text).is_ok());
            }
            let _ = ids::$name($text);
        )*
    };
}

fn read(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let (first, number) = (choices.byte(), choices.number());
    let Ok(text) = std::str::from_utf8(choices.rest()) else { return };
    match first % 4 {
        0 => {
            ids!(
                text,
                AccountId = account,
                PayeeId = payee,
                SessionId = session,
                DepositId = deposit,
                DebitId = debit,
                WriterId = writer,
                SettlementId = settlement
            );
            let _ = (ids::envelope(text), key::read(text));
        }
        1 => amounts(text, number),
        2 => moments(text, number),
        _ => currency(text, number),
    }
}

fn amounts(text: &str, number: u64) {
    for money in [Money::Decimal, Money::Nanos] {
        if let Ok(nanos) = money.read("AMOUNT", text) {
            assert_eq!(money.read("AMOUNT", &money.show(nanos)).ok(), Some(nanos), "{text}");
        }
        let shown = money.show(number);
        let nameable = (1..=u64::MAX >> 1).contains(&number);
        assert_eq!(money.read("AMOUNT", &shown).ok(), nameable.then_some(number), "{shown}");
        let _ = money.show_signed(i128::from(number).wrapping_mul(-1 << 32));
        let _ = money.column(&[number.into(), u128::MAX, text.len() as u128]);
    }
}

fn moments(text: &str, number: u64) {
    if let Ok(span) = moment::read_span("TTL", text) {
        let wire = moment::to_wire(span);
        assert!(!span.is_zero() && wire.seconds >= 0 && (0..1_000_000_000).contains(&wire.nanos));
        let _ = moment::seconds(&wire);
    }
    if let Ok(at) = moment::read_instant("AT", text) {
        let exact = moment::exact(&at).unwrap_or_else(|| panic!("{text} cannot be shown"));
        assert_eq!(moment::read_instant("AT", &exact).ok(), Some(at), "{text}");
        let _ = moment::show(Some(&at));
    }
    let _ = moment::from_ns(number);
    let any = prost_types::Timestamp { seconds: number.cast_signed(), nanos: text.len() as i32 - 1 };
    let _ = (moment::show(Some(&any)), moment::exact(&any));
}

fn currency(text: &str, number: u64) {
    let id = format!("acc_{}", "0".repeat(26));
    let request =
        v1::RepayRequest { account_id: id, currency: text.to_owned(), ..v1::RepayRequest::default() };
    if let Ok(repay) = command::repay(&request) {
        assert_eq!(currency_text(repay.currency), text, "a currency has two texts");
    }
    let _ = currency_text(Currency::from_number(number as u16));
}
