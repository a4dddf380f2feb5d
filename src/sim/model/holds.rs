//! Owns: holds: placed, captured, given back, over; what they set aside, and who may do what with a session's secret.
//! Never: a counter; what a hold still holds is what was promised less what was captured, summed anew.

use super::{
    ladder::{No, no},
    state::{Debit, Session, State},
    tree::Due,
    velocity::Count,
    words::malformed,
    written::{Off, Written, same, wrong},
};
use crate::asked::{NewDebit, Stopped};
use tallystick_core::{
    Amount, Currency, DeclineCode as Code, EnvelopeId, Level, Next, PayeeId, Refusal, SessionId, Span, Time,
    command::Act,
    control::Control,
    partition::{HoldView, SessionView},
    record::HoldLapsed,
    session::{Guard, Hold, HoldEnd, SecretHash},
    velocity::VelocityView,
};

/// Captures may come so long after a session's end.
const GRACE: Span = Span::from_days(7);

/// Is what an act comes to.
pub(super) struct Ruling {
    pub(super) taken: Result<u64, No>,
    /// It captures a hold that has ended: a debit like any other.
    pub(super) late: bool,
}

/// Is what a session is shown to have that few have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Guarded {
    secret: Option<SecretHash>,
    approval_above: u64,
    carry: bool,
    open: Vec<(u64, Hold)>,
    ended: Vec<(u64, HoldEnd, Hold)>,
    control: Option<Control>,
    /// Each with the least and the most that may be shown to be left.
    velocity: Vec<(VelocityView, u64)>,
}

impl Guarded {
    /// Reads what was shown.
    fn of(view: &SessionView) -> Self {
        let read = |guard: &Guard| Self {
            secret: guard.secret,
            approval_above: guard.approval_above.nanos_or_zero(),
            carry: guard.carry,
            open: guard.holds.open().map(|(seq, hold)| (seq, *hold)).collect(),
            ended: in_order(guard.holds.ended().map(|(seq, end, hold)| (seq, end, *hold))),
            control: guard.control.as_deref().cloned(),
            velocity: Vec::new(),
        };
        let velocity = view.velocity.iter().map(|view| (*view, view.left)).collect();
        Self { velocity, ..view.guard.as_ref().map_or_else(Self::default, read) }
    }

    /// Says whether a session is shown to have all this.
    pub(super) fn is_in(&self, view: &SessionView) -> bool {
        let shown = Self::of(view);
        let within = |(least, most): (VelocityView, u64), (shown, left): (VelocityView, u64)| {
            (least.limit, least.payee_count) == (shown.limit, shown.payee_count)
                && (least.left..=most).contains(&left)
        };
        let mut pairs = self.velocity.iter().zip(&shown.velocity);
        self.velocity.len() == shown.velocity.len()
            && pairs.all(|(should, shown)| within(*should, *shown))
            && Self { velocity: Vec::new(), ..self.clone() } == Self { velocity: Vec::new(), ..shown }
    }
}

impl Debit {
    /// Returns what of a hold was not captured.
    pub(super) fn uncaptured(&self) -> u64 {
        self.asked.whole() - self.captures.iter().sum::<u64>()
    }
}

impl State {
    /// Returns whether a hold is open; by `Due::Released`, one whose time is over is not.
    fn is_open(&self, hold: &Debit, due: Due) -> bool {
        let lasts = match due {
            Due::Held => true,
            Due::Released(now) => now < hold.until,
            Due::Unwound(now) => now < hold.until && !self.is_voided(hold),
        };
        hold.ended.is_none() && lasts
    }

    /// Returns whether a hold stands in something whose revocation voids it.
    fn is_voided(&self, hold: &Debit) -> bool {
        self.promises(hold.asked.session).is_err()
    }

    fn holds<'a>(&'a self, session: &'a Session) -> impl Iterator<Item = &'a Debit> {
        session.holds.iter().filter_map(|seq| self.debits.get(seq))
    }

    /// Returns what a session's own holds set aside.
    pub(super) fn held_on(&self, session: &Session, due: Due) -> u128 {
        let open = self.holds(session).filter(|hold| self.is_open(hold, due));
        open.map(|hold| u128::from(hold.uncaptured())).sum()
    }

    /// Returns what a session's own holds promise a payee.
    pub(super) fn held_for(&self, session: &Session, payee: PayeeId, due: Due) -> u128 {
        let open = self.holds(session).filter(|hold| hold.asked.payee == payee && self.is_open(hold, due));
        open.map(|hold| u128::from(hold.uncaptured())).sum()
    }

    /// Returns whether a session has open holds of its own, over or not.
    pub(super) fn has_holds(&self, session: &Session) -> bool {
        self.holds(session).any(|hold| hold.ended.is_none())
    }

    /// Returns whether a session has holds of its own whose time is over, and nobody has said so.
    pub(super) fn is_over(&self, session: &Session, now: Time) -> bool {
        let over = |hold: &Debit| hold.until <= now || self.is_voided(hold);
        self.holds(session).any(|hold| hold.ended.is_none() && over(hold))
    }

    /// Returns whether a hold is open in a session or in anything open below it: it cannot settle before that ends.
    pub(super) fn waits(&self, session: &Session, due: Due) -> bool {
        let below = || session.children.iter().filter_map(|id| self.open(*id));
        self.holds(session).any(|hold| self.is_open(hold, due)) || below().any(|child| self.waits(child, due))
    }

    /// Refuses whoever does not know a session's secret.
    pub(super) fn check_secret(&self, id: SessionId, proof: Option<SecretHash>) -> Result<(), Refusal> {
        let secret = self.sessions.get(&id).and_then(|row| row.secret);
        if secret.is_some() && proof != secret { Err(Refusal::SecretWrong) } else { Ok(()) }
    }

    /// Says what is done: a hold that does not say until when lasts until its session's end.
    pub(super) fn effective(&self, ask: &NewDebit) -> Act {
        match ask.act {
            Act::Hold { tolerance, until: Time::ZERO } => {
                let until = self.sessions.get(&ask.session).map_or(Time::ZERO, |row| row.ends);
                Act::Hold { tolerance, until }
            }
            act => act,
        }
    }

    /// Decides a debit, a hold, a capture or a void. *Errors*: what it names is not there, or cannot be.
    pub(super) fn rule_act(
        &self,
        ask: &NewDebit,
        (now, count): (Time, Count),
        due: Due,
    ) -> Result<Ruling, Refusal> {
        let ruled = |taken| Ok(Ruling { taken, late: false });
        match ask.act {
            Act::Debit => ruled(self.rule(ask, (now, count), due)),
            Act::Hold { until, .. } => {
                self.check_until(ask, until, now)?;
                ruled(self.rule(ask, (now, count), due).map(|_| ask.amount.nanos()))
            }
            Act::Capture { hold, .. } => {
                let hold = self.named(ask, hold)?;
                if let Err(no) = self.promises(ask.session) {
                    return Ok(Ruling { taken: Err(no), late: hold.ended == Some(HoldEnd::Expired) });
                }
                match hold.ended {
                    Some(HoldEnd::Expired) => {
                        Ok(Ruling { taken: self.rule(ask, (now, count), due), late: true })
                    }
                    Some(HoldEnd::Done | HoldEnd::Voided) => ruled(Err(of_hold(ask, Code::HoldEnded))),
                    None => ruled(self.within_hold(ask, hold)),
                }
            }
            Act::Void { hold } => {
                let hold = self.named(ask, hold)?;
                let open = hold.ended.is_none();
                ruled(if open { Ok(hold.uncaptured()) } else { Err(of_hold(ask, Code::HoldEnded)) })
            }
        }
    }

    /// A hold ends after now, within the grace after its session's end, and while the account's authority can be used.
    fn check_until(&self, ask: &NewDebit, until: Time, now: Time) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get(&ask.session) else { return Ok(()) };
        if until == Time::ZERO {
            return Ok(());
        }
        let account = self.accounts.get(&session.account);
        let usable = account.and_then(|account| account.external.as_ref()).map(|e| e.usable_until);
        let latest = Time::from_ns(session.ends.ns().saturating_add(GRACE.ns()));
        let holds = until > now && until <= latest && usable.is_none_or(|usable| until <= usable);
        if holds { Ok(()) } else { Err(malformed("capture_until")) }
    }

    /// Finds the hold that is named; it must be the payee's.
    fn named(&self, ask: &NewDebit, seq: u64) -> Result<&Debit, Refusal> {
        let row = self.sessions.get(&ask.session).filter(|row| row.holds.contains(&seq));
        let hold = row.and_then(|_| self.debits.get(&seq)).ok_or(Refusal::UnknownHold)?;
        if hold.asked.payee == ask.payee { Ok(hold) } else { Err(malformed("payee_id")) }
    }

    /// A capture meets its hold's own tests alone.
    fn within_hold(&self, ask: &NewDebit, hold: &Debit) -> Result<u64, No> {
        let currency = self.sessions.get(&ask.session).map(|row| row.currency);
        if ask.currency != Currency::UNSTATED && Some(ask.currency) != currency {
            return Err(of_hold(ask, Code::CurrencyMismatch));
        }
        let left = hold.uncaptured();
        if ask.amount.nanos() > left {
            let next = Next::SmallerAmount(Amount::from_nanos(left));
            return Err(no(Code::AboveHold, Level::Session, next, EnvelopeId::Session(ask.session)));
        }
        Ok(ask.amount.nanos())
    }

    /// A hold whose time is over is given back before anybody is told what became of a capture of it, or of its void.
    pub(super) fn end_named_hold(
        &mut self,
        ask: &NewDebit,
        at: Time,
        w: &mut Written<'_>,
    ) -> Result<(), Off> {
        let is_over = |state: &Self| {
            let named = ask.act.hold().filter(|seq| {
                let row = state.sessions.get(&ask.session);
                row.is_some_and(|row| row.holds.contains(seq))
            });
            let hold = named.and_then(|seq| state.debits.get(&seq));
            hold.is_some_and(|hold| hold.ended.is_none() && hold.until <= at)
        };
        if is_over(self) {
            self.released(w)?;
            if is_over(self) {
                return Err(Off::Short(format!("the end of a hold that was over before {ask:?}")));
            }
        }
        Ok(())
    }

    /// Follows what an approved hold, capture or void does.
    pub(super) fn change_holds(&mut self, ask: &NewDebit, seq: u64, (taken, late): (u64, bool)) {
        match ask.act {
            Act::Hold { .. } => {
                if let Some(row) = self.sessions.get_mut(&ask.session) {
                    row.holds.push(seq);
                }
            }
            Act::Capture { hold, last } if !late => {
                if let Some(hold) = self.debits.get_mut(&hold) {
                    hold.captures.push(taken);
                    if last || hold.uncaptured() == 0 {
                        hold.ended = Some(HoldEnd::Done);
                    }
                }
            }
            Act::Void { hold } => self.end_hold(hold, HoldEnd::Voided),
            Act::Debit | Act::Capture { .. } => {}
        }
    }

    fn end_hold(&mut self, seq: u64, end: HoldEnd) {
        if let Some(hold) = self.debits.get_mut(&seq) {
            hold.ended = Some(end);
        }
    }

    /// A hold is over: not before its time, once, and what it still held is given back.
    pub(super) fn lapsed(&mut self, seq: u64, at: Time, lapsed: &HoldLapsed) -> Result<(), Off> {
        let row = self.open(lapsed.session).filter(|row| row.holds.contains(&lapsed.hold));
        let hold = row.and_then(|_| self.debits.get(&lapsed.hold));
        let Some(hold) = hold.filter(|hold| hold.ended.is_none()) else {
            return wrong(format!("record {seq} ends what is no open hold: {lapsed:?}"));
        };
        // Before its time only a revocation ends a hold by itself.
        let end = if at < hold.until { HoldEnd::Voided } else { HoldEnd::Expired };
        if end == HoldEnd::Voided && !self.is_voided(hold) {
            return wrong(format!("record {seq}, at {at}, ends a hold that lasts until {}", hold.until));
        }
        same(seq, &HoldLapsed { released: Amount::from_nanos(hold.uncaptured()), ..*lapsed }, lapsed)?;
        self.end_hold(lapsed.hold, end);
        Ok(())
    }

    /// Returns what a session must be shown to have that few have.
    pub(super) fn guarded(&self, id: SessionId, now: Time) -> Guarded {
        let Some(row) = self.sessions.get(&id) else { return Guarded::default() };
        let shown = |debit: &Debit| self.hold_shown(debit);
        let open = self.holds(row).filter(|hold| hold.ended.is_none());
        let ended = self.holds(row).filter_map(|hold| Some((hold.seq, hold.ended?, shown(hold))));
        Guarded {
            secret: row.secret,
            approval_above: row.approval,
            carry: false,
            open: open.map(|hold| (hold.seq, shown(hold))).collect(),
            ended: in_order(ended),
            control: self.shown_control(&Stopped::Session(id)).map(|word| *word),
            velocity: {
                let now = self.at(id.partition(), now);
                let most = self.velocity_views(id, now, Count::Exact).into_iter().map(|view| view.left);
                self.velocity_views(id, now, Count::Longest).into_iter().zip(most).collect()
            },
        }
    }

    /// Returns a hold as its session has it.
    fn hold_shown(&self, debit: &Debit) -> Hold {
        let notice = self.notices.get(&(debit.asked.session.partition(), debit.asked.payee));
        let tolerance = Amount::from_nanos(debit.asked.whole() - debit.asked.amount.nanos());
        Hold {
            payee: notice.map_or(u32::MAX, |notice| notice.slot),
            amount: debit.asked.amount,
            tolerance,
            left: Amount::from_nanos(debit.uncaptured()),
            captured: Amount::from_nanos(debit.captures.iter().sum()),
            capture_count: u32::try_from(debit.captures.len()).unwrap_or(u32::MAX),
            until: debit.until,
            placed_at: debit.at,
        }
    }

    /// Returns the hold that an answer at `seq` is about, as it is then; of a hold, only of one that was placed.
    pub(super) fn hold_after(
        &self,
        ask: &NewDebit,
        (seq, at): (u64, Time),
        is_approved: bool,
    ) -> Option<HoldView> {
        let placed = matches!(ask.act, Act::Hold { .. }) && is_approved;
        let hold = self.debits.get(&if placed { seq } else { ask.act.hold()? })?;
        let currency = self.sessions.get(&ask.session)?.currency;
        Some(HoldView {
            session: ask.session,
            seq: hold.seq,
            payee: hold.asked.payee,
            currency,
            end: hold.ended.or((hold.until <= at).then_some(HoldEnd::Expired)),
            hold: self.hold_shown(hold),
        })
    }
}

/// Returns ended holds in the order in which they were placed; the order in which they ended is not modelled.
fn in_order(ended: impl Iterator<Item = (u64, HoldEnd, Hold)>) -> Vec<(u64, HoldEnd, Hold)> {
    let mut ended: Vec<_> = ended.collect();
    ended.sort_unstable_by_key(|(seq, ..)| *seq);
    ended
}

fn of_hold(ask: &NewDebit, code: Code) -> No {
    no(code, Level::Session, Next::Nothing, EnvelopeId::Session(ask.session))
}
