//! Owns: `tallystick journal inspect`: groups and records in words, as many as are asked for. Never: judges them.

use super::{
    Folder,
    names::Names,
    words::{self, KINDS, Teller},
};
use crate::{
    Failure,
    desk::{Output, Said},
    fields::Fields,
    ids, moment, screen,
};
use clap::Args;
use std::ops::ControlFlow;
use tallystick_core::{AccountId, Record, SessionId, Stamp};
use tallystick_journal::{GroupView, StorageFault};

/// Takes `tallystick journal inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    folder: Folder,
    /// Begin with this record.
    #[arg(long, value_name = "SEQ", default_value_t = 1)]
    from_seq: u64,
    /// End with this record.
    #[arg(long, value_name = "SEQ", default_value_t = u64::MAX, hide_default_value = true)]
    to_seq: u64,
    /// Only what is about this session, ses_…
    #[arg(long, value_parser = ids::session)]
    session: Option<String>,
    /// Only what is about this account and the sessions under it, acc_…
    #[arg(long, value_parser = ids::account)]
    account: Option<String>,
    /// Only records of this kind; can be given again.
    #[arg(long, value_name = "KIND", value_parser = KINDS)]
    kind: Vec<String>,
    /// Only the groups, without their records.
    #[arg(long, conflicts_with_all = ["session", "account", "kind"])]
    groups: bool,
}

/// Is what is asked for.
struct Filter {
    session: Option<SessionId>,
    account: Option<AccountId>,
    kinds: Vec<String>,
    seqs: std::ops::RangeInclusive<u64>,
}

impl Filter {
    fn of(args: &InspectArgs) -> Result<Self, Failure> {
        let unknown =
            |field: &str, text: &str| Failure::usage(field, text, "must be an id that a server gave");
        let session = args
            .session
            .as_deref()
            .map(|text| SessionId::parse(text).map_err(|_| unknown("--session", text)));
        let account = args
            .account
            .as_deref()
            .map(|text| AccountId::parse(text).map_err(|_| unknown("--account", text)));
        Ok(Self {
            session: session.transpose()?,
            account: account.transpose()?,
            kinds: args.kind.clone(),
            seqs: args.from_seq..=args.to_seq,
        })
    }

    fn is_open(&self) -> bool {
        self.session.is_none() && self.account.is_none() && self.kinds.is_empty()
    }

    fn takes(
        &self,
        seq: u64,
        kind: &str,
        (session, account): (Option<SessionId>, Option<AccountId>),
    ) -> bool {
        self.seqs.contains(&seq)
            && (self.kinds.is_empty() || self.kinds.iter().any(|wanted| wanted == kind))
            && self.session.is_none_or(|wanted| session == Some(wanted))
            && self.account.is_none_or(|wanted| account == Some(wanted))
    }
}

pub(crate) fn run(
    args: &InspectArgs,
    output: Output,
    currency_text: fn(u16) -> String,
) -> Result<Said, Failure> {
    walk(args, output, currency_text, &mut screen::say)?;
    Ok(Said::nothing())
}

/// Hands each line to `say`, until it says that nobody reads any more.
pub(super) fn walk(
    args: &InspectArgs,
    output: Output,
    currency_text: fn(u16) -> String,
    say: &mut dyn FnMut(&str) -> bool,
) -> Result<(), Failure> {
    let filter = Filter::of(args)?;
    let reader = args.folder.open()?;
    let mut names = Names::of_checkpoints(&reader).map_err(Failure::Storage)?;
    let mut screen = Screen { output, currency_text, groups_only: args.groups, filter, say, heard: true };
    let walked = reader.groups(args.from_seq, &mut |key, bytes| {
        let group = GroupView::parse(key, bytes)?;
        if group.first_seq > args.to_seq {
            return Ok(ControlFlow::Break(()));
        }
        screen.group(&group, bytes.len());
        screen.records(&group, &mut names)?;
        Ok(if screen.heard { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    });
    walked.map_err(Failure::Storage)
}

/// Writes what passes the filter.
struct Screen<'a> {
    output: Output,
    currency_text: fn(u16) -> String,
    groups_only: bool,
    filter: Filter,
    say: &'a mut dyn FnMut(&str) -> bool,
    /// False once nobody reads any more.
    heard: bool,
}

impl Screen<'_> {
    fn group(&mut self, group: &GroupView<'_>, bytes: usize) {
        // Among chosen records, groups only get in the way.
        if !self.filter.is_open() {
            return;
        }
        let (first, last, count) = (group.first_seq, group.last_seq(), group.count);
        self.heard &= if self.output.json {
            let fields = Fields::new().put("type", "group").put("first_seq", first).put("last_seq", last);
            let fields = fields.put("record_count", count).put("bytes", bytes);
            let fields = fields.text("check", &format!("{:016x}", group.check));
            (self.say)(&fields.text("previous", &format!("{:016x}", group.previous)).end().to_string())
        } else {
            let (count, bytes) = (screen::counted(count, "record"), screen::grouped(bytes as u64));
            (self.say)(&format!(
                "group {first}..{last}: {count}, {bytes} bytes, check {:016x} after {:016x}",
                group.check, group.previous
            ))
        };
    }

    fn records(&mut self, group: &GroupView<'_>, names: &mut Names) -> Result<(), StorageFault> {
        group.records(|seq, stamp, record| {
            names.learn(stamp, record);
            if self.heard && !self.groups_only {
                self.record((seq, stamp, record), names);
            }
        })
    }

    fn record(&mut self, (seq, stamp, record): (u64, &Stamp, &Record<'_>), names: &Names) {
        let kind = words::kind(record);
        let teller = Teller { names, money: self.output.money(), currency_text: self.currency_text };
        let told = teller.tell(seq, stamp, record);
        let account = told.account.or_else(|| told.session.and_then(|session| names.account_of(session)));
        if !self.filter.takes(seq, kind, (told.session, account)) {
            return;
        }
        let at = moment::from_ns(stamp.at.ns());
        self.heard = if self.output.json {
            let fields = told.fields.put("type", "record").put("seq", seq).text("at", &at).text("kind", kind);
            let fields = fields.put("partition", stamp.partition).put("actor", stamp.actor);
            (self.say)(&fields.text("by", &names.actor(stamp.actor).unwrap_or_default()).end().to_string())
        } else {
            let indent = if self.filter.is_open() { "  " } else { "" };
            let by = names.actor(stamp.actor).map(|name| format!("  by {name}")).unwrap_or_default();
            (self.say)(&format!("{indent}{seq}  {at}  p{:03}  {kind}: {}{by}", stamp.partition, told.text))
        };
    }
}
