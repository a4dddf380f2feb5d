//! Owns: `tallystick pause`, `resume` and `revoke`: the stop button. Never: what is below; the server's sweeper settles that.

use crate::{
    Failure,
    desk::{Desk, Reach, Said},
    ids,
    show::{self, Shown},
};
use clap::Args;
use tallystick_client::v1::{
    self, Control, Durability, RevokedHolds, pause_request, resume_request, revoke_request,
};

/// Takes `tallystick pause`.
#[derive(Debug, Args)]
pub struct PauseArgs {
    #[command(flatten)]
    stop: StopArgs,
    /// Only if this is the epoch of its control now.
    #[arg(long, value_name = "N")]
    epoch: Option<u64>,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// Takes `tallystick resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    #[command(flatten)]
    stop: StopArgs,
    /// The epoch that the pause was given: what somebody else has changed since is not undone.
    #[arg(long, value_name = "N")]
    epoch: u64,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// Takes `tallystick revoke`.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    #[command(flatten)]
    stop: StopArgs,
    /// Only if this is the epoch of its control now.
    #[arg(long, value_name = "N")]
    epoch: Option<u64>,
    /// Give open holds back, instead of honouring them until their time.
    #[arg(long)]
    void_holds: bool,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// Is what all three take.
#[derive(Debug, Args)]
struct StopArgs {
    /// What: a session, ses_…; a token, tok_…; an account, acc_…; or all accounts of a front-end, front-end:NAME
    #[arg(value_name = "TARGET", value_parser = ids::target)]
    target: ids::Target,
    /// Why, for whoever looks at it later.
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
}

macro_rules! target {
    ($request:ident, $target:expr) => {
        Some(match $target {
            ids::Target::Session(id) => $request::Target::SessionId(id),
            ids::Target::Token(id) => $request::Target::TokenId(id),
            ids::Target::Account(id) => $request::Target::AccountId(id),
            ids::Target::FrontEnd(name) => $request::Target::FrontEnd(name),
        })
    };
}

pub(crate) async fn pause(args: PauseArgs, desk: &Desk) -> Result<Said, Failure> {
    let doing = "pause it";
    let StopArgs { target, note } = args.stop;
    let on = target.to_string();
    let request = v1::PauseRequest { target: target!(pause_request, target), epoch: args.epoch, note };
    let answer = desk.call(doing, desk.client.pause(request)).await?;
    let durability = answer.durability();
    said(doing, &on, answer.control.as_ref(), (answer.seq, answer.replayed, durability))
}

pub(crate) async fn resume(args: ResumeArgs, desk: &Desk) -> Result<Said, Failure> {
    let doing = "resume it";
    let StopArgs { target, note } = args.stop;
    let (on, epoch) = (target.to_string(), Some(args.epoch));
    let request = v1::ResumeRequest { target: target!(resume_request, target), epoch, note };
    let answer = desk.call(doing, desk.client.resume(request)).await?;
    let durability = answer.durability();
    said(doing, &on, answer.control.as_ref(), (answer.seq, answer.replayed, durability))
}

pub(crate) async fn revoke(args: RevokeArgs, desk: &Desk) -> Result<Said, Failure> {
    let doing = "revoke it";
    let StopArgs { target, note } = args.stop;
    let on = target.to_string();
    let holds = if args.void_holds { RevokedHolds::Void } else { RevokedHolds::Honour };
    let (target, epoch) = (target!(revoke_request, target), args.epoch);
    let request = v1::RevokeRequest { target, epoch, note, holds: holds.into() };
    let answer = desk.call(doing, desk.client.revoke(request)).await?;
    let durability = answer.durability();
    said(doing, &on, answer.control.as_ref(), (answer.seq, answer.replayed, durability))
}

fn said(
    doing: &'static str,
    on: &str,
    control: Option<&Control>,
    (seq, replayed, durability): (u64, bool, Durability),
) -> Result<Said, Failure> {
    let control = control.ok_or(Failure::Answer { doing, missing: "control" })?;
    let shown = Shown::new()
        .fact("on", on)
        .fact("control", show::control_line(control))
        .fields(|fields| show::control_fields(fields.text("on", on), control))
        .record(seq, replayed, durability);
    Ok(Said::done(shown.text(), shown.json()))
}
