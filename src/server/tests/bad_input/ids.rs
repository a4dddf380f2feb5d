//! Owns: rows with ids that are no ids, and with ids that were never given out.

use super::{
    World,
    expected::{Expected, malformed, unknown},
};
use tallystick_core::{AccountId, PayeeId, SessionId, WriterId, id::Place};
use tallystick_proto::v1;

const NOWHERE: Place = Place { partition: 7, slot: 4_000_000, generation: 3 };

pub(crate) fn unknown_session() -> String {
    SessionId::new(NOWHERE, 5).to_string()
}

pub(crate) fn unknown_account() -> String {
    AccountId::new(NOWHERE, 5).to_string()
}

pub(crate) fn unknown_payee() -> String {
    PayeeId::new(NOWHERE, 5).to_string()
}

pub(crate) fn unknown_writer() -> String {
    WriterId::new(NOWHERE, 5).to_string()
}

/// Returns what is wrong with each, and the text.
fn no_ids(prefix: &str, good: &str, alien: &str, beyond: &str) -> Vec<(&'static str, String)> {
    let digits = |text: &str| text.split_once('_').map_or_else(String::new, |(_, digits)| digits.to_owned());
    let cut = &good[..good.len() - 1];
    vec![
        ("empty", String::new()),
        ("of another kind", alien.into()),
        ("of another kind's bits", format!("{prefix}{}", digits(alien))),
        ("prefix alone", prefix.into()),
        ("no prefix", digits(good)),
        ("25 characters", cut.into()),
        ("27 characters", format!("{good}0")),
        ("upper case", format!("{prefix}{}", digits(good).to_uppercase())),
        ("a letter past v", format!("{cut}z")),
        ("stray low bits", format!("{cut}1")),
        ("a space behind", format!("{good} ")),
        ("not ASCII", format!("{prefix}{}é", &digits(good)[..24])),
        ("in partition 256", beyond.into()),
    ]
}

pub(crate) async fn refuse(world: &World) {
    let far = Place { partition: 256, slot: 0, generation: 0 };
    let stage = &world.stage;
    let beyond = SessionId::new(far, 5).to_string();
    for (what, session_id) in no_ids("ses_", &stage.session_id, &stage.account_id, &beyond) {
        let mut client = world.authorizer();
        let call = client.get_session(v1::GetSessionRequest { session_id });
        world.refuses(format!("GetSession: id {what}"), malformed("session_id"), call).await;
    }
    let beyond = AccountId::new(far, 5).to_string();
    for (what, account_id) in no_ids("acc_", &stage.account_id, &stage.payee_id, &beyond) {
        let mut client = world.accounts();
        let call = client.get_account(v1::GetAccountRequest { account_id });
        world.refuses(format!("GetAccount: id {what}"), malformed("account_id"), call).await;
    }
    let beyond = PayeeId::new(far, 5).to_string();
    for (what, payee_id) in no_ids("pay_", &stage.payee_id, &stage.session_id, &beyond) {
        let mut client = world.payees();
        let call = client.get_payee(v1::GetPayeeRequest { payee_id });
        world.refuses(format!("GetPayee: id {what}"), malformed("payee_id"), call).await;
    }
    refuse_settlements(world).await;
    refuse_unknown(world).await;
}

async fn refuse_settlements(world: &World) {
    let open = world.stage.session_id.clone();
    let bits = open.replace("ses_", "set_");
    let rows: [(&str, String, Expected); 6] = [
        ("id empty", String::new(), malformed("settlement_id")),
        ("an account's id", world.stage.account_id.clone(), malformed("settlement_id")),
        ("a session's bits as set_", bits, malformed("settlement_id")),
        ("a session's id cut short", open[..20].into(), malformed("settlement_id")),
        ("of an open session", open, unknown("UNKNOWN_SETTLEMENT")),
        ("of an unknown session", unknown_session(), unknown("UNKNOWN_SETTLEMENT")),
    ];
    for (what, settlement_id, expected) in rows {
        let mut client = world.settlements();
        let call = client.get_settlement(v1::GetSettlementRequest { settlement_id });
        world.refuses(format!("GetSettlement: {what}"), expected, call).await;
    }
}

async fn refuse_unknown(world: &World) {
    let guessed = |id: &str| SessionId::new(SessionId::parse(id).unwrap().place(), 99).to_string();
    let (mut authorizer, mut accounts, mut payees) = (world.authorizer(), world.accounts(), world.payees());
    let session_id = guessed(&world.stage.session_id);
    let call = authorizer.get_session(v1::GetSessionRequest { session_id });
    world.refuses("GetSession: right place, guessed random bits", unknown("UNKNOWN_SESSION"), call).await;
    for (what, session_id, expected) in [
        ("unknown", unknown_session(), unknown("UNKNOWN_SESSION")),
        ("empty", String::new(), malformed("session_id")),
    ] {
        let call = authorizer.get_session(v1::GetSessionRequest { session_id: session_id.clone() });
        world.refuses(format!("GetSession: session {what}"), expected, call).await;
        let call = authorizer.settle(v1::SettleRequest { session_id, ..v1::SettleRequest::default() });
        world.refuses(format!("Settle: session {what}"), expected, call).await;
    }
    for (what, account_id, expected) in [
        ("unknown", unknown_account(), unknown("UNKNOWN_ACCOUNT")),
        ("empty", String::new(), malformed("account_id")),
    ] {
        let call = accounts.get_account(v1::GetAccountRequest { account_id: account_id.clone() });
        world.refuses(format!("GetAccount: account {what}"), expected, call).await;
        let request = v1::ListSessionsRequest { account_id, ..v1::ListSessionsRequest::default() };
        let call = authorizer.list_sessions(request);
        world.refuses(format!("ListSessions: account {what}"), expected, call).await;
    }
    for (what, payee_id, expected) in [
        ("unknown", unknown_payee(), unknown("UNKNOWN_PAYEE")),
        ("empty", String::new(), malformed("payee_id")),
    ] {
        let call = payees.get_payee(v1::GetPayeeRequest { payee_id: payee_id.clone() });
        world.refuses(format!("GetPayee: payee {what}"), expected, call).await;
        let call = payees.block_payee(v1::BlockPayeeRequest { payee_id });
        world.refuses(format!("BlockPayee: payee {what}"), expected, call).await;
    }
}
