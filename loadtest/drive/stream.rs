//! Owns: one writer and its messages: one half sends when a start is given, the other hears. Never: lets one half wait
//! for the other, but for the places that are outstanding.

use super::{
    Loop,
    measures::{Landed, Measures},
    source::{Source, Start},
};
use crate::LoadError;
use std::time::Duration;
use tallystick_client::{Answer, Debit, Ticket, Writer};
use tokio::sync::mpsc;

/// One message on its way: its first debit's place in the loop's count, and how many there are.
#[derive(Debug)]
struct Flight {
    first: usize,
    count: usize,
    start: Start,
    began: Duration,
    ticket: Ticket,
}

/// Streams until there is no more start and every answer was heard.
pub(super) async fn run(
    each: Loop,
    writer: Writer,
    source: Source,
    flights_max: usize,
) -> Result<Measures, LoadError> {
    each.ledger.learn_durability(writer.durability());
    // Every flight holds a place, so that there is always room for one more.
    let (takeoffs, landings) = mpsc::channel(flights_max);
    let hearing = tokio::spawn(hear(each.clone(), landings));
    let sent = send(&each, &writer, source, takeoffs).await;
    // A panic is a bug; it goes on here.
    let heard = hearing.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    // When hearing fails, sending does too, and only hearing knows why.
    let measures = heard?;
    sent?;
    Ok(measures)
}

async fn send(
    each: &Loop,
    writer: &Writer,
    mut source: Source,
    takeoffs: mpsc::Sender<Flight>,
) -> Result<(), LoadError> {
    let count = each.debits_per_message;
    let mut first = 0;
    while let Some(start) = source.next().await {
        let began = each.clock.elapsed();
        let debit = |nth| {
            let debit = each.share.debit(nth);
            Debit::new(each.share.session(&debit), each.share.payee(&debit), debit.amount_nanos)
        };
        let debits = (first..first + count).map(debit).collect();
        let ticket = writer.submit(debits).await.map_err(LoadError::call("send a message"))?;
        if takeoffs.send(Flight { first, count, start, began, ticket }).await.is_err() {
            break;
        }
        first += count;
    }
    Ok(())
}

async fn hear(each: Loop, mut landings: mpsc::Receiver<Flight>) -> Result<Measures, LoadError> {
    let mut measures = each.measures()?;
    while let Some(Flight { first, count, start, began, ticket }) = landings.recv().await {
        let answers = ticket.await.map_err(LoadError::call("hear a message's answers"))?;
        let heard = each.clock.elapsed();
        let Start { intended, free, place } = start;
        drop(place);
        if answers.len() != count {
            let found = format!("{} answers to {count} debits", answers.len());
            return Err(LoadError::answer("have every debit answered", found));
        }
        for (nth, answer) in (first..).zip(&answers) {
            match answer {
                Answer::Approved { replayed, .. } => each.ledger.approve(&each.share.debit(nth), *replayed),
                Answer::Declined { replayed, .. } => each.ledger.decline(*replayed),
                Answer::Held { .. } | Answer::Refused { .. } => {
                    return Err(LoadError::answer("have a debit decided", format!("{answer:?}")));
                }
            }
        }
        measures.add(Landed { intended, free, began, heard, message_count: 1, debit_count: count as u64 });
    }
    Ok(measures)
}
