//! Owns: what clients ask for anew: drawn from what they know, within what the settings allow.
//! Never: what only the engine knows; a lie, which is `lie`'s.

use crate::{
    asked::{Asked, External, Key, Named, NewAccount, NewDebit, NewSession, Stopped},
    client::{Clients, Intent},
    rng::Rng,
    roster::{KnownAccount, KnownDebit, KnownHold, KnownSession},
    settings::{Features, Settings},
    time::SECOND,
};
use tallystick_core::{
    Amount, Currency, EnvelopeId, PayeeId, Span, Time,
    account::Funding,
    command::Act,
    control::{Promises, State},
    deposit::DepositState,
    session::{Mode, SecretHash},
    velocity::{Measure, VelocityLimit},
    writer::Numbered,
};

/// Names what a client may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as what is asked")]
pub enum Wish {
    Account,
    Deposit,
    MoveDeposit,
    Withdraw,
    Repay,
    Limit,
    Payee,
    Block,
    Open,
    TopUp,
    Reverse,
    Debit,
    Numbered,
    Batch,
    Writer,
    Position,
    Settle,
    Stop,
    Show,
    LookUp,
    Totals,
    Lie,
}

/// Is what a wish is drawn with.
#[derive(Debug, Clone, Copy)]
pub struct Drawing<'a> {
    /// What the seed drew.
    pub settings: &'a Settings,
    /// What a client's clock says: about the present. *Units*: nanoseconds since 1970.
    pub now_ns: u64,
}

/// Whose accounts some are.
const FRONT_END: &str = "psp";
const USD: Currency = Currency::from_number(840);
const EUR: Currency = Currency::from_number(978);

impl Wish {
    /// Lists all.
    pub const ALL: [Self; 22] = [
        Self::Account,
        Self::Deposit,
        Self::MoveDeposit,
        Self::Withdraw,
        Self::Repay,
        Self::Limit,
        Self::Payee,
        Self::Block,
        Self::Open,
        Self::TopUp,
        Self::Reverse,
        Self::Debit,
        Self::Numbered,
        Self::Batch,
        Self::Writer,
        Self::Position,
        Self::Settle,
        Self::Stop,
        Self::Show,
        Self::LookUp,
        Self::Totals,
        Self::Lie,
    ];

    /// Draws how often it is wished for in a world.
    pub fn weight(self, rng: &mut Rng, features: &Features) -> u32 {
        let when = |feature: bool, most: u64| if feature { most } else { 0 };
        let most = match self {
            Self::Account => 30,
            Self::Deposit => 60,
            Self::MoveDeposit => 25,
            Self::Withdraw => 15,
            Self::Repay | Self::Limit => when(features.credit, 20),
            Self::Payee => 30,
            Self::Block => when(features.blocks, 8),
            Self::Open => 120,
            Self::TopUp => when(features.top_ups, 25),
            Self::Reverse => when(features.reversals, 40),
            Self::Debit => 350,
            Self::Numbered => when(features.numbers, 350),
            Self::Batch => when(features.batches, 100),
            Self::Writer => when(features.numbers, 15),
            Self::Position => when(features.numbers, 10),
            Self::Settle => 45,
            Self::Stop => when(features.stops, 30),
            Self::Show => 60,
            Self::LookUp => 50,
            Self::Totals => 10,
            Self::Lie => when(features.lies, 120),
        };
        u32::try_from(rng.between(most / 6, most)).unwrap_or(0)
    }

    /// Makes an intent of it; `None` when its client knows too little, or has enough.
    pub fn make(self, clients: &mut Clients, client: usize, drawing: Drawing<'_>) -> Option<Intent> {
        let asked = match self {
            Self::Account => clients.account(drawing)?,
            Self::Deposit => clients.deposit(drawing)?,
            Self::MoveDeposit => {
                let states = [DepositState::Available, DepositState::Failed, DepositState::Returned];
                let deposit = *clients.rng.pick(&clients.roster.deposits)?;
                Asked::MoveDeposit { deposit, to: *clients.rng.pick(&states)? }
            }
            Self::Withdraw | Self::Repay | Self::Limit => clients.out(self, drawing)?,
            Self::Payee => {
                if clients.roster.payees.len() as u64 >= drawing.settings.payees {
                    return None;
                }
                Asked::CreatePayee { key: clients.key(drawing.settings.partitions), name: "payee".into() }
            }
            Self::Block => Asked::BlockPayee(*clients.rng.pick(&clients.roster.payees)?),
            Self::Open => clients.open(drawing)?,
            Self::TopUp => clients.top_up(drawing)?,
            Self::Reverse => clients.reverse()?,
            Self::Debit => Asked::Debit(clients.debit(drawing)?),
            Self::Numbered => Asked::Debit(clients.numbered(client, drawing)?),
            Self::Batch => clients.batch(client, drawing)?,
            Self::Writer => clients.writer(client)?,
            Self::Position => clients.position(client)?,
            Self::Settle => {
                let session = clients.rng.pick(&clients.roster.sessions)?.id;
                Asked::Settle { session, cascade: clients.rng.chance(1, 2) }
            }
            Self::Stop => clients.stop()?,
            Self::Show => clients.show()?,
            Self::LookUp => clients.look_up(client)?,
            Self::Totals => Asked::Totals,
            Self::Lie => {
                let asked = crate::lie::make(clients, client, drawing)?;
                return Some(Intent { is_lie: true, ..Intent::new(asked) });
            }
        };
        Some(Intent::new(asked))
    }
}

/// Returns the partition that the engine gives a key's row. A key is drawn until it lies where the settings want it.
fn partition_of(key: &[u8]) -> u64 {
    let hash = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (hash ^ (hash >> 32)) % 256
}

impl Clients {
    /// Makes a new key. Account and payee keys lie in the first few of the partitions that ids are drawn in.
    pub fn key(&mut self, partitions: u64) -> Key {
        loop {
            self.made += 1;
            let key = format!("k{}", self.made).into_bytes();
            if partitions >= 256 || (0..partitions).any(|nth| nth * 37 % 256 == partition_of(&key)) {
                return key;
            }
        }
    }

    fn plain_key(&mut self) -> Key {
        self.made += 1;
        format!("k{}", self.made).into_bytes()
    }

    /// Draws an amount, mostly small.
    pub fn amount(&mut self, most: u64) -> Amount {
        let most = if self.rng.chance(3, 4) { most / 4 } else { most };
        Amount::from_nanos(self.rng.between(1, most.max(1)))
    }

    fn account(&mut self, drawing: Drawing<'_>) -> Option<Asked> {
        let settings = drawing.settings;
        if self.roster.accounts.len() as u64 >= settings.accounts {
            return None;
        }
        let funding = match self.rng.below(4) {
            0 if settings.features.credit => Funding::CreditLine,
            1 if settings.features.external => Funding::ExternalAuthority,
            _ => Funding::Prepaid,
        };
        let external = (funding == Funding::ExternalAuthority).then(|| External {
            amount: self.amount(settings.cap_most),
            reference: "authority".into(),
            usable_until: Time::from_ns(drawing.now_ns + settings.ttl_most_ns * 3 + 3_600 * SECOND),
            margin: Span::from_ns(self.rng.below(3_600 * SECOND)),
        });
        let is_line = funding == Funding::CreditLine;
        Some(Asked::CreateAccount(NewAccount {
            key: self.key(settings.partitions),
            currency: if self.rng.chance(1, 5) { EUR } else { USD },
            reference: "account".into(),
            funding,
            credit_limit: if is_line { self.amount(settings.cap_most) } else { Amount::ZERO },
            external,
            front_end: if self.rng.chance(1, 2) { FRONT_END.into() } else { String::new() },
            velocity: self.velocity(settings, settings.features.windows && settings.features.account_windows),
        }))
    }

    /// Picks an account, mostly one of a funding.
    fn account_of(&mut self, funding: Funding) -> Option<KnownAccount> {
        let fit: Vec<KnownAccount> =
            self.roster.accounts.iter().copied().filter(|known| known.funding == funding).collect();
        let of = if self.rng.chance(1, 20) { &self.roster.accounts } else { &fit };
        self.rng.pick(of).copied()
    }

    fn deposit(&mut self, drawing: Drawing<'_>) -> Option<Asked> {
        let known = self.account_of(Funding::Prepaid)?;
        Some(Asked::Deposit {
            account: known.id,
            key: self.plain_key(),
            amount: self.amount(drawing.settings.cap_most.saturating_mul(2)),
            currency: if self.rng.chance(1, 30) { EUR } else { known.currency },
            pending: self.rng.chance(1, 3),
        })
    }

    fn out(&mut self, wish: Wish, drawing: Drawing<'_>) -> Option<Asked> {
        let funding = if wish == Wish::Withdraw { Funding::Prepaid } else { Funding::CreditLine };
        let known = self.account_of(funding)?;
        let (account, currency, key) = (known.id, known.currency, self.plain_key());
        let amount = self.amount(drawing.settings.cap_most);
        Some(match wish {
            Wish::Withdraw => Asked::Withdraw { account, key, amount, currency },
            Wish::Repay => Asked::Repay { account, key, amount, currency },
            _ => Asked::SetCreditLimit { account, key, limit: amount },
        })
    }

    fn few_payees(&mut self) -> Vec<PayeeId> {
        let mut some = Vec::new();
        for payee in self.roster.payees.clone() {
            if self.rng.chance(2, 3) {
                some.push(payee);
            }
        }
        some
    }

    fn open(&mut self, drawing: Drawing<'_>) -> Option<Asked> {
        let Drawing { settings, now_ns } = drawing;
        if self.roster.sessions.len() as u64 >= settings.sessions {
            return None;
        }
        let below = settings.features.trees && self.rng.chance(2, 3);
        let above = if below { self.rng.pick(&self.roster.sessions).cloned() } else { None };
        let parent_proof = above.as_ref().and_then(|above| above.secret);
        let (parent, currency, allowed) = match above {
            Some(KnownSession { id, currency, payees, .. }) => (EnvelopeId::Session(id), currency, payees),
            None => {
                let known = self.rng.pick(&self.roster.accounts)?;
                (EnvelopeId::Account(known.id), known.currency, Vec::new())
            }
        };
        let is_below = matches!(parent, EnvelopeId::Session(_));
        let is_shared = settings.features.shared && self.rng.chance(2, 5);
        let ttl = if is_below && self.rng.chance(4, 5) {
            0
        } else {
            self.rng.between(settings.ttl_most_ns / 3, settings.ttl_most_ns)
        };
        let mut new = NewSession {
            parent,
            mode: if is_shared { Mode::Shared } else { Mode::Reserved },
            key: self.plain_key(),
            currency,
            cap: self.amount(settings.cap_most),
            ttl: Span::from_ns(ttl),
            not_before: Time::ZERO,
            payees: Vec::new(),
            payee_caps: Vec::new(),
            default_payee_cap: Amount::ZERO,
            debit_min: Amount::ZERO,
            debit_max: Amount::ZERO,
            principal: "principal".into(),
            method: "passkey".into(),
            evidence_hash: None,
            approved_at: Time::ZERO,
            reference: String::new(),
            approval_above: Amount::ZERO,
            secret: None,
            parent_proof,
            velocity: Vec::new(),
        };
        if settings.features.clauses {
            self.narrow(&mut new, &allowed, (settings.amount_most, now_ns));
        }
        if settings.features.secrets && self.rng.chance(1, 3) {
            new.secret = Some(SecretHash([u8::try_from(self.made % 250).unwrap_or(0); 32]));
        }
        let features = &settings.features;
        if self.rng.chance(1, 2) {
            new.velocity =
                self.velocity(settings, features.windows && !features.account_windows && !is_below);
        }
        if settings.features.thresholds && self.rng.chance(1, 4) {
            new.approval_above = self.amount(settings.amount_most);
        }
        Some(Asked::OpenSession(Box::new(new)))
    }

    /// Draws clauses of a mandate.
    fn narrow(&mut self, new: &mut NewSession, allowed: &[PayeeId], (most, now_ns): (u64, u64)) {
        if self.rng.chance(1, 4) {
            new.payees = self.few_payees();
            if !allowed.is_empty() && self.rng.chance(3, 4) {
                new.payees.retain(|payee| allowed.contains(payee));
            }
        }
        if self.rng.chance(1, 3) {
            let capped = if new.payees.is_empty() { self.few_payees() } else { new.payees.clone() };
            for payee in capped {
                if self.rng.chance(1, 2) {
                    let cap = self.amount(most.saturating_mul(2));
                    new.payee_caps.push((payee, cap));
                }
            }
        }
        if self.rng.chance(1, 6) {
            new.default_payee_cap = self.amount(most.saturating_mul(2));
        }
        if self.rng.chance(1, 6) {
            new.debit_min = self.amount(most / 2);
        }
        if self.rng.chance(1, 6) {
            let max = self.amount(most);
            new.debit_max = max.max(new.debit_min);
        }
        if self.rng.chance(1, 8) {
            new.not_before = Time::from_ns(now_ns + self.rng.below(SECOND / 10));
        }
    }

    fn top_up(&mut self, drawing: Drawing<'_>) -> Option<Asked> {
        let known = self.rng.pick(&self.roster.sessions)?;
        let (session, parent) = (known.id, known.parent);
        let parent_proof = parent.and_then(|parent| self.roster.secret_of(parent));
        let extends = self.rng.chance(1, 3);
        let add = if extends && self.rng.chance(1, 2) {
            Amount::ZERO
        } else {
            self.amount(drawing.settings.cap_most)
        };
        let extend_by = if extends { self.rng.between(1, drawing.settings.ttl_most_ns) } else { 0 };
        let extend_by = Span::from_ns(extend_by);
        Some(Asked::TopUp { session, key: self.plain_key(), add, extend_by, parent_proof })
    }

    fn reverse(&mut self) -> Option<Asked> {
        let roster = &self.roster;
        let is_open = |debit: &KnownDebit| roster.sessions.iter().any(|known| known.id == debit.session);
        let open: Vec<KnownDebit> = roster.debits.iter().filter(|debit| is_open(debit)).cloned().collect();
        let of = if self.rng.chance(1, 8) { &roster.debits } else { &open };
        let debit = self.rng.pick(of)?.clone();
        let amount = if self.rng.chance(1, 2) { Amount::ZERO } else { self.amount(debit.taken.nanos()) };
        Some(Asked::Reverse {
            session: debit.session,
            key: self.plain_key(),
            debit_seq: debit.seq,
            payee: debit.payee,
            taken: debit.taken,
            amount,
        })
    }

    /// Draws a debit by key.
    pub fn debit(&mut self, drawing: Drawing<'_>) -> Option<NewDebit> {
        let known = self.rng.pick(&self.roster.sessions)?.clone();
        let payee = match self.rng.pick(&known.payees).filter(|_| !known.payees.is_empty()) {
            Some(payee) if self.rng.chance(3, 4) => *payee,
            _ => *self.rng.pick(&self.roster.payees)?,
        };
        let key = self.plain_key();
        self.roster.used(known.id, &key);
        let currency = match self.rng.below(12) {
            0 => Currency::UNSTATED,
            1 => EUR,
            _ => known.currency,
        };
        let amount = self.amount(drawing.settings.amount_most);
        let mut new = NewDebit {
            session: known.id,
            act: Act::Debit,
            proof: known.secret,
            payee,
            amount,
            currency,
            named: Named::Key(key),
            reference: if self.rng.chance(1, 4) { "order".into() } else { String::new() },
            evidence: self.rng.chance(1, 8).then_some([7; 32]),
            partial: drawing.settings.features.partials && self.rng.chance(1, 5),
        };
        if drawing.settings.features.holds && self.rng.chance(1, 2) {
            self.promise(&mut new, known.ends_at, drawing);
        }
        Some(new)
    }

    /// Makes a hold of a debit, or a capture or void of one that is known: mostly of its session, and within what it holds.
    fn promise(&mut self, new: &mut NewDebit, ends_at: Time, drawing: Drawing<'_>) {
        let near = self.roster.holds.iter().filter(|hold| hold.session == new.session);
        let near: Vec<KnownHold> = near.cloned().collect();
        let of = if self.rng.chance(1, 12) { &self.roster.holds } else { &near };
        let known = self.rng.pick(of).cloned();
        new.partial = false;
        let Some(hold) = known.filter(|_| self.rng.chance(3, 5)) else {
            let tolerance =
                if self.rng.chance(1, 2) { self.amount(new.amount.nanos()) } else { Amount::ZERO };
            new.act = Act::Hold { tolerance, until: self.until(ends_at, drawing) };
            return;
        };
        // Now and then for another payee.
        if self.rng.chance(11, 12) {
            new.payee = hold.payee;
        }
        if hold.session != new.session && self.rng.chance(2, 3) {
            (new.session, new.proof) = (hold.session, self.roster.secret_of(hold.session));
        }
        let hold_seq = if self.rng.chance(1, 40) { hold.seq + 1 } else { hold.seq };
        if self.rng.chance(1, 4) {
            (new.act, new.amount) = (Act::Void { hold: hold_seq }, Amount::ZERO);
        } else {
            new.act = Act::Capture { hold: hold_seq, last: self.rng.chance(1, 4) };
            new.amount = match self.rng.below(8) {
                0 => Amount::from_nanos(hold.whole),
                1 => Amount::from_nanos(hold.whole.saturating_add(1)),
                _ => self.amount(hold.whole),
            };
        }
    }

    /// Draws until when a hold lasts: mostly within its session's end, sometimes just beyond what may be.
    fn until(&mut self, ends_at: Time, drawing: Drawing<'_>) -> Time {
        let grace = 7 * 86_400 * SECOND;
        let ns = match self.rng.below(12) {
            0..=3 => return Time::ZERO,
            4 => ends_at.ns(),
            5 => ends_at.ns() + self.rng.below(drawing.settings.ttl_most_ns),
            6 => ends_at.ns() + grace,
            7 if self.rng.chance(1, 4) => ends_at.ns() + grace + 1,
            8 if self.rng.chance(1, 4) => drawing.now_ns,
            _ => drawing.now_ns + self.rng.between(1, drawing.settings.ttl_most_ns / 3),
        };
        Time::from_ns(ns)
    }

    /// Draws a debit by number; the number is taken.
    pub fn numbered(&mut self, client: usize, drawing: Drawing<'_>) -> Option<NewDebit> {
        let new = self.debit(drawing)?;
        let session = new.session;
        let owner = self.each.get_mut(client)?;
        let (writer, epoch) = owner.writer.open?;
        if owner.writer.is_stale || owner.writer.unsure.contains(&session) {
            return None;
        }
        let acked_through = if self.rng.chance(1, 2) { owner.acked(session) } else { 0 };
        let next = owner.writer.next.entry(session).or_insert(1);
        let number = *next;
        *next += 1;
        let at = Numbered { writer, epoch, number, acked_through: acked_through.min(number - 1) };
        Some(NewDebit { named: Named::Number(at), ..new })
    }

    fn batch(&mut self, client: usize, drawing: Drawing<'_>) -> Option<Asked> {
        let mut debits: Vec<NewDebit> = Vec::new();
        for _ in 0..self.rng.between(1, 6) {
            let before = self.rng.pick(&debits).cloned();
            let new = match self.rng.below(5) {
                // The same debit twice in one batch.
                0 if before.is_some() => before,
                1 | 2 if drawing.settings.features.numbers => self.numbered(client, drawing),
                _ => self.debit(drawing),
            };
            debits.extend(new);
        }
        if debits.is_empty() { None } else { Some(Asked::Batch(debits)) }
    }

    fn writer(&mut self, client: usize) -> Option<Asked> {
        let owner = self.each.get(client)?;
        let is_asking = |intent: &Intent| matches!(intent.asked, Asked::OpenWriter(_));
        if owner.intents.iter().any(is_asking) {
            return None;
        }
        match owner.writer.open {
            Some((id, _)) => self.rng.chance(1, 6).then_some(Asked::OpenWriter(Some(id))),
            None => Some(Asked::OpenWriter(None)),
        }
    }

    fn position(&mut self, client: usize) -> Option<Asked> {
        let owner = self.each.get(client)?;
        let (writer, epoch) = owner.writer.open?;
        let session = self.rng.pick(&self.roster.sessions)?.id;
        // Whoever has numbers on their way knows where it stands.
        let knows = owner.writer.next.contains_key(&session);
        (!knows).then_some(Asked::Position { session, writer, epoch })
    }

    /// Pauses, lets go or revokes: mostly lets go what is paused, and revokes little.
    fn stop(&mut self) -> Option<Asked> {
        let note = String::from("operator");
        let paused: Vec<_> = self.roster.controls.iter().filter(|(.., paused)| *paused).cloned().collect();
        if let Some((on, epoch, _)) = self.rng.pick(&paused).cloned()
            && self.rng.chance(2, 3)
        {
            let epoch = if self.rng.chance(1, 8) { epoch.saturating_sub(1) } else { epoch };
            return Some(Asked::Control { on, to: State::Open, epoch: Some(epoch), note });
        }
        let on = match self.rng.below(12) {
            0 => Stopped::FrontEnd(FRONT_END.into()),
            1..=2 => Stopped::Account(self.rng.pick(&self.roster.accounts)?.id),
            3 => Stopped::Session(*self.rng.pick(&self.roster.settled)?),
            _ => Stopped::Session(self.rng.pick(&self.roster.sessions)?.id),
        };
        let is_session = matches!(on, Stopped::Session(_));
        let to = match self.rng.below(if is_session { 4 } else { 24 }) {
            0 => State::Revoked(Promises::Honour),
            1 => State::Revoked(Promises::Void),
            _ => State::Paused,
        };
        let known = self.roster.controls.iter().find(|(known, ..)| *known == on).map(|(_, epoch, _)| *epoch);
        let epoch = if self.rng.chance(1, 3) { Some(known.unwrap_or(0)) } else { None };
        Some(Asked::Control { on, to, epoch, note })
    }

    /// Draws limits in time.
    fn velocity(&mut self, settings: &Settings, windows: bool) -> Vec<VelocityLimit> {
        let mut limits = Vec::new();
        for _ in 0..self.rng.below(3) {
            let measure = if self.rng.chance(1, 2) { Measure::Count } else { Measure::Amount };
            let most = match measure {
                Measure::Count => self.rng.between(1, 6),
                Measure::Amount => self.amount(settings.amount_most.saturating_mul(6)).nanos(),
            };
            let longest = settings.ttl_most_ns.min(60 * SECOND);
            let mut limit = VelocityLimit::new(measure, most, Span::from_ns(self.rng.between(1, longest)));
            limit.each_payee = self.rng.chance(1, 3);
            if self.rng.chance(1, 3) {
                limit.burst = self.rng.between(1, most.saturating_mul(2));
            }
            limits.push(limit);
        }
        if !settings.features.rates {
            limits.clear();
        }
        if windows {
            let most = self.rng.between(1, 12);
            let per = Span::from_ns(self.rng.between(61 * SECOND, 61 * SECOND + settings.ttl_most_ns));
            let limit = VelocityLimit::new(Measure::Count, most, per);
            limits.insert(0, VelocityLimit { each_payee: self.rng.chance(1, 3), ..limit });
        }
        limits
    }

    fn show(&mut self) -> Option<Asked> {
        let roster = &self.roster;
        Some(match self.rng.below(5) {
            0 => Asked::ShowAccount(self.rng.pick(&roster.accounts)?.id),
            1 => Asked::ShowPayee(*self.rng.pick(&roster.payees)?),
            2 => Asked::ShowSession(self.rng.pick(&roster.sessions)?.id),
            3 => Asked::ShowSession(*self.rng.pick(&roster.settled)?),
            _ => Asked::ShowSettlement(*self.rng.pick(&roster.settlements)?),
        })
    }

    fn look_up(&mut self, client: usize) -> Option<Asked> {
        if self.rng.chance(1, 2) {
            let (session, key) = self.rng.pick(&self.roster.keys)?.clone();
            return Some(Asked::LookUpKey { session, key });
        }
        let owner = self.each.get(client)?;
        let (writer, _) = owner.writer.open?;
        let all: Vec<_> = owner.writer.next.iter().map(|(session, next)| (*session, *next)).collect();
        let (session, next) = *self.rng.pick(&all)?;
        Some(Asked::LookUpNumber { session, writer, number: self.rng.between(1, next) })
    }
}
