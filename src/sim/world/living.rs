//! Owns: a world's two phases: one in which things go wrong, and one in which nothing does and everything must end.
//! Never: ends early with something outstanding and calls that a success.

use super::World;
use crate::{asked::Asked, client::Intent, settings::Faults};
use tallystick_core::Time;

/// Bounds the second phase: what has not ended by then never will. *Units*: steps.
const CALM_MOST: u64 = 60_000;

impl World {
    /// Lives through both phases. `steps`: of the first.
    pub fn live(&self, steps: u64) {
        self.start();
        for _ in 0..steps {
            if self.failure().is_some() {
                return;
            }
            self.step();
            self.rise();
        }
        self.calm_down();
        self.rise();
        self.end_well();
    }

    /// Moves a few times, for a script: whoever is drawn moves, and whatever dies comes back.
    pub fn go_on(&self, steps: u64) {
        for _ in 0..steps {
            if self.failure().is_some() {
                return;
            }
            self.step();
            self.rise();
        }
    }

    /// Brings the process back if it has died; one whose journal has failed goes on for a while, and ends.
    pub(crate) fn rise(&self) {
        let has_failed = self.stepped().is_some_and(|stepped| stepped.engine().has_failed());
        let ends = {
            let mut state = self.st();
            if state.failure.is_some() {
                return;
            }
            state.is_dead || (has_failed && (state.is_calm || state.rng.chance(1, 6)))
        };
        if ends {
            self.restart();
            self.ask_again();
        }
    }

    /// After a start, somebody asks again for all that clients know of: it is still there, whatever a crash took.
    fn ask_again(&self) {
        let shows: Vec<Asked> = {
            let mut state = self.st();
            if !state.rng.chance(1, 2) {
                return;
            }
            let roster = &state.clients.roster;
            let sessions = roster.sessions.iter().map(|known| Asked::ShowSession(known.id));
            let accounts = roster.accounts.iter().map(|known| Asked::ShowAccount(known.id));
            let payees = roster.payees.iter().map(|id| Asked::ShowPayee(*id));
            let settlements = roster.settlements.iter().map(|id| Asked::ShowSettlement(*id));
            sessions.chain(accounts).chain(payees).chain(settlements).collect()
        };
        for asked in shows {
            let at = self.intend(0, Intent::new(asked));
            match self.send(0, at) {
                Some(call) => drop(self.poll(call)),
                None => return,
            }
        }
    }

    /// From here on nothing goes wrong.
    pub(crate) fn calm_down(&self) {
        self.tell(format_args!("from here on nothing goes wrong"));
        let mut state = self.st();
        let slow_disk = state.faults.slow_disk;
        state.faults = Faults { slow_disk, ..Faults::NONE };
        state.is_calm = true;
        state.disk.calm();
        // An index that has stopped follows again after a restart.
        let has_stopped = state.follower.is_none();
        drop(state);
        if has_stopped {
            self.crash();
        }
    }

    /// Lets everything outstanding end, settles every session, and looks at what is left.
    pub(crate) fn end_well(&self) {
        if !self.end_calls() {
            return;
        }
        let mut rounds = 0;
        while self.failure().is_none() && !self.open_sessions().is_empty() {
            rounds += 1;
            if rounds > 50 {
                return self.wrong(format!("sessions stay open: {:?}", self.open_sessions()));
            }
            let roots: Vec<_> = {
                let state = self.st();
                let roots = state.mirror.truth.open.iter().filter(|(_, (_, parent))| parent.is_none());
                roots.map(|(session, _)| *session).collect()
            };
            for session in roots {
                self.intend(0, Intent::new(Asked::Settle { session, cascade: true }));
            }
            if !self.end_calls() {
                return;
            }
            self.let_holds_end();
        }
        self.look_back();
    }

    /// What waits for a hold settles by itself once the last one has ended, and not before.
    fn let_holds_end(&self) {
        let mut ends: Vec<Time> = self.st().mirror.open_holds().into_iter().map(|(_, until)| until).collect();
        ends.sort_unstable();
        for until in ends {
            for at in [until.ns().saturating_sub(1), until.ns()] {
                self.clock.set(self.clock.ns().max(at));
                let early = self.sweep_all();
                if self.is_over() {
                    return;
                }
                let waiting = self.st().mirror.open_holds();
                let now = self.clock.ns();
                let late: Vec<_> = waiting.iter().filter(|(_, until)| until.ns() <= now).collect();
                self.must(late.is_empty(), || format!("holds are over, and held: {late:?}; swept {early}"));
            }
        }
        let closing = self.st().mirror.closing();
        self.must(closing.is_empty(), || format!("the last hold has ended, and these wait: {closing:?}"));
    }

    /// Sweeps until nothing is due, and commits. Returns how much was.
    pub(crate) fn sweep_all(&self) -> usize {
        let mut all = 0;
        while let Some(stepped) = self.stepped() {
            let swept = stepped.engine().sweep(4);
            all += swept;
            if swept == 0 || !self.settle_down() {
                break;
            }
        }
        self.settle_down();
        all
    }

    /// Lets clients ask until each has its answer. Returns whether they did.
    fn end_calls(&self) -> bool {
        for _ in 0..CALM_MOST {
            if self.failure().is_some() {
                return false;
            }
            if self.st().clients.waiting() == 0 {
                return true;
            }
            self.step();
            self.rise();
        }
        let waiting: Vec<String> = {
            let state = self.st();
            let all = state.clients.each.iter().flat_map(|client| &client.intents);
            all.map(|intent| format!("{intent:?}")).collect()
        };
        self.wrong(format!("nobody answers: {waiting:#?}"));
        false
    }
}
