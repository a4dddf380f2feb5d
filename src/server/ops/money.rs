//! Owns: the books as they are shown: added up anew for each reader, and shown once all that is in them is durable.
//! Never: an amount as a float where an exact one fits; never waits for a disk without end.

use serde_json::{Map, Value, json};
use std::{sync::Arc, time::Duration};
use tallystick_core::books::Book;
use tallystick_engine::{Engine, Totals};
use tallystick_rpc::currency_text;
use tokio::{sync::Mutex, time::timeout};

/// How long a reader waits for the journal; then what was shown before is shown again, with its seq.
const WAIT_LIMIT: Duration = Duration::from_secs(1);

/// Remembers what was shown last.
#[derive(Debug, Default)]
pub(super) struct Money {
    // LOCK: held while the books are read and become durable, so that no reader shows an older state than one before it.
    shown: Mutex<Option<Arc<Totals>>>,
}

impl Money {
    /// Adds the books up. Returns the ones shown before while the journal does not move, and none before the first.
    pub(super) async fn read(&self, engine: &Engine) -> Option<Arc<Totals>> {
        let mut shown = self.shown.lock().await;
        if let Ok(Ok(totals)) = timeout(WAIT_LIMIT, engine.totals()).await {
            *shown = Some(Arc::new(totals));
        }
        shown.clone()
    }
}

/// Writes the books with exact amounts: decimal texts, since a number in JSON may be read as a float.
pub(super) fn json(totals: &Totals) -> Value {
    let books = totals.books.iter().map(|(currency, books)| {
        let text = |nanos: &i128| Value::String(nanos.to_string());
        let mut accounts: Map<String, Value> =
            Book::ALL.iter().zip(books).map(|(book, nanos)| (book.name().to_owned(), text(nanos))).collect();
        accounts.insert("sum".into(), text(&books.iter().sum::<i128>()));
        (currency_text(*currency), Value::Object(accounts))
    });
    json!({
        "seq": totals.seq,
        "whole_through_seq": totals.whole_through_seq,
        "open_sessions": totals.open_sessions,
        "unit": "nanos",
        "books": books.collect::<Map<String, Value>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use tallystick_core::Currency;

    #[test]
    fn amounts_are_exact_texts_by_currency_and_name() {
        let mut books = [0; Book::ALL.len()];
        (books[Book::Outside as usize], books[Book::PayeePayable as usize]) = (-i128::MAX, i128::MAX);
        let totals = Totals {
            whole_through_seq: 6,
            seq: 7,
            open_sessions: 2,
            books: BTreeMap::from([(Currency::from_number(978), books)]),
        };
        let shown = json(&totals);
        assert_eq!(shown["books"]["EUR"]["outside"], "-170141183460469231731687303715884105727");
        assert_eq!(shown["books"]["EUR"]["payee_payable"], "170141183460469231731687303715884105727");
        assert_eq!(shown["books"]["EUR"]["sum"], "0");
        assert_eq!((&shown["seq"], &shown["whole_through_seq"]), (&json!(7), &json!(6)));
    }
}
