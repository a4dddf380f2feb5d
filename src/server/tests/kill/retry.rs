//! Owns: asking for everything unanswered again, under its own key or number, until all of it is answered.
//! Never: makes up a new intent.

use super::{
    book::{Shared, Try, open},
    load::{self, WRITERS},
    stream::Pipe,
};
use tonic::{Status, transport::Channel};

/// How many keys are asked for again one by one; the rest goes through a stream.
const UNARY_MAX: usize = 24;

/// Asks again. What is answered is noted at once, so this may be cut off anywhere and begun again.
/// *Errors*: the server is gone.
pub async fn everything(channel: &Channel, book: &Shared) -> Result<(), Status> {
    let openings = keys(open(book).openings.keys());
    for key in openings {
        load::open_session(channel, book, &key).await?;
    }
    let creations = keys(open(book).creations.keys());
    for key in creations {
        load::create_payee(channel, book, &key).await?;
    }
    let deposits = keys(open(book).deposits.keys());
    for key in deposits {
        load::deposit(channel, book, &key).await?;
    }
    debits(channel, book).await?;
    let blockings = open(book).blockings.clone();
    for payee in blockings {
        load::block(channel, book, payee).await?;
    }
    let settlings = open(book).settlings.clone();
    for session in settlings {
        load::settle(channel, book, session).await?;
    }
    Ok(())
}

async fn debits(channel: &Channel, book: &Shared) -> Result<(), Status> {
    let keyed = keys(open(book).keyed.keys());
    for key in keyed.into_iter().take(UNARY_MAX) {
        let (asked, nothing_happened) = open(book).ask_keyed_again(&key);
        let tried = if nothing_happened { Try::AfterRefusal } else { Try::Again };
        load::authorize(channel, book, &key, asked, tried).await?;
    }
    let left = keys(open(book).keyed.keys());
    for writer in 0..WRITERS {
        let mut pipe = Pipe::resume(channel, book, writer).await?;
        pipe.retry(if writer == 0 { &left } else { &[] }).await?;
    }
    assert_eq!(open(book).pending_debits(), 0, "every debit was answered");
    Ok(())
}

fn keys<'a>(keys: impl Iterator<Item = &'a String>) -> Vec<String> {
    keys.cloned().collect()
}
