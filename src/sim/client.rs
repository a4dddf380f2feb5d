//! Owns: clients: what each has out, what it means to ask again, and the writer by which it numbers debits.
//! Never: what is asked anew; see `wish`.

use crate::{
    asked::{Asked, Named, NewDebit, Told},
    model::CallNo,
    rng::Rng,
    roster::Roster,
    settings::Settings,
};
use std::collections::BTreeMap;
use tallystick_core::{Refusal, SessionId, WriterId};
use tallystick_engine::Fault;

/// Is something that a client wants answered.
#[derive(Debug, Clone)]
pub struct Intent {
    /// What it asks.
    pub asked: Asked,
    /// The call that is out for it.
    pub call: Option<CallNo>,
    /// How often it was sent.
    pub sends: u32,
    /// It is asked once, whatever comes of it.
    pub is_lie: bool,
}

/// Counts debits, session by session.
#[derive(Debug, Default, Clone)]
pub struct Writer {
    /// The writer, once its client heard of it.
    pub open: Option<(WriterId, u32)>,
    /// The next number in each session.
    pub next: BTreeMap<SessionId, u64>,
    /// Something went wrong, and its client resumes under a newer epoch.
    pub is_stale: bool,
    /// The sessions in which it has yet to ask for its position.
    pub unsure: Vec<SessionId>,
}

/// Is one client.
#[derive(Debug, Default)]
pub struct Client {
    /// What it waits for.
    pub intents: Vec<Intent>,
    /// By which it numbers.
    pub writer: Writer,
}

/// Is everything on the clients' side.
#[derive(Debug)]
pub struct Clients {
    /// What they know.
    pub roster: Roster,
    /// Each.
    pub each: Vec<Client>,
    /// Numbers keys and names.
    pub made: u64,
    /// What they draw.
    pub rng: Rng,
}

fn number_of(new: &NewDebit) -> Option<(SessionId, u64)> {
    match &new.named {
        Named::Number(at) => Some((new.session, at.number)),
        Named::Key(_) => None,
    }
}

impl Intent {
    /// Makes an honest one.
    pub fn new(asked: Asked) -> Self {
        Self { asked, call: None, sends: 0, is_lie: false }
    }

    /// Returns the least number it has in each session.
    fn numbers(&self) -> BTreeMap<SessionId, u64> {
        let mut least = BTreeMap::new();
        let debits = match &self.asked {
            Asked::Debit(new) => std::slice::from_ref(new),
            Asked::Batch(debits) => debits,
            _ => &[],
        };
        if !self.is_lie {
            for (session, number) in debits.iter().filter_map(number_of) {
                let before = least.entry(session).or_insert(number);
                *before = number.min(*before);
            }
        }
        least
    }

    /// Takes over a newer epoch, as a writer that resumes does.
    fn adopt(&mut self, writer: WriterId, epoch: u32) {
        let debits = match &mut self.asked {
            Asked::Debit(new) => std::slice::from_mut(new),
            Asked::Batch(debits) => debits,
            _ => &mut [],
        };
        for new in debits {
            if let Named::Number(at) = &mut new.named
                && at.writer == writer
            {
                at.epoch = epoch;
            }
        }
    }
}

impl Client {
    /// Returns the intents that may be sent again now: of numbered ones, only the first of each session.
    pub fn idle(&self) -> Vec<usize> {
        let mut idle = Vec::new();
        for (at, intent) in self.intents.iter().enumerate().filter(|(_, intent)| intent.call.is_none()) {
            let numbers = intent.numbers();
            let waits = self.intents.iter().enumerate().any(|(other, before)| {
                other != at
                    && before.call.is_none()
                    && before
                        .numbers()
                        .iter()
                        .any(|(session, number)| numbers.get(session).is_some_and(|mine| number < mine))
            });
            let resumes = !numbers.is_empty()
                && (self.writer.is_stale
                    || numbers.keys().any(|session| self.writer.unsure.contains(session)));
            if !waits && !resumes {
                idle.push(at);
            }
        }
        idle
    }

    /// Returns up to which number every answer of a session was heard.
    pub fn acked(&self, session: SessionId) -> u64 {
        let next = self.writer.next.get(&session).copied().unwrap_or(1);
        let least = self.intents.iter().filter_map(|intent| intent.numbers().get(&session).copied()).min();
        least.unwrap_or(next).saturating_sub(1)
    }

    /// Learns that a number is not the next: what came before it was never decided, and nobody asks for it any more.
    fn renumber(&mut self, session: SessionId, expected: u64) {
        let waits = |intent: &Intent| intent.numbers().get(&session).is_some_and(|least| *least <= expected);
        if !self.intents.iter().any(waits) {
            self.intents.retain(|intent| intent.call.is_some() || !intent.numbers().contains_key(&session));
            if !self.intents.iter().any(|intent| intent.numbers().contains_key(&session)) {
                self.writer.next.insert(session, expected);
            }
        }
    }

    /// Learns from a refusal of what was asked of `sessions` by number. Returns whether that is done with.
    fn refused(&mut self, sessions: &[SessionId], refusal: Refusal) -> bool {
        match refusal {
            Refusal::NumberGap { expected } | Refusal::NotAttempted { expected } => {
                sessions.iter().for_each(|session| self.renumber(*session, expected));
                false
            }
            Refusal::WriterFenced { .. } if !sessions.is_empty() => {
                self.writer.is_stale = true;
                false
            }
            _ => true,
        }
    }

    /// Adopts an epoch that it was given.
    pub fn opened(&mut self, id: WriterId, epoch: u32) {
        let is_mine = self.writer.open.is_none_or(|(mine, before)| mine == id && before < epoch);
        if !is_mine {
            return;
        }
        self.writer.open = Some((id, epoch));
        self.writer.is_stale = false;
        self.writer.unsure = self.writer.next.keys().copied().collect();
        for intent in &mut self.intents {
            intent.adopt(id, epoch);
        }
    }

    /// Learns where its writer stands in a session.
    pub fn positioned(&mut self, session: SessionId, last_number: u64) {
        self.writer.unsure.retain(|unsure| *unsure != session);
        self.renumber(session, last_number.saturating_add(1));
    }
}

impl Clients {
    /// Makes clients that know nothing.
    pub fn new(settings: &Settings, rng: Rng) -> Self {
        let each = (0..settings.clients).map(|_| Client::default()).collect();
        Self { roster: Roster::default(), each, made: 0, rng }
    }

    /// Takes note of what a client heard for a call.
    pub fn heard(&mut self, client: usize, call: CallNo, heard: &Result<Told, Fault>) {
        let Self { roster, each, .. } = self;
        let Some(client) = each.get_mut(client) else { return };
        let Some(at) = client.intents.iter().position(|intent| intent.call == Some(call)) else { return };
        let Some(intent) = client.intents.get_mut(at) else { return };
        intent.call = None;
        let (asked, is_lie) = (intent.asked.clone(), intent.is_lie);
        let numbered: Vec<SessionId> = intent.numbers().into_keys().collect();
        let mut is_done = is_lie;
        match heard {
            Ok(told) => {
                roster.learn(&asked, told);
                match (&asked, told) {
                    (_, Told::Writer { id, epoch }) => client.opened(*id, *epoch),
                    (Asked::Position { session, .. }, Told::Position(last)) => {
                        client.positioned(*session, *last);
                    }
                    _ => {}
                }
                is_done = true;
                if let (Asked::Batch(debits), Told::Batch(outcomes), false) = (&asked, told, is_lie) {
                    for (new, outcome) in debits.iter().zip(outcomes) {
                        let session = number_of(new).map(|(session, _)| session);
                        if let Err(refusal) = outcome {
                            is_done &= client.refused(session.as_slice(), *refusal);
                        }
                    }
                }
            }
            Err(Fault::Refused(refusal)) => {
                if matches!(refusal, Refusal::SessionRetired | Refusal::UnknownSession) {
                    forget(roster, client, &asked);
                }
                is_done |= client.refused(&numbered, *refusal);
            }
            // Nobody knows what came of it: the same again.
            Err(Fault::JournalFailed | Fault::Storage(_)) => {}
        }
        if is_done {
            client.intents.retain(|intent| intent.asked != asked || intent.call.is_some());
        }
    }

    /// Learns that nobody will answer what is out: the process has died.
    pub fn crashed(&mut self) {
        for client in &mut self.each {
            client.intents.iter_mut().for_each(|intent| intent.call = None);
            client.intents.retain(|intent| !intent.is_lie);
            // Some resume under a newer epoch, as the client library does, and some ask as they did before.
            if client.writer.open.is_some() && self.rng.chance(1, 2) {
                client.writer.is_stale = true;
            }
        }
    }

    /// Returns how many intents nobody has answered yet.
    pub fn waiting(&self) -> usize {
        self.each.iter().map(|client| client.intents.len()).sum()
    }
}

/// Learns that the session of what was asked is not open.
fn forget(roster: &mut Roster, client: &mut Client, asked: &Asked) {
    let session = match asked {
        Asked::Debit(new) => new.session,
        Asked::Position { session, .. }
        | Asked::TopUp { session, .. }
        | Asked::Reverse { session, .. }
        | Asked::Settle { session, .. } => *session,
        _ => return,
    };
    roster.closed(session);
    client.writer.next.remove(&session);
    client.writer.unsure.retain(|unsure| *unsure != session);
}
