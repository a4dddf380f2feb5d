//! Owns: where corpora begin: a small world with a little of everything, and every form in which it is stored or asked for.
//! Never: random; the same seeds come out each time.

use crate::{
    bytes::Choices,
    ledger::{Ledger, MORNING, NUMBERS, USD},
    targets::{Op, act},
};
use prost::Message;
use std::sync::Arc;
use tallystick_core::{
    Amount, EnvelopeId, PayeeId, SessionId, Span, WriterId,
    account::Funding,
    command::{CreateAccount, CreatePayee, Debit, Deposit, Intent, OpenSession, Reverse, TopUp, Withdraw},
    deposit::DepositState,
    session::Mode,
    writer::Numbered,
};
use tallystick_journal::{
    GroupWriter, Journal as _, NeededFrom, ProjectionStore,
    memory::{MemoryIndex, MemoryJournal, MemoryProjection},
};
use tallystick_projection::{Follower, Options, Parts, Silent, Step};
use tallystick_proto::v1;

const RECORDS_PER_GROUP: u32 = 4;

fn nanos(nanos: u64) -> Amount {
    Amount::from_nanos(nanos)
}

/// Makes the small world.
pub(crate) fn ledger() -> Ledger {
    let mut ledger = Ledger::new();
    make(&mut ledger).unwrap_or_else(|refusal| panic!("the seed was refused: {refusal:?}"));
    ledger
}

fn make(ledger: &mut Ledger) -> Result<(), tallystick_core::Refusal> {
    let [first, second] = NUMBERS;
    ledger
        .create_account(first, &CreateAccount { reference: "ours", ..CreateAccount::prepaid(b"a", USD) })?;
    let credit = CreateAccount {
        funding: Funding::CreditLine,
        credit_limit: nanos(1_000_000),
        ..CreateAccount::prepaid(b"b", USD)
    };
    ledger.create_account(second, &credit)?;
    let account = ledger.accounts[0];
    let deposit = Deposit { account, key: b"d", amount: nanos(5_000_000), currency: USD, pending: true };
    ledger.deposit(&deposit)?;
    ledger.move_deposit(ledger.deposits[0], DepositState::Available)?;
    ledger.deposit(&Deposit { key: b"e", pending: false, ..deposit })?;
    ledger.withdraw(&Withdraw { account, key: b"w", amount: nanos(7), currency: USD })?;
    ledger.withdraw(&Withdraw { account, key: b"v", amount: nanos(u64::MAX >> 2), currency: USD })?;
    for name in ["acme", "búho", "c"] {
        ledger.create_payee(&CreatePayee { key: name.as_bytes(), name })?;
    }
    let hour = Span::from_hours(1);
    let parent = EnvelopeId::Account(account);
    let open = OpenSession::capped(parent, b"s", (nanos(1_000_000), USD), hour);
    let capped = OpenSession {
        payee_caps: vec![(ledger.payees[0], nanos(90_000))],
        principal: "cfo",
        method: "passkey",
        evidence_hash: Some([9; 32]),
        reference: "job",
        ..open.clone()
    };
    ledger.open_session(&capped)?;
    ledger.open_session(&OpenSession { key: b"t", ..open.clone() })?;
    let child = OpenSession {
        parent: EnvelopeId::Session(ledger.sessions[0]),
        key: b"c",
        cap: nanos(50_000),
        mode: Mode::Shared,
        ..open
    };
    ledger.open_session(&child)?;
    ledger.open_writer(first, None)?;
    let writer = ledger.writers[0];
    ledger.position(ledger.sessions[0], writer)?;
    for (nth, session) in ledger.sessions.clone().into_iter().enumerate() {
        pay(ledger, nth, session, writer)?;
    }
    let taken = ledger.debits[0];
    let (session, payee, debit_seq) = (taken.session, taken.payee, taken.seq);
    ledger.reverse(&Reverse {
        session,
        key: b"r",
        debit_seq,
        payee,
        taken: taken.taken,
        amount: nanos(3),
    })?;
    ledger.top_up(&TopUp { session, key: b"u", add: nanos(5), extend_by: hour, parent_proof: None })?;
    ledger.settle(ledger.sessions[1], false)?;
    ledger.block_payee(ledger.payees[2])
}

/// Pays by key and by number, all and in part, and once too much.
fn pay(
    ledger: &mut Ledger,
    nth: usize,
    session: SessionId,
    (writer, epoch): (WriterId, u32),
) -> Result<(), tallystick_core::Refusal> {
    let payees = ledger.payees.clone();
    for (number, amount) in (1..).zip([5, 5, 10_000, 1 << 40, 5]) {
        let numbered = Numbered { writer, epoch, number, acked_through: 0 };
        let key = [b'k', number as u8];
        let debit = Debit {
            act: tallystick_core::command::Act::Debit,
            proof: None,
            session,
            payee: payees[(nth + number as usize) % 3],
            amount: nanos(amount),
            currency: USD,
            intent: if number % 2 == 0 {
                Intent::Key(&key)
            } else {
                Intent::Number(Numbered { number: number.div_ceil(2), ..numbered })
            },
            reference: if number == 3 { "invoice 7" } else { "" },
            evidence: (number == 5).then_some([7; 32]),
            partial: number == 4 && nth == 1,
        };
        ledger.now += 1_000_000;
        ledger.debit(&debit)?;
    }
    Ok(())
}

/// Is an index that has followed half of a journal.
pub(crate) struct Followed {
    journal: Arc<MemoryJournal>,
    store: MemoryProjection,
    /// How many entries it has.
    pub(crate) entries: usize,
    /// The journal's last seq.
    pub(crate) last_seq: u64,
    pub(crate) debits: Vec<(SessionId, PayeeId, u64)>,
    pub(crate) keys: Vec<(SessionId, [u8; 2])>,
    pub(crate) numbers: Vec<(SessionId, WriterId)>,
}

impl Followed {
    pub(crate) fn copy(&self) -> Arc<MemoryProjection> {
        Arc::new(self.store.survivors(0))
    }

    pub(crate) fn parts(&self, store: &Arc<MemoryProjection>) -> Parts {
        parts(&self.journal, store)
    }
}

fn parts(journal: &Arc<MemoryJournal>, store: &Arc<MemoryProjection>) -> Parts {
    Parts {
        journal: Arc::clone(journal) as _,
        checkpoints: Arc::new(MemoryIndex::default()),
        store: Arc::clone(store) as Arc<dyn ProjectionStore>,
        needed_from: Arc::new(NeededFrom::default()),
        events: Arc::new(Silent),
    }
}

/// Returns the groups of a world's journal.
fn groups(ledger: &Ledger) -> Vec<(u64, Vec<u8>)> {
    let records: Vec<&[u8]> = records(&ledger.bytes).collect();
    let (mut seq, mut check, mut groups) = (1, 0, Vec::new());
    for some in records.chunks(RECORDS_PER_GROUP as usize) {
        let mut writer = GroupWriter::default();
        writer.begin(seq);
        some.iter().for_each(|record| writer.push(record, 1));
        let (bytes, own) = writer.finish(check);
        groups.push((seq, bytes.to_vec()));
        (seq, check) = (seq + some.len() as u64, own);
    }
    groups
}

fn records(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let len = usize::from(u16::from_le_bytes(*bytes.first_chunk()?));
        bytes.split_off(..len)
    })
}

/// Follows a world's journal, once its sessions of the first round are settled, and stops before the end.
pub(crate) fn followed(ledger: &Ledger) -> Followed {
    let journal = Arc::new(MemoryJournal::default());
    for (seq, group) in groups(ledger) {
        journal.append(seq, &group).unwrap_or_else(|fault| panic!("{fault}"));
    }
    let store = Arc::new(MemoryProjection::default());
    let mut follower =
        Follower::open(parts(&journal, &store), Options::default()).unwrap_or_else(|fault| panic!("{fault}"));
    let half = ledger.seq() / u64::from(RECORDS_PER_GROUP) * u64::from(RECORDS_PER_GROUP) - 4;
    while follower.step(half).unwrap_or_else(|fault| panic!("{fault}")) == Step::Followed {}
    let numbers = ledger.sessions.iter().map(|session| (*session, ledger.writers[0].0)).collect();
    Followed {
        journal,
        entries: store.dump().len(),
        store: store.survivors(0),
        last_seq: ledger.seq(),
        debits: ledger.debits.iter().map(|debit| (debit.session, debit.payee, debit.seq)).collect(),
        keys: ledger.sessions.iter().map(|session| (*session, [b'k', 2])).collect(),
        numbers,
    }
}

/// Is one input: its target, its name, its bytes.
pub type Seed = (&'static str, String, Vec<u8>);

/// Makes every seed.
pub fn all() -> Vec<Seed> {
    let ledger = ledger();
    let mut seeds = Vec::new();
    for (nth, record) in records(&ledger.bytes).enumerate() {
        seeds.push(("records", format!("record-{nth:03}"), record[2..record.len() - 4].to_vec()));
    }
    for (seq, group) in groups(&ledger).into_iter().step_by(4) {
        seeds.push(("groups", format!("group-{seq:03}"), group));
    }
    let mut forged = vec![0, 7, 2, 0, 0];
    for record in records(&ledger.bytes).take(2) {
        let covered = &record[2..record.len() - 4];
        forged.extend([1, covered.len() as u8]);
        forged.extend_from_slice(covered);
    }
    seeds.push(("groups", "forged".into(), forged));
    seeds.extend(index(&ledger));
    seeds.extend(requests(&ledger));
    seeds.extend(checkpoints(ledger));
    seeds.extend(texts());
    seeds.extend(files());
    seeds.extend(logs());
    seeds.extend(worlds());
    seeds
}

fn index(ledger: &Ledger) -> Vec<Seed> {
    let mut seeds: Vec<Seed> = Vec::new();
    for (nth, ((table, _), value)) in followed(ledger).store.dump().into_iter().enumerate() {
        let bytes = [&[nth as u8, 1][..], &value].concat();
        seeds.push(("index", format!("table-{table}-entry-{nth:02}"), bytes));
    }
    seeds
}

fn checkpoints(ledger: Ledger) -> Vec<Seed> {
    let mut seeds: Vec<Seed> = Vec::new();
    for (partition, stored) in NUMBERS.into_iter().zip(ledger.checkpoints()) {
        let mut whole = vec![1];
        let long = |value: &[u8]| [&(value.len() as u16).to_le_bytes(), value].concat();
        whole.extend(long(&stored.head));
        seeds.push(("rows", format!("head-{partition}"), [&[8][..], &stored.head].concat()));
        for (nth, (table, slot, row)) in stored.rows.iter().enumerate() {
            let kind = crate::targets::tables().iter().position(|of| of == table).unwrap_or(0) as u8;
            whole.extend([kind, *slot as u8]);
            whole.extend(long(row));
            seeds.push((
                "rows",
                format!("table-{table}-of-{partition}-{nth:02}"),
                [&[kind][..], row].concat(),
            ));
            if partition == NUMBERS[0] {
                seeds.push(("checkpoints", format!("one-{nth:02}"), [&[0, nth as u8][..], row].concat()));
            }
        }
        for (kind, values) in [(9, &stored.settlements), (10, &stored.keys)] {
            let named = values.iter().enumerate().take(4).map(|(nth, value)| {
                ("rows", format!("filed-{kind}-of-{partition}-{nth}"), [&[kind][..], value].concat())
            });
            seeds.extend(named);
        }
        seeds.push(("checkpoints", format!("whole-{partition}"), whole));
    }
    seeds
}

fn requests(ledger: &Ledger) -> Vec<Seed> {
    let (account, payee) = (ledger.accounts[0].to_string(), ledger.payees[0].to_string());
    let (session, usd) = (ledger.sessions[0].to_string(), "USD".to_owned());
    let hour = prost_types::Duration { seconds: 3_600, nanos: 0 };
    let at = prost_types::Timestamp { seconds: (MORNING / 1_000_000_000).cast_signed() + 60, nanos: 5 };
    let (writer, epoch) = (ledger.writers[0].0.to_string(), ledger.writers[0].1);
    let by_key = v1::authorize_request::Intent::IdempotencyKey("q".into());
    let number = v1::WriterNumber { writer_id: writer, epoch, number: 4, acked_through: 2 };
    let by_number = v1::authorize_request::Intent::WriterNumber(number);
    let authorize = v1::AuthorizeRequest {
        secret: Vec::new(),
        session_id: session.clone(),
        payee_id: payee.clone(),
        amount_nanos: 5,
        currency: usd.clone(),
        intent: Some(by_key),
        reference: "r".into(),
        evidence_hash: vec![7; 32],
        accept_partial: true,
    };
    let debit = |number, key: &str| v1::StreamDebit {
        number,
        idempotency_key: key.into(),
        amount_nanos: 5,
        ..v1::StreamDebit::default()
    };
    let batch = v1::DebitBatch {
        batch_id: 1,
        session_ids: vec![session.clone()],
        payee_ids: vec![payee.clone()],
        currency: usd.clone(),
        debits: vec![debit(4, ""), debit(0, "k"), debit(5, "both"), debit(0, "")],
    };
    let hold = v1::HoldTerms { tolerance_nanos: 3, capture_until: Some(at) };
    let hold_id = "hld_".to_owned() + &"0".repeat(26);
    let capture = v1::CaptureTerms { hold_id: hold_id.clone(), last: true };
    let acts = [
        v1::stream_debit::Act::Hold(Box::new(hold)),
        v1::stream_debit::Act::Capture(Box::new(capture)),
        v1::stream_debit::Act::Void(Box::new(v1::VoidTerms { hold_id })),
    ];
    let acts = (4..).zip(acts).map(|(number, act)| v1::StreamDebit { act: Some(act), ..debit(number, "") });
    let holds = v1::DebitBatch { debits: acts.collect(), ..batch.clone() };
    let holds =
        v1::AuthorizeStreamRequest { message: Some(v1::authorize_stream_request::Message::Batch(holds)) };
    let stream =
        v1::AuthorizeStreamRequest { message: Some(v1::authorize_stream_request::Message::Batch(batch)) };
    let create = v1::CreateAccountRequest {
        idempotency_key: "n".into(),
        currency: "USDC@base".into(),
        funding: v1::Funding::ExternalAuthority.into(),
        external_authority: Some(v1::ExternalAuthority {
            reference: "auth".into(),
            amount_nanos: 7,
            usable_until: Some(at),
            margin: Some(hour),
        }),
        ..v1::CreateAccountRequest::default()
    };
    let open = v1::OpenSessionRequest {
        idempotency_key: "o".into(),
        account_id: account.clone(),
        currency: usd.clone(),
        cap_nanos: 500,
        ttl: Some(hour),
        payee_ids: vec![payee.clone()],
        payee_caps: vec![v1::PayeeCap { payee_id: payee, cap_nanos: 5 }],
        authority: Some(v1::Authority {
            principal: "cfo".into(),
            method: "passkey".into(),
            evidence_hash: vec![1; 32],
            approved_at: Some(at),
        }),
        velocity: vec![v1::VelocityLimit {
            pace: v1::VelocityPace::Rate.into(),
            measure: v1::VelocityMeasure::Count.into(),
            most: 50,
            per: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
            burst: 7,
            each_payee: true,
            ..v1::VelocityLimit::default()
        }],
        approval_above_nanos: 400,
        secret_hash: vec![5; 32],
        carry: true,
        ..v1::OpenSessionRequest::default()
    };
    let money = |key: &str| v1::DepositRequest {
        account_id: account.clone(),
        idempotency_key: key.into(),
        amount_nanos: 9,
        currency: usd.clone(),
        pending: true,
    };
    let withdraw = v1::WithdrawRequest {
        account_id: account.clone(),
        idempotency_key: "x".into(),
        amount_nanos: 9,
        currency: usd.clone(),
    };
    let repay = v1::RepayRequest {
        account_id: ledger.accounts[1].to_string(),
        idempotency_key: "x".into(),
        amount_nanos: 9,
        currency: usd.clone(),
    };
    let limit = v1::SetCreditLimitRequest {
        account_id: ledger.accounts[1].to_string(),
        idempotency_key: "l".into(),
        credit_limit_nanos: 5_000,
    };
    let payee = v1::CreatePayeeRequest { idempotency_key: "p".into(), name: "new".into() };
    let top_up = v1::TopUpRequest {
        parent_secret: Vec::new(),
        session_id: session,
        idempotency_key: "t".into(),
        add_nanos: 5,
        extend_by: Some(hour),
    };
    let numbered = v1::AuthorizeRequest { intent: Some(by_number), ..authorize.clone() };
    let mut seeds: Vec<Seed> = [
        (0, "create_account", create.encode_to_vec()),
        (1, "deposit", money("x").encode_to_vec()),
        (2, "withdraw", withdraw.encode_to_vec()),
        (3, "repay", repay.encode_to_vec()),
        (4, "set_credit_limit", limit.encode_to_vec()),
        (5, "create_payee", payee.encode_to_vec()),
        (6, "open_session", open.encode_to_vec()),
        (7, "top_up", top_up.encode_to_vec()),
        (8, "debit-by-key", authorize.encode_to_vec()),
        (8, "debit-by-number", numbered.encode_to_vec()),
        (9, "batch", stream.encode_to_vec()),
        (9, "holds", holds.encode_to_vec()),
    ]
    .into_iter()
    .map(|(kind, name, bytes)| ("requests", name.to_owned(), [&[kind][..], &bytes].concat()))
    .collect();
    let refused = v1::RefusedDebit { refusal: 4, message: "gap".into(), expected_number: 3 };
    let results = vec![
        v1::DebitResult { outcome: 1, seq: 300, remaining_nanos: 1 << 40, ..v1::DebitResult::default() },
        v1::DebitResult { refused: Some(refused), ..v1::DebitResult::default() },
    ];
    let result = v1::BatchResult { batch_id: 1, results };
    seeds.push(("batch_results", "two".into(), result.encode_to_vec()));
    seeds
}

fn texts() -> Vec<Seed> {
    let id = "0".repeat(26);
    let mut seeds: Vec<Seed> = ["acc_", "pay_", "ses_", "dep_", "deb_", "wri_", "set_"]
        .into_iter()
        .map(|prefix| ("texts", format!("id-{prefix}"), format!("\0\0\0{prefix}{id}").into_bytes()))
        .collect();
    let some = [
        (1, "1.50"),
        (1, "9223372036.854775807"),
        (1, "0.000000001"),
        (1, "10000000000"),
        (2, "15m"),
        (2, "1h 30m"),
        (2, "2w"),
        (2, "2026-11-21T12:00:00.5Z"),
        (2, "-009999-01-02T01:59:59Z"),
        (3, "USD"),
        (3, "USDC@base"),
    ];
    for (nth, (kind, text)) in some.into_iter().enumerate() {
        seeds.push((
            "texts",
            format!("text-{nth:02}"),
            [&[kind, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0][..3], text.as_bytes()].concat(),
        ));
    }
    seeds
}

fn files() -> Vec<Seed> {
    let config = "data = \"/d\"\nlisten = \"127.0.0.1:0\"\nops_listen = \"none\"\ndurability = \"os\"\nshards = 8\n\
                  log_format = \"json\"\nretry_window_hours = 24\n";
    let (session, payee) = (format!("ses_{}", "0".repeat(26)), format!("pay_{}", "0".repeat(26)));
    let payments = format!("session,payee,amount,reference,key\n{session},{payee},1.50,r,k\n");
    let trace = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\r\n";
    vec![
        ("config", "some".into(), config.into()),
        ("config", "least".into(), b"data = \"d\"".to_vec()),
        ("config", "none".into(), b"shards = 1.5\n[x]\ny = [1]\n".to_vec()),
        ("traces", "one".into(), trace.into()),
        ("traces", "quoted".into(), trace.replace("4808", "\"4808\"").into_bytes()),
        ("payments", "one".into(), [b"\0\0", payments.as_bytes()].concat()),
        (
            "payments",
            "session-given".into(),
            [b"\x01\x01", payments.replace("1.50", "15").as_bytes()].concat(),
        ),
    ]
}

fn logs() -> Vec<Seed> {
    // A batch is `number 8 | count 4` and what it holds.
    let batch = |number: u8| [[number, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], [9; 12]].concat();
    let put = |op: u8, kind: u8, payload: &[u8]| [&[op, kind, payload.len() as u8][..], payload].concat();
    let grown = [put(0, 1, &batch(1)), put(0, 2, &batch(2)), put(0, 4, b"end")].concat();
    let recycled = [put(1, 5, &batch(1)), put(1, 5, &batch(2)), put(2, 5, &batch(1))].concat();
    let long = [vec![5, 0], put(0, 1, &batch(2)), vec![4, 9]].concat();
    [("grown", grown), ("recycled", recycled), ("long", long)]
        .into_iter()
        .map(|(name, ops)| ("logs", name.to_owned(), [&[3][..], &ops].concat()))
        .collect()
}

/// Makes a few series of commands, and keeps those that came to something.
fn worlds() -> Vec<Seed> {
    (0..12u8)
        .map(|nth| {
            let mut bytes = vec![0, 0, 0, 1, b'a', 0, 0, 1, 9];
            let mut state = u32::from(nth) + 1;
            bytes.extend((0..400).map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            }));
            let mut ledger = Ledger::new();
            act(&mut ledger, Op::Account, &mut Choices::new(&bytes[1..]));
            assert!(nth > 0 || ledger.seq() > 1, "the account was refused");
            ("world", format!("series-{nth:02}"), bytes)
        })
        .collect()
}
