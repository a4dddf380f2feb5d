//! Owns: clients that ask: anew, again, or no more. Never: what they ask; see `wish`.

use super::{Call, State, World, last_seq};
use crate::{
    asked::Asked,
    client::Intent,
    model::{CallNo, Span},
    wish::{Drawing, Wish},
};
use tallystick_core::Time;

/// After how many tries a client gives up on a number that never comes to be the next.
const SENDS_MOST: u32 = 40;
/// How often a client that knows too little for one wish has another.
const WISHES: u32 = 6;

impl World {
    /// A client asks for something anew.
    pub(super) fn wish(&self) {
        let now_ns = self.clock.ns();
        let made = {
            let mut state = self.st();
            let State { settings, rng, clients, .. } = &mut *state;
            let window = usize::try_from(settings.window).unwrap_or(1);
            let numbers = 0..clients.each.len();
            let free = |at: &usize| clients.each.get(*at).is_some_and(|client| client.intents.len() < window);
            let free: Vec<usize> = numbers.filter(free).collect();
            let Some(client) = rng.pick(&free).copied() else { return };
            let drawing = Drawing { settings, now_ns };
            let mut intent = None;
            for _ in 0..WISHES {
                let wish = rng.weighed(&settings.wishes).and_then(|at| Wish::ALL.get(at));
                intent = wish.and_then(|wish| wish.make(clients, client, drawing));
                if intent.is_some() {
                    break;
                }
            }
            intent.map(|intent| (client, intent))
        };
        if let Some((client, intent)) = made {
            let at = self.intend(client, intent);
            let may = self.st().clients.each.get(client).is_some_and(|client| client.idle().contains(&at));
            if may {
                let _ = self.send(client, at);
            }
        }
    }

    /// A client adds to what it wants answered. Returns its place.
    pub(crate) fn intend(&self, client: usize, intent: Intent) -> usize {
        let mut state = self.st();
        let Some(client) = state.clients.each.get_mut(client) else { return usize::MAX };
        client.intents.push(intent);
        client.intents.len() - 1
    }

    /// A client asks again for what nobody has answered, resumes its writer, or gives up.
    pub(super) fn retry(&self) {
        let chosen = {
            let mut state = self.st();
            let is_calm = state.is_calm;
            let State { rng, clients, .. } = &mut *state;
            let busy: Vec<usize> = (0..clients.each.len())
                .filter(|at| clients.each.get(*at).is_some_and(|client| !client.intents.is_empty()))
                .collect();
            let Some(number) = rng.pick(&busy).copied() else { return };
            let Some(client) = clients.each.get_mut(number) else { return };
            client.resume();
            let idle = client.idle();
            let Some(at) = rng.pick(&idle).copied() else { return };
            let sends = client.intents.get(at).map_or(0, |intent| intent.sends);
            if (!is_calm && rng.chance(1, 12)) || sends > SENDS_MOST {
                client.intents.remove(at);
                return;
            }
            (number, at)
        };
        let _ = self.send(chosen.0, chosen.1);
    }

    /// Sends what a client wants answered. The decision is made when this returns.
    /// Returns the number of the call.
    pub(crate) fn send(&self, client: usize, at: usize) -> Option<CallNo> {
        let stepped = self.stepped()?;
        let engine = stepped.engine();
        let (before, had_failed) = (last_seq(engine), engine.has_failed());
        let (call, asked, outer, finds) = {
            let mut state = self.st();
            state.counts.calls += 1;
            let call = state.counts.calls;
            let intent = state.clients.each.get_mut(client).and_then(|c| c.intents.get_mut(at))?;
            intent.call = Some(call);
            intent.sends += 1;
            let asked = intent.asked.clone();
            let outer = state.asking.replace(before);
            (call, asked, outer, state.disk.failed_finds())
        };
        self.tell(format_args!("client {client} asks #{call}: {asked:?}"));
        let now = Time::from_ns(self.clock.ns());
        let holds = self.st().holds.take();
        let ticket = asked.ask(engine);
        self.st().holds = holds;
        let after = last_seq(engine);
        let span = Span { before, after, now };
        let modelled = {
            let mut state = self.st();
            state.asking = outer;
            if state.is_dead {
                return None;
            }
            // An index that cannot be read stops a call before anything is decided: there is nothing to predict.
            let was_stopped = after == before && state.disk.failed_finds() > finds;
            let is_modelled = !engine.has_failed() && !was_stopped;
            if is_modelled {
                state.model.asked(call, span, &asked);
                state.auditor.asked(call, &asked);
            }
            is_modelled.then_some(span)
        };
        self.must(after == before || !had_failed, || {
            format!("call #{call} drew a seq after the journal had failed")
        });
        self.must(ticket.seq() <= after, || {
            format!("the answer to #{call} waits for seq {}, and {after} was drawn", ticket.seq())
        });
        let (first, waits_for) = (before + 1, ticket.seq());
        self.tell(format_args!("decided #{call}: records {first} to {after}, opens at {waits_for}"));
        self.st().calls.insert(call, Call { client, asked, ticket, modelled });
        Some(call)
    }
}

impl crate::client::Client {
    /// Takes the next step of a writer that resumes: a newer epoch, then its position in each session.
    fn resume(&mut self) {
        let Some((writer, epoch)) = self.writer.open else { return };
        if self.writer.is_stale {
            let is_asking = |intent: &Intent| matches!(intent.asked, Asked::OpenWriter(_));
            if !self.intents.iter().any(is_asking) {
                self.intents.push(Intent::new(Asked::OpenWriter(Some(writer))));
            }
        } else if let Some(session) = self.writer.unsure.first().copied() {
            let is_asking = |intent: &Intent| matches!(intent.asked, Asked::Position { session: asked, .. } if asked == session);
            if !self.intents.iter().any(is_asking) {
                self.intents.push(Intent::new(Asked::Position { session, writer, epoch }));
            }
        }
    }
}
