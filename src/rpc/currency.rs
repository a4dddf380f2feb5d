//! Owns: the registry of currencies: text, number, rail, exponent. Fiat comes from ISO 4217 by its numeric code;
//! stablecoins are listed here, one a chain, since the same coin on another chain is another money.
//! Never: converts; accepts what it does not know.

use iso_currency::Currency as Iso;
use tallystick_core::Currency;

/// Is one currency as the registry knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The number that core and journal use.
    pub currency: Currency,
    /// The code: "USD", "USDC".
    pub code: String,
    /// Where it moves: "fiat", or the name of a chain.
    pub rail: &'static str,
    /// Decimal places of its smallest unit that can be paid out; at most 9.
    pub exponent: u8,
}

/// Lists stablecoins: number, code, chain, exponent. The numbers are stored and never reused.
const STABLECOINS: &[(u16, &str, &str, u8)] = &[
    (1_001, "USDC", "ethereum", 6),
    (1_002, "USDC", "base", 6),
    (1_003, "USDC", "solana", 6),
    (1_004, "USDC", "polygon", 6),
    (1_005, "USDC", "arbitrum", 6),
    (1_006, "EURC", "ethereum", 6),
    (1_007, "EURC", "base", 6),
    (1_008, "EURC", "solana", 6),
    (1_009, "USDT", "ethereum", 6),
    (1_010, "USDT", "tron", 6),
    (1_011, "USDT", "solana", 6),
    (1_012, "PYUSD", "ethereum", 6),
    (1_013, "PYUSD", "solana", 6),
];

impl Registered {
    /// Returns the text used on the wire: "USD", or "USDC@base".
    pub fn text(&self) -> String {
        if self.rail == "fiat" { self.code.clone() } else { format!("{}@{}", self.code, self.rail) }
    }
}

fn fiat(iso: Iso) -> Option<Registered> {
    // What has no minor unit in the standard (gold, test codes, units of account) cannot be paid out.
    let exponent = u8::try_from(iso.exponent()?).ok().filter(|exponent| *exponent <= 9)?;
    if iso.is_special() || iso.is_fund() || iso.is_superseded().is_some() {
        return None;
    }
    Some(Registered {
        currency: Currency::from_number(iso.numeric()),
        code: iso.code().into(),
        rail: "fiat",
        exponent,
    })
}

fn coin((number, code, rail, exponent): &(u16, &str, &'static str, u8)) -> Registered {
    Registered { currency: Currency::from_number(*number), code: (*code).into(), rail, exponent: *exponent }
}

/// Finds a currency by its text; `None` for what is unknown, in another case, or withdrawn.
pub(crate) fn parse(text: &str) -> Option<Registered> {
    match text.split_once('@') {
        None => Iso::from_code(text).filter(|iso| iso.code() == text).and_then(fiat),
        Some((code, rail)) => STABLECOINS.iter().find(|coin| coin.1 == code && coin.2 == rail).map(coin),
    }
}

/// Finds a currency by its number.
pub fn registered(currency: Currency) -> Option<Registered> {
    let number = currency.number();
    match STABLECOINS.iter().find(|coin| coin.0 == number) {
        Some(entry) => Some(coin(entry)),
        None => Iso::from_numeric(number).and_then(fiat),
    }
}

/// Returns a currency's text. A number that was journalled is known for ever; an unknown one is shown as itself.
pub fn text(currency: Currency) -> String {
    registered(currency).map_or_else(|| format!("#{}", currency.number()), |found| found.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_numbers_and_exponents_agree() {
        for (text, number, exponent) in
            [("USD", 840, 2), ("JPY", 392, 0), ("KWD", 414, 3), ("EUR", 978, 2), ("USDC@base", 1_002, 6)]
        {
            let found = parse(text).unwrap();
            assert_eq!((found.currency.number(), found.exponent), (number, exponent), "{text}");
            assert_eq!(registered(found.currency), Some(found.clone()));
            assert_eq!(found.text(), text);
        }
    }

    #[test]
    fn what_is_unknown_is_refused() {
        for text in [
            "",
            "usd",
            "US",
            "USDX",
            "XXX",
            "XAU",
            "XTS",
            "USDC",
            "USDC@",
            "@base",
            "USDC@mars",
            "DAI@base",
            "840",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_of_coins_are_their_own() {
        let mut numbers: Vec<_> = STABLECOINS.iter().map(|coin| coin.0).collect();
        numbers.dedup();
        assert_eq!(numbers.len(), STABLECOINS.len());
        assert!(numbers.iter().all(|number| *number > 1_000), "ISO's numbers end at 999");
        assert!(STABLECOINS.iter().all(|coin| coin.3 <= 9));
    }
}
