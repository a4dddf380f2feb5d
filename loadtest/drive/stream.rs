//! Owns: one writer kept full of messages. Never: waits while there is room.

use super::{Counts, Share};
use crate::{Args, LoadError, stage::AMOUNT_NANOS};
use std::collections::VecDeque;
use tallystick_client::{Answer, Client, Debit, Stopwatch, Ticket, Writer, WriterOptions};

/// One message on its way: its first debit's place in the loop's count, and how many there are.
struct Flight {
    first: usize,
    count: usize,
    sent: Stopwatch,
    ticket: Ticket,
}

pub(super) async fn run(client: Client, share: Share, args: Args) -> Result<Counts, LoadError> {
    let in_flight_max = args.in_flight as usize;
    let options = WriterOptions { in_flight_max, ..WriterOptions::default() };
    let writer = client.writer(options).await.map_err(LoadError::call("open a stream"))?;
    let mut counts = Counts { durability: writer.durability(), ..Counts::new(&share.stage)? };
    let count = args.debits_per_message() as usize;
    let mut flights = VecDeque::with_capacity(in_flight_max);
    let mut first = 0;
    let since_start = Stopwatch::start();
    loop {
        while flights.len() < in_flight_max && since_start.elapsed() < share.seconds {
            flights.push_back(take_off(&writer, &share, first, count).await?);
            first += count;
        }
        let Some(flight) = flights.pop_front() else { return Ok(counts) };
        land(&share, &mut counts, flight).await?;
    }
}

async fn take_off(writer: &Writer, share: &Share, first: usize, count: usize) -> Result<Flight, LoadError> {
    let debit = |nth| {
        let (session, payee) = share.place(nth);
        Debit::new(&share.stage.sessions[session], &share.stage.payees[payee], AMOUNT_NANOS)
    };
    let debits = (first..first + count).map(debit).collect();
    let sent = Stopwatch::start();
    let ticket = writer.submit(debits).await.map_err(LoadError::call("send a message"))?;
    Ok(Flight { first, count, sent, ticket })
}

async fn land(share: &Share, counts: &mut Counts, flight: Flight) -> Result<(), LoadError> {
    let Flight { first, count, sent, ticket } = flight;
    let answers = ticket.await.map_err(LoadError::call("hear a message's answers"))?;
    counts.latencies_us.saturating_record_n(sent.elapsed_us(), count as u64);
    for (nth, answer) in (first..).zip(&answers) {
        match answer {
            Answer::Approved { .. } => counts.approve(&share.stage, share.place(nth)),
            other @ (Answer::Declined { .. } | Answer::Refused { .. }) => {
                return Err(LoadError::answer("have a debit approved", format!("{other:?}")));
            }
        }
    }
    Ok(())
}
