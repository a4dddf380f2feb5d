//! Owns: `tallystick journal verify`: the chain of groups, every record against the rules, every sum at the end.
//! Never: repairs; the first thing that does not hold is named and is the last thing said.

use super::{
    Folder, last_seq, words,
    world::{self, Judge, Quiet, World},
};
use crate::{
    Failure,
    desk::{Output, Said},
    fields::Fields,
    screen::{Bar, Look, grouped},
};
use clap::Args;
use serde_json::{Value, json};
use std::{collections::BTreeMap, ops::ControlFlow};
use tallystick_core::{
    Currency,
    books::{BOOKS, Book},
};
use tallystick_journal::{Chain, Floor, GroupView, StorageFault};
use tallystick_store::StoreReader;

/// Takes `tallystick journal verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    folder: Folder,
    /// Begin with nothing instead of with the newest checkpoints, so that every record is decided again. Needs a whole
    /// journal: one whose beginning was not given back.
    #[arg(long)]
    from_genesis: bool,
    /// Check the partitions that changed after every so many records, not only at the end.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    every: Option<u64>,
}

pub(crate) fn run(
    args: &VerifyArgs,
    output: Output,
    currency_text: fn(u16) -> String,
) -> Result<Said, Failure> {
    let reader = args.folder.open()?;
    let _quiet = Quiet::begin();
    let audit = audit(&reader, args, world::by_the_rules)?;
    Ok(audit.said(output, currency_text))
}

/// Is what an audit found to be in order.
#[derive(Debug, Default)]
struct Audit {
    first_seq: u64,
    last_seq: u64,
    groups: u64,
    records: u64,
    applied: u64,
    from_seq: u64,
    kinds: BTreeMap<&'static str, u64>,
    books: BTreeMap<Currency, [i128; BOOKS]>,
    floor_seq: u64,
}

/// Is an audit under way.
struct Walk<'a> {
    world: World,
    chain: Chain,
    floor: Floor,
    floor_seen: bool,
    judge: Judge,
    every: u64,
    bar: &'a Bar,
    audit: Audit,
    /// The first thing that does not hold.
    finding: Option<String>,
}

fn audit(reader: &StoreReader, args: &VerifyArgs, judge: Judge) -> Result<Audit, Failure> {
    let floor = reader.floor().map_err(Failure::Storage)?.unwrap_or_default();
    let world = if args.from_genesis { Ok(World::empty()) } else { World::of_checkpoints(reader) };
    let world = world.map_err(Failure::Storage)?;
    let bar = Bar::new(last_seq(reader).map_err(Failure::Storage)?, "records");
    let mut walk = Walk {
        audit: Audit { from_seq: world.covered + 1, floor_seq: floor.seq, ..Audit::default() },
        world,
        chain: Chain::default(),
        floor,
        floor_seen: floor.seq == 0,
        judge,
        every: args.every.unwrap_or(u64::MAX),
        bar: &bar,
        finding: None,
    };
    let walked = reader.groups(1, &mut |key, bytes| walk.group(key, bytes));
    bar.end();
    walked.map_err(Failure::Storage)?;
    if let Some(finding) = walk.finding.take() {
        return Err(Failure::Unsound(finding));
    }
    walk.end()
}

impl Walk<'_> {
    fn group(&mut self, key: u64, bytes: &[u8]) -> Result<ControlFlow<()>, StorageFault> {
        let group = GroupView::parse(key, bytes)?;
        if self.audit.groups == 0 {
            self.audit.first_seq = group.first_seq;
            if group.first_seq > self.world.covered + 1 {
                self.finding = Some(format!(
                    "the journal begins at seq {}, so records {} to {} are missing; without --from-genesis it is \
                     checked from its checkpoints on",
                    group.first_seq,
                    self.world.covered + 1,
                    group.first_seq - 1
                ));
                return Ok(ControlFlow::Break(()));
            }
        }
        self.chain.accept(&group)?;
        if group.last_seq() == self.floor.seq {
            if group.check != self.floor.check {
                let place = format!("journal group at seq {key}");
                let (found, floor) = (group.check, self.floor.check);
                let finding = format!("its checksum is {found:016x}, the durable floor's {floor:016x}");
                return Err(StorageFault::Corrupt { place, finding });
            }
            self.floor_seen = true;
        }
        self.audit.groups += 1;
        self.records(&group)?;
        self.bar.at(group.last_seq());
        Ok(if self.finding.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn records(&mut self, group: &GroupView<'_>) -> Result<(), StorageFault> {
        group.records(|seq, stamp, record| {
            if self.finding.is_some() {
                return;
            }
            let kind = words::kind(record);
            self.audit.records += 1;
            *self.audit.kinds.entry(kind).or_default() += 1;
            match self.world.step((seq, stamp, record), self.judge) {
                Ok(is_new) => self.audit.applied += u64::from(is_new),
                Err(what) => self.finding = Some(format!("record {seq}, {kind}: {what}")),
            }
            if self.audit.records.is_multiple_of(self.every)
                && let Err(what) = self.world.check_touched()
            {
                self.finding.get_or_insert(format!("after record {seq}: {what}"));
            }
        })
    }

    fn end(mut self) -> Result<Audit, Failure> {
        let last_seq = self.chain.last_seq();
        let reach = self.floor.seq.max(self.world.covered);
        if last_seq < reach {
            return Err(Failure::Unsound(format!(
                "the journal ends at seq {last_seq}, but {reach} was durable: acknowledged records are missing"
            )));
        }
        if !self.floor_seen {
            let floor = self.floor.seq;
            return Err(Failure::Unsound(format!(
                "no group ends at seq {floor}, the durable floor: this is another journal"
            )));
        }
        self.world.check_all().map_err(|what| Failure::Unsound(format!("at the end, {what}")))?;
        for partition in &self.world.partitions {
            for (currency, books) in partition.books().iter() {
                let sums = self.audit.books.entry(*currency).or_insert([0; BOOKS]);
                sums.iter_mut().zip(books).for_each(|(sum, nanos)| *sum += nanos);
            }
        }
        if let Some((currency, _)) =
            self.audit.books.iter().find(|(_, books)| books.iter().sum::<i128>() != 0)
        {
            return Err(Failure::Unsound(format!(
                "the books of currency {} do not sum to zero",
                currency.number()
            )));
        }
        self.audit.last_seq = last_seq;
        Ok(self.audit)
    }
}

impl Audit {
    fn said(&self, output: Output, currency_text: fn(u16) -> String) -> Said {
        let text = format!(
            "{}\n\n{}\n\n{}",
            self.kinds_table(),
            self.books_table(output, currency_text),
            self.verdict()
        );
        let books = self.books.iter().map(|(currency, books)| {
            let books = Book::ALL
                .iter()
                .zip(books)
                .map(|(book, nanos)| (book.name().to_owned(), json!(nanos.to_string())));
            let sums: serde_json::Map<String, Value> = books.collect();
            Fields::new().text("currency", &currency_text(currency.number())).put("books_nanos", sums).end()
        });
        let json = Fields::new()
            .put("sound", true)
            .put("first_seq", self.first_seq)
            .put("last_seq", self.last_seq)
            .put("floor_seq", self.floor_seq)
            .put("groups", self.groups)
            .put("records", self.records)
            .put("decided_again", self.applied)
            .put("kinds", json!(self.kinds))
            .put("books", books.collect::<Vec<_>>())
            .end();
        Said::done(text, json)
    }

    fn verdict(&self) -> String {
        let (groups, records, applied) = (grouped(self.groups), grouped(self.records), grouped(self.applied));
        let (first, last) = (self.first_seq, self.last_seq);
        let from = match self.from_seq {
            1 => "from nothing".to_owned(),
            seq => format!("from the checkpoints at seq {} (--from-genesis begins with nothing)", seq - 1),
        };
        format!(
            "Sound: {groups} groups in one chain, {records} records from seq {first} to {last}; {applied} of them decided \
             again {from}, with the same outcomes; every partition is sound, and all books sum to zero."
        )
    }

    fn kinds_table(&self) -> String {
        let mut grid = Look::of_stdout().table(["kind", ">records"]);
        for (kind, count) in &self.kinds {
            grid.row([(*kind).to_owned(), grouped(*count)]);
        }
        grid.text("no records")
    }

    /// Writes a row for each book that holds anything, and one for the sum.
    fn books_table(&self, output: Output, currency_text: fn(u16) -> String) -> String {
        let mut grid = Look::of_stdout().table(["currency", "book", ">total"]);
        for (currency, books) in &self.books {
            let currency = currency_text(currency.number());
            for (book, nanos) in Book::ALL.iter().zip(books).filter(|(_, nanos)| **nanos != 0) {
                grid.row([currency.clone(), book.name().to_owned(), output.money().show_signed(*nanos)]);
            }
            let sum = output.money().show_signed(books.iter().sum());
            grid.row([currency, "sum".to_owned(), sum]);
        }
        grid.text("no money")
    }
}
