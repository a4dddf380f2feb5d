//! Owns: two worlds of two partitions each. Every record is decided, encoded, decoded, and applied to both: as it was decided
//! in the one, as it was read in the other. Never: a rule.

use tallystick_core::{
    AccountId, Amount, Currency, DepositId, EnvelopeId, Partition, PayeeId, Record, Refusal, SessionId,
    Stamp, Time, WriterId,
    command::{
        CreateAccount, CreatePayee, Debit, Deposit, OpenSession, Repay, SetCreditLimit, TopUp, Withdraw,
    },
    decide::{self, Decided},
    deposit::DepositState,
    hash::Seed,
    record::{Genesis, OutboxDelivered},
    tree::Step,
    verify,
};
use tallystick_journal::{codec, rows};

pub(crate) const USD: Currency = Currency::from_number(840);
pub(crate) const MORNING: u64 = 1_800_000_000_000_000_000;
/// Accounts and sessions are in either; payees in the first.
pub(crate) const NUMBERS: [u16; 2] = [7, 9];
const LEAVES_MOST: usize = 64;

/// Is a debit that can be taken back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) session: SessionId,
    pub(crate) payee: PayeeId,
    pub(crate) seq: u64,
    pub(crate) taken: Amount,
}

/// Is both worlds, and what was made in them.
#[derive(Debug)]
pub(crate) struct Ledger {
    decided: [Partition; 2],
    read: [Partition; 2],
    pub(crate) now: u64,
    seq: u64,
    draws: u64,
    /// Every record as the journal would hold it.
    pub(crate) bytes: Vec<u8>,
    pub(crate) accounts: Vec<AccountId>,
    pub(crate) deposits: Vec<DepositId>,
    pub(crate) payees: Vec<PayeeId>,
    pub(crate) sessions: Vec<SessionId>,
    pub(crate) writers: Vec<(WriterId, u32)>,
    pub(crate) debits: Vec<Taken>,
}

fn place(partition: u16) -> usize {
    NUMBERS.iter().position(|number| *number == partition).unwrap_or(0)
}

impl Ledger {
    pub(crate) fn new() -> Self {
        let both = || NUMBERS.map(Partition::new);
        let mut ledger = Self {
            decided: both(),
            read: both(),
            now: MORNING,
            seq: 0,
            draws: 0,
            bytes: Vec::new(),
            accounts: Vec::new(),
            deposits: Vec::new(),
            payees: Vec::new(),
            sessions: Vec::new(),
            writers: Vec::new(),
            debits: Vec::new(),
        };
        let genesis = Genesis { seed: Seed([3; 16]), partitions: tallystick_core::PARTITIONS };
        ledger.write(NUMBERS[0], &Record::Genesis(genesis));
        // The genesis is one partition's record; the others are told its seed.
        for world in [&mut ledger.decided, &mut ledger.read] {
            world[1].adopt_seed(genesis.seed);
        }
        ledger
    }

    pub(crate) fn partition(&self, number: u16) -> &Partition {
        &self.decided[place(number)]
    }

    /// Returns when a decision in this partition is made.
    pub(crate) fn time(&self, number: u16) -> Time {
        self.partition(number).decision_time(Time::from_ns(self.now))
    }

    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    fn draw(&mut self) -> u64 {
        self.draws += 1;
        self.draws.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Writes a record as the engine would, and reads it as recovery would.
    fn write(&mut self, number: u16, record: &Record<'_>) -> u64 {
        self.seq += 1;
        let stamp = Stamp { partition: number, at: self.time(number), actor: 0 };
        let at = place(number);
        assert_eq!(verify::decide_again(&self.decided[at], &stamp, record), Ok(()), "{record:?}");
        let from = self.bytes.len();
        codec::encode(&stamp, record, &mut self.bytes);
        let (stamp_read, record_read, len) =
            codec::decode(&self.bytes[from..]).unwrap_or_else(|damage| panic!("{damage}: {record:?}"));
        assert_eq!((stamp_read, &record_read, len), (stamp, record, self.bytes.len() - from));
        self.decided[at].apply(self.seq, &stamp, record);
        self.read[at].apply(self.seq, &stamp_read, &record_read);
        self.seq
    }

    fn decided<T>(&mut self, number: u16, decided: Decided<'_, T>) -> Option<u64> {
        match decided {
            Decided::Record(record) => Some(self.write(number, &record)),
            Decided::Replay(_) => None,
        }
    }

    pub(crate) fn create_account(&mut self, number: u16, command: &CreateAccount<'_>) -> Result<(), Refusal> {
        let drawn = (self.time(number), self.draw());
        let decided = decide::create_account(self.partition(number), command, None, drawn)?;
        if let Decided::Record(Record::AccountCreated(made)) = &decided {
            self.accounts.push(made.id);
        }
        self.decided(number, decided);
        Ok(())
    }

    pub(crate) fn deposit(&mut self, command: &Deposit<'_>) -> Result<(), Refusal> {
        let (number, draw) = (command.account.partition(), self.draw());
        let decided = decide::deposit(self.partition(number), command, None, draw)?;
        if let Decided::Record(Record::DepositMade(made)) = &decided {
            self.deposits.push(made.id);
        }
        self.decided(number, decided);
        Ok(())
    }

    pub(crate) fn move_deposit(&mut self, id: DepositId, to: DepositState) -> Result<(), Refusal> {
        let decided = decide::move_deposit(self.partition(id.partition()), id, to)?;
        self.decided(id.partition(), decided);
        Ok(())
    }

    pub(crate) fn withdraw(&mut self, command: &Withdraw<'_>) -> Result<(), Refusal> {
        let number = command.account.partition();
        let decided = decide::withdraw(self.partition(number), command, None)?;
        self.decided(number, decided);
        Ok(())
    }

    pub(crate) fn repay(&mut self, command: &Repay<'_>) -> Result<(), Refusal> {
        let number = command.account.partition();
        let decided = decide::repay(self.partition(number), command, None)?;
        self.decided(number, decided);
        Ok(())
    }

    pub(crate) fn set_credit_limit(&mut self, command: &SetCreditLimit<'_>) -> Result<(), Refusal> {
        let number = command.account.partition();
        let decided = decide::set_credit_limit(self.partition(number), command, None)?;
        self.decided(number, decided);
        Ok(())
    }

    /// Registers a payee, and tells both partitions of it.
    pub(crate) fn create_payee(&mut self, command: &CreatePayee<'_>) -> Result<(), Refusal> {
        let (home, draw) = (NUMBERS[0], self.draw());
        let decided = decide::create_payee(self.partition(home), command, None, draw)?;
        let Decided::Record(Record::PayeeCreated(made)) = &decided else { return Ok(()) };
        let id = made.id;
        self.decided(home, decided);
        self.payees.push(id);
        for with in NUMBERS {
            let shared = tallystick_core::record::PayeeShared { id, with };
            self.write(home, &Record::PayeeShared(shared));
            self.give_notice(with, id)?;
        }
        Ok(())
    }

    pub(crate) fn block_payee(&mut self, id: PayeeId) -> Result<(), Refusal> {
        let home = id.partition();
        let decided = decide::block_payee(self.partition(home), id)?;
        self.decided(home, decided);
        NUMBERS.into_iter().try_for_each(|number| self.give_notice(number, id))
    }

    fn give_notice(&mut self, number: u16, id: PayeeId) -> Result<(), Refusal> {
        let payee = self.partition(id.partition()).payee(id)?.clone();
        let decided = decide::take_notice(self.partition(number), &payee)?;
        self.decided(number, decided);
        Ok(())
    }

    pub(crate) fn open_session(&mut self, command: &OpenSession<'_>) -> Result<(), Refusal> {
        let number = match command.parent {
            EnvelopeId::Account(id) => id.partition(),
            EnvelopeId::Session(id) => id.partition(),
        };
        let drawn = (self.time(number), self.draw());
        let decided = decide::open_session(self.partition(number), command, None, drawn)?;
        if let Decided::Record(Record::SessionOpened(made)) = &decided {
            self.sessions.push(made.id);
        }
        self.decided(number, decided);
        Ok(())
    }

    pub(crate) fn top_up(&mut self, command: &TopUp<'_>) -> Result<(), Refusal> {
        let number = command.session.partition();
        let decided = decide::top_up(self.partition(number), command, None, self.time(number))?;
        self.decided(number, decided);
        Ok(())
    }

    pub(crate) fn debit(&mut self, command: &Debit<'_>) -> Result<(), Refusal> {
        let number = command.session.partition();
        let (decided, _) = decide::debit(self.partition(number), command, self.time(number))?;
        let taken = match &decided {
            Decided::Record(Record::Debited(debited)) => debited.taken,
            Decided::Record(_) | Decided::Replay(_) => Amount::ZERO,
        };
        let Some(seq) = self.decided(number, decided) else { return Ok(()) };
        if taken != Amount::ZERO {
            self.debits.push(Taken { session: command.session, payee: command.payee, seq, taken });
        }
        Ok(())
    }

    pub(crate) fn reverse(&mut self, command: &tallystick_core::command::Reverse<'_>) -> Result<(), Refusal> {
        let number = command.session.partition();
        let decided = decide::reverse(self.partition(number), command, None)?;
        self.decided(number, decided);
        Ok(())
    }

    pub(crate) fn open_writer(&mut self, number: u16, id: Option<WriterId>) -> Result<(), Refusal> {
        let number = id.map_or(number, WriterId::partition);
        let draw = self.draw();
        let opened = decide::open_writer(self.partition(number), id, draw)?;
        self.writers.push((opened.id, opened.epoch));
        self.write(number, &Record::WriterOpened(opened));
        Ok(())
    }

    pub(crate) fn position(&mut self, session: SessionId, writer: (WriterId, u32)) -> Result<(), Refusal> {
        let number = session.partition();
        let (decided, _) = decide::position_writer(self.partition(number), session, writer.0, writer.1)?;
        self.decided(number, decided);
        Ok(())
    }

    /// Settles a session, those below it first if asked, and carries the lines to the payees.
    pub(crate) fn settle(&mut self, id: SessionId, cascade: bool) -> Result<(), Refusal> {
        let number = id.partition();
        for _ in 0..LEAVES_MOST {
            match decide::settle(self.partition(number), id, self.time(number), false) {
                Ok(record) => {
                    self.write(number, &record);
                    self.deliver(number);
                    return Ok(());
                }
                Err(Refusal::OpenChildren) if cascade => {}
                Err(refusal) => return Err(refusal),
            }
            if let Ok(decided) = decide::close(self.partition(number), id) {
                self.decided(number, decided);
            }
            let now = self.time(number);
            let record = match self.partition(number).next_step_to_close(id, now) {
                Some(Step::Settle { session, cascading }) => {
                    decide::settle(self.partition(number), session, now, cascading)?
                }
                Some(Step::Lapse(session)) => decide::lapse(self.partition(number), session, now)?,
                Some(Step::Close(session)) => match decide::close(self.partition(number), session)? {
                    Decided::Record(record) => record,
                    Decided::Replay(()) => return Ok(()),
                },
                None => return Ok(()),
            };
            self.write(number, &record);
        }
        self.deliver(number);
        Ok(())
    }

    /// Settles every session whose end has come.
    pub(crate) fn sweep(&mut self) {
        for number in NUMBERS {
            while let Some(due) = self.partition(number).due_session(Time::from_ns(self.now)) {
                assert_eq!(self.settle(due, true), Ok(()), "a session that is due can be settled");
            }
        }
    }

    fn deliver(&mut self, source: u16) {
        let lines: Vec<_> = self.partition(source).outgoing().copied().collect();
        for line in &lines {
            let home = line.line.payee.partition();
            let decided = decide::post_settlement(self.partition(home), source, line);
            self.decided(home, decided);
        }
        if let Some(last) = lines.last() {
            let delivered = OutboxDelivered { through: last.no };
            self.write(source, &Record::OutboxDelivered(delivered));
        }
    }

    /// Checks that both worlds are sound and the same, and that a checkpoint of them comes back as it was.
    pub(crate) fn check(mut self) {
        for ((number, decided), read) in NUMBERS.into_iter().zip(&mut self.decided).zip(&mut self.read) {
            let stored = stored(decided, self.seq);
            assert_eq!(decided.check_sound(), Ok(()));
            assert_eq!(read.check_sound(), Ok(()));
            assert_eq!(stored, self::stored(read, self.seq), "what was read is another world");
            let mut loaded = load(number, &stored).unwrap_or_else(|why| panic!("{why}"));
            loaded.copy_all_again();
            let again = self::stored(&mut loaded, self.seq);
            assert_eq!((stored.head, stored.rows), (again.head, again.rows), "a checkpoint is another world");
        }
    }
}

/// Is a checkpoint as bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) head: Vec<u8>,
    /// Table, slot, row; in order.
    pub(crate) rows: Vec<(u8, u32, Vec<u8>)>,
    pub(crate) settlements: Vec<Vec<u8>>,
    pub(crate) keys: Vec<Vec<u8>>,
}

pub(crate) fn stored(partition: &mut Partition, covered: u64) -> Stored {
    let (head, filing) = partition.cut(covered);
    let mut rows = Vec::new();
    loop {
        let copied = partition.copy(64);
        if copied.is_empty() {
            break;
        }
        rows.extend(copied.iter().map(|(slot, row)| (rows::table(row), *slot, rows::encode_row(row))));
    }
    rows.sort();
    Stored {
        head: rows::encode_head(&head),
        rows,
        settlements: filing.settlements.iter().map(rows::encode_settlement).collect(),
        keys: filing.command_keys.iter().map(rows::encode_command_key).collect(),
    }
}

/// Takes a partition up from a checkpoint, as recovery does.
pub(crate) fn load(number: u16, stored: &Stored) -> Result<Partition, String> {
    let mut partition = Partition::new(number);
    for (table, slot, row) in &stored.rows {
        let row = rows::decode_row(*table, row).map_err(|fault| fault.to_string())?;
        partition.load_row(*slot, row)?;
    }
    let head = rows::decode_head(&stored.head).map_err(|fault| fault.to_string())?;
    partition.load_head(head)?;
    Ok(partition)
}

impl Ledger {
    /// Returns what a checkpoint of both partitions stores.
    pub(crate) fn checkpoints(mut self) -> [Stored; 2] {
        let seq = self.seq;
        [0, 1].map(|at| stored(&mut self.decided[at], seq))
    }
}
