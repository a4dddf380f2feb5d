//! Owns: the caller's half of the tally stick: what it heard approved, by session and payee, laid beside what the
//! server settled. Never: asks the server anything, or forgives a difference.

use crate::{Answer, PayeeId, SessionId, v1::Settlement};
use std::collections::BTreeMap;

/// Sums what one payee got out of one session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notch {
    /// Nanos heard approved.
    pub approved_nanos: u128,
    /// Debits heard approved.
    pub debit_count: u64,
}

/// Says what two figures count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Money.
    Nanos,
    /// Debits.
    Debits,
}

/// Tells where the two halves do not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What was compared, in words.
    pub place: String,
    /// What the figures count.
    pub unit: Unit,
    /// What this side counted.
    pub ours: u128,
    /// What the server says.
    pub theirs: u128,
}

impl Difference {
    /// Compares two sums of money and returns their difference, if there is one.
    #[must_use]
    pub fn in_nanos(place: impl FnOnce() -> String, ours: u128, theirs: u128) -> Option<Self> {
        (ours != theirs).then(|| Self { place: place(), unit: Unit::Nanos, ours, theirs })
    }

    /// Compares two counts of debits and returns their difference, if there is one.
    #[must_use]
    pub fn in_debits(place: impl FnOnce() -> String, ours: u64, theirs: u64) -> Option<Self> {
        let (ours, theirs) = (ours.into(), theirs.into());
        (ours != theirs).then(|| Self { place: place(), unit: Unit::Debits, ours, theirs })
    }

    /// Returns how far apart they are.
    #[must_use]
    pub fn size(&self) -> u128 {
        self.ours.abs_diff(self.theirs)
    }
}

/// Counts every answer that was heard.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    sessions: BTreeMap<SessionId, BTreeMap<PayeeId, Notch>>,
    /// Answers of any kind.
    pub answered: u64,
    /// Approvals of what is spent: debits and captures.
    pub approved: u64,
    /// Holds placed and given back.
    pub held: u64,
    /// Declines, by the code's name without its prefix (`CAP`, `PAYEE_CAP` …).
    pub declined_by_code: BTreeMap<&'static str, u64>,
    /// Debits that were refused, so that nothing was decided about them.
    pub refused: u64,
    /// Answers that had been decided before the connection was lost, and were heard on the second asking.
    pub replayed: u64,
}

impl Tally {
    /// Cuts one notch: what was asked, and what the answer was. Of a partial approval, what was taken counts.
    pub fn hear(&mut self, session: &SessionId, payee: &PayeeId, amount_nanos: u64, answer: &Answer) {
        self.answered += 1;
        match answer {
            Answer::Approved { replayed, partial_nanos, .. } => {
                self.approved += 1;
                self.replayed += u64::from(*replayed);
                let notch = self.notch_mut(session, payee);
                notch.approved_nanos += u128::from(partial_nanos.unwrap_or(amount_nanos));
                notch.debit_count += 1;
            }
            Answer::Held { replayed, .. } => {
                self.held += 1;
                self.replayed += u64::from(*replayed);
            }
            Answer::Declined { code, replayed, .. } => {
                self.replayed += u64::from(*replayed);
                let name = code.as_str_name();
                let name = name.strip_prefix("DECLINE_CODE_").unwrap_or(name);
                *self.declined_by_code.entry(name).or_default() += 1;
            }
            Answer::Refused { .. } => self.refused += 1,
        }
    }

    /// Cuts many approvals at once, for callers that count by themselves.
    pub fn add(&mut self, session: &SessionId, payee: &PayeeId, sum: Notch) {
        self.answered += sum.debit_count;
        self.approved += sum.debit_count;
        let notch = self.notch_mut(session, payee);
        notch.approved_nanos += sum.approved_nanos;
        notch.debit_count += sum.debit_count;
    }

    /// Returns everything declined.
    #[must_use]
    pub fn declined(&self) -> u64 {
        self.declined_by_code.values().sum()
    }

    /// Returns what was heard of one session, by payee.
    #[must_use]
    pub fn session(&self, session: &SessionId) -> BTreeMap<PayeeId, Notch> {
        self.sessions.get(session).cloned().unwrap_or_default()
    }

    /// Returns the nanos heard approved in one session.
    #[must_use]
    pub fn session_nanos(&self, session: &SessionId) -> u128 {
        self.sessions.get(session).map_or(0, |lines| lines.values().map(|notch| notch.approved_nanos).sum())
    }

    /// Returns what was heard for one payee over all sessions.
    #[must_use]
    pub fn payee(&self, payee: &PayeeId) -> Notch {
        self.sessions.values().filter_map(|lines| lines.get(payee)).fold(Notch::default(), |sum, notch| {
            Notch {
                approved_nanos: sum.approved_nanos + notch.approved_nanos,
                debit_count: sum.debit_count + notch.debit_count,
            }
        })
    }

    /// Adds another tally's notches, for instance another writer's.
    pub fn merge(&mut self, other: Self) {
        for (session, lines) in other.sessions {
            let ours = self.sessions.entry(session).or_default();
            for (payee, notch) in lines {
                let sum = ours.entry(payee).or_default();
                sum.approved_nanos += notch.approved_nanos;
                sum.debit_count += notch.debit_count;
            }
        }
        for (code, count) in other.declined_by_code {
            *self.declined_by_code.entry(code).or_default() += count;
        }
        self.answered += other.answered;
        self.held += other.held;
        self.approved += other.approved;
        self.refused += other.refused;
        self.replayed += other.replayed;
    }

    /// Lays this half beside one settlement: each payee's line in nanos and in debits, and the total.
    ///
    /// *Returns* every difference, in money and in counts; none means that the halves match.
    #[must_use]
    pub fn compare(&self, settlement: &Settlement) -> Vec<Difference> {
        let session = SessionId::new(&settlement.session_id);
        let mut ours = self.session(&session);
        let mut found = Vec::new();
        let mut lines_nanos = 0_u128;
        for line in &settlement.lines {
            let notch = ours.remove(&PayeeId::new(&line.payee_id)).unwrap_or_default();
            lines_nanos += u128::from(line.amount_nanos);
            let place = || format!("settlement of {session}, line of {}", line.payee_id);
            found.extend(Difference::in_nanos(place, notch.approved_nanos, line.amount_nanos.into()));
            found.extend(Difference::in_debits(place, notch.debit_count, line.debit_count));
        }
        for (payee, notch) in ours {
            let place = || format!("settlement of {session}, no line for {payee}");
            found.extend(Difference::in_nanos(place, notch.approved_nanos, 0));
        }
        let total = || format!("settlement of {session}, lines against total");
        found.extend(Difference::in_nanos(total, lines_nanos, settlement.total_nanos.into()));
        found
    }

    fn notch_mut(&mut self, session: &SessionId, payee: &PayeeId) -> &mut Notch {
        self.sessions.entry(session.clone()).or_default().entry(payee.clone()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{DeclineCode, SettlementLine};

    fn heard() -> Tally {
        let (session, acme, globex) = (SessionId::new("ses_1"), PayeeId::new("pay_1"), PayeeId::new("pay_2"));
        let yes = Answer::Approved { seq: 1, partial_nanos: None, remaining_nanos: 0, replayed: false };
        let no = Answer::Declined { code: DeclineCode::Cap, seq: 2, remaining_nanos: 0, replayed: true };
        let mut tally = Tally::default();
        tally.hear(&session, &acme, 600, &yes);
        tally.hear(&session, &acme, 600, &yes);
        tally.hear(&session, &globex, 150, &yes);
        tally.hear(&session, &globex, 150, &no);
        tally
    }

    fn settlement(lines: &[(&str, u64, u64)]) -> Settlement {
        let line = |(payee, amount_nanos, debit_count): &(&str, u64, u64)| SettlementLine {
            payee_id: (*payee).to_owned(),
            amount_nanos: *amount_nanos,
            debit_count: *debit_count,
        };
        Settlement {
            session_id: "ses_1".to_owned(),
            total_nanos: lines.iter().map(|(_, nanos, _)| nanos).sum(),
            lines: lines.iter().map(line).collect(),
            ..Settlement::default()
        }
    }

    #[test]
    fn equal_halves_match() {
        assert_eq!(heard().compare(&settlement(&[("pay_1", 1200, 2), ("pay_2", 150, 1)])), Vec::new());
        assert_eq!(heard().session_nanos(&SessionId::new("ses_1")), 1350);
        assert_eq!((heard().declined_by_code["CAP"], heard().replayed), (1, 1));
    }

    #[test]
    fn one_nano_is_found_and_so_is_a_missing_line() {
        let found = heard().compare(&settlement(&[("pay_1", 1199, 2)]));
        let sizes: Vec<_> = found.iter().map(|difference| (difference.unit, difference.size())).collect();
        assert_eq!(sizes, [(Unit::Nanos, 1), (Unit::Nanos, 150)]);
    }

    #[test]
    fn a_line_nobody_heard_of_is_a_difference() {
        let found = heard().compare(&settlement(&[("pay_1", 1200, 2), ("pay_2", 150, 1), ("pay_3", 7, 1)]));
        assert_eq!(found.iter().map(Difference::size).sum::<u128>(), 8);
    }

    #[test]
    fn tallies_merge() {
        let mut sum = heard();
        sum.merge(heard());
        assert_eq!(sum.payee(&PayeeId::new("pay_1")), Notch { approved_nanos: 2400, debit_count: 4 });
        assert_eq!((sum.answered, sum.approved, sum.declined()), (8, 6, 2));
    }
}
