//! Owns: `tallystick lookup`: what became of a debit, by its id, its key, or its number. Never: a guess.

use crate::{
    Exit, Failure,
    desk::{Desk, Reach, Said},
    ids, key,
    show::{self, Shown},
};
use clap::Args;
use tallystick_client::v1::{self, LookupState, lookup_debit_request::By};

/// Takes `tallystick lookup`.
#[derive(Debug, Args)]
#[command(override_usage = "tallystick lookup DEBIT
       tallystick lookup --session SESSION --key KEY
       tallystick lookup --session SESSION --writer WRITER --number N")]
pub struct LookupArgs {
    /// The debit, deb_…
    #[arg(value_parser = ids::debit, required_unless_present = "session", conflicts_with = "session")]
    debit: Option<String>,
    /// The session it was sent into, ses_…
    #[arg(long, value_parser = ids::session)]
    session: Option<String>,
    /// The key it was sent under.
    #[arg(long, requires = "session", value_parser = key::read, required_unless_present_any = ["debit", "writer"])]
    key: Option<String>,
    /// The writer that numbered it, wri_…
    #[arg(long, requires_all = ["session", "number"], conflicts_with = "key", value_parser = ids::writer)]
    writer: Option<String>,
    /// Its number.
    #[arg(long, requires = "writer", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    number: Option<u64>,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

impl LookupArgs {
    fn by(self) -> Result<By, Failure> {
        let session_id = self.session.unwrap_or_default();
        match (self.debit, self.key, self.writer, self.number) {
            (Some(debit), ..) => Ok(By::DebitId(debit)),
            (None, Some(idempotency_key), ..) => Ok(By::Key(v1::DebitByKey { session_id, idempotency_key })),
            (None, None, Some(writer_id), Some(number)) => {
                Ok(By::Number(v1::DebitByNumber { session_id, writer_id, number }))
            }
            (None, None, ..) => {
                Err(Failure::usage("--session", &session_id, "must come with --key or --writer"))
            }
        }
    }
}

pub(crate) async fn run(args: LookupArgs, desk: &Desk) -> Result<Said, Failure> {
    let doing = "look the debit up";
    let request = v1::LookupDebitRequest { by: Some(args.by()?) };
    let answer = desk.call(doing, desk.client.lookup_debit(request)).await?;
    let state = answer.state();
    let shown = match (&answer.debit, state) {
        (Some(debit), _) => show::show_debit(debit, desk.money),
        (None, LookupState::NeverSeen) => {
            Shown::new().fact("never seen", "nothing was decided under this name")
        }
        (None, _) => return Err(Failure::Answer { doing, missing: "debit" }),
    };
    let exit = match state {
        LookupState::NeverSeen => Exit::NeverSeen,
        LookupState::Declined => Exit::Declined,
        LookupState::Approved | LookupState::Pending | LookupState::Unspecified => Exit::Done,
    };
    let shown = shown
        .fact("as of seq", answer.as_of_seq.to_string())
        .fields(|fields| fields.name("lookup", state.as_str_name(), "LOOKUP_STATE_"))
        .fields(|fields| fields.put("as_of_seq", answer.as_of_seq));
    Ok(Said { exit, text: shown.text(), json: shown.json() })
}
