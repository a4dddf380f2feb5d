//! Owns: the role matrix: every call of the contract, as its descriptor lists them, with a credential of every role, and without
//! one that is heard. The table here shares nothing with the one that is tested; a call that it lacks fails it.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "the table is what this shows")]

mod roles;

use prost::Message as _;
use prost_types::FileDescriptorSet;
use roles::{Keyed, roles, was_let_in};
use std::collections::BTreeMap;
use tallystick_core::role::{Role, Roles};
use tallystick_proto::v1;
use tonic::Code;
use tonic_types::StatusExt as _;

/// Says who may make each call at all: what it then asks for may take one of these roles more than another.
const MATRIX: &[(&str, &str)] = &[
    ("Accounts/CreateAccount", "grant"),
    ("Accounts/Deposit", "fund"),
    ("Accounts/ConfirmDeposit", "fund"),
    ("Accounts/FailDeposit", "fund"),
    ("Accounts/ReturnDeposit", "fund"),
    ("Accounts/ListDeposits", "fund,grant,stop,operate,audit"),
    ("Accounts/Withdraw", "fund"),
    ("Accounts/Repay", "fund"),
    ("Accounts/SetCreditLimit", "grant"),
    ("Accounts/GetAccount", "fund,grant,stop,operate,audit"),
    ("Accounts/ListAccounts", "fund,grant,stop,operate,audit"),
    ("Payees/CreatePayee", "operate"),
    ("Payees/BlockPayee", "stop,operate"),
    ("Payees/GetPayee", "fund,grant,authorize,collect,approve,stop,settle,payout,operate,audit"),
    ("Payees/ListPayees", "grant,stop,payout,operate,audit"),
    ("Credentials/CreateCredential", "operate"),
    ("Credentials/RevokeCredential", "stop,operate"),
    ("Credentials/GetCredential", "operate,audit"),
    ("Credentials/ListCredentials", "operate,audit"),
    ("Authorizer/OpenSession", "grant,authorize"),
    ("Authorizer/GetSession", "grant,authorize,approve,stop,settle,operate,audit"),
    ("Authorizer/ListSessions", "grant,stop,settle,operate,audit"),
    ("Authorizer/Authorize", "authorize"),
    ("Authorizer/AuthorizeStream", "authorize,collect"),
    ("Authorizer/Settle", "settle"),
    ("Authorizer/TopUp", "grant,authorize"),
    ("Authorizer/Reverse", "collect"),
    ("Authorizer/LookupDebit", "grant,authorize,collect,approve,stop,settle,operate,audit"),
    ("Authorizer/ListDebits", "grant,authorize,approve,stop,settle,operate,audit"),
    ("Authorizer/Hold", "authorize"),
    ("Authorizer/Capture", "collect"),
    ("Authorizer/Void", "collect"),
    ("Authorizer/GetHold", "grant,authorize,collect,approve,stop,settle,operate,audit"),
    ("Authorizer/ListHolds", "grant,authorize,approve,stop,settle,operate,audit"),
    ("Authorizer/Pause", "grant,stop,operate"),
    ("Authorizer/Resume", "grant,operate"),
    ("Authorizer/Revoke", "grant,stop,operate"),
    ("Tokens/IssueToken", "grant"),
    ("Tokens/AmendToken", "grant"),
    ("Tokens/RefreshToken", "authorize"),
    ("Tokens/RevokeToken", "grant,stop,operate"),
    ("Tokens/GetToken", "grant,authorize,collect,approve,stop,settle,operate,audit"),
    ("Tokens/ListTokens", "grant,stop,settle,operate,audit"),
    ("Tokens/GetTree", "grant,stop,settle,operate,audit"),
    ("Settlements/GetSettlement", "settle,payout,operate,audit"),
    ("Settlements/ListSettlements", "settle,payout,operate,audit"),
];

/// Lists the calls of our own package as the descriptor has them.
fn calls() -> Vec<String> {
    let set = FileDescriptorSet::decode(tallystick_proto::DESCRIPTORS).unwrap();
    let ours = set.file.iter().filter(|file| file.package() == "tallystick.v1");
    let services = ours.flat_map(|file| &file.service);
    let calls = services.flat_map(|service| {
        service.method.iter().map(|method| format!("{}/{}", service.name(), method.name()))
    });
    calls.collect()
}

/// Asks with an empty message, which every call that lets it in refuses for what it lacks, or answers.
async fn lets_in(server: &Keyed, call: &str, key: Option<&str>) -> Result<(), Code> {
    let answer = server.call(&format!("/tallystick.v1.{call}"), key, Vec::new()).await;
    if was_let_in(&answer) { Ok(()) } else { Err(answer.unwrap_err().code()) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lets_each_role_do_its_own_and_nothing_else() {
    let server = Keyed::start().await;
    let development = server.development.clone().unwrap();
    let asked = v1::CreatePayeeRequest { idempotency_key: "payee".into(), name: "Acme".into() };
    let payee = server.client(&development).create_payee(asked).await;
    let payee_id = payee.unwrap().payee.unwrap().payee_id;

    let mut keys = BTreeMap::new();
    for role in Role::ALL {
        let mut like = v1::CreateCredentialRequest { roles: roles(role.name()), ..Default::default() };
        if role == Role::Collect {
            like.payee_id.clone_from(&payee_id);
        }
        keys.insert(role, server.credential(&development, like).await.0);
    }
    let operator = v1::CreateCredentialRequest { roles: roles("operator"), ..Default::default() };
    let operator = server.credential(&development, operator).await.0;
    let shops = v1::CreateCredentialRequest {
        roles: roles("operator"),
        front_end: "shop".into(),
        ..Default::default()
    };
    let shops = server.credential(&development, shops).await.0;
    let revoked = v1::CreateCredentialRequest { roles: roles("operator"), ..Default::default() };
    let (revoked, row) = server.credential(&operator, revoked).await;
    let request = v1::RevokeCredentialRequest { credential_id: row.credential_id };
    assert!(!server.client(&operator).revoke_credential(request).await.unwrap().replayed);

    let expected: BTreeMap<&str, Roles> =
        MATRIX.iter().map(|(call, roles)| (*call, roles.parse().unwrap())).collect();
    let short: Vec<String> = Role::ALL.map(|role| role.name().chars().take(4).collect()).into();
    println!("| call | {} |", short.join(" | "));
    println!("|---|{}", "---|".repeat(short.len()));
    let (mut asked, mut differences) = (0, Vec::new());
    for call in calls() {
        let Some(expected) = expected.get(call.as_str()) else {
            differences.push(format!("{call} has no row"));
            continue;
        };
        let mut cells = Vec::new();
        for role in Role::ALL {
            let let_in = lets_in(&server, &call, Some(&keys[&role])).await;
            let should = if expected.has(role) { Ok(()) } else { Err(Code::PermissionDenied) };
            if let_in != should {
                differences.push(format!("{call} as {}: {let_in:?}", role.name()));
            }
            cells.push(if let_in.is_ok() { "yes" } else { "" });
        }
        println!("| {call} | {} |", cells.join(" | "));
        // Whoever changes what all share, or collects as anybody's payee, cannot be one front-end's.
        let is_everybodys = matches!(call.as_str(), "Payees/CreatePayee" | "Payees/BlockPayee");
        let all = Roles::OPERATOR.meets(*expected);
        let rows = [
            ("operator", Some(operator.as_str()), if all { Ok(()) } else { Err(Code::PermissionDenied) }),
            (
                "a front-end's operator",
                Some(shops.as_str()),
                if all && !is_everybodys { Ok(()) } else { Err(Code::PermissionDenied) },
            ),
            ("development", Some(development.as_str()), Ok(())),
            ("nobody", None, Err(Code::Unauthenticated)),
            ("an unknown key", Some("tsk_0000"), Err(Code::Unauthenticated)),
            ("a revoked key", Some(revoked.as_str()), Err(Code::Unauthenticated)),
        ];
        asked += keys.len() + rows.len();
        for (who, key, should) in rows {
            let let_in = lets_in(&server, &call, key).await;
            if let_in != should {
                differences.push(format!("{call} as {who}: {let_in:?}"));
            }
        }
    }
    println!("{asked} calls of {} kinds", calls().len());
    assert!(differences.is_empty(), "{differences:#?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn says_which_roles_would_do_and_never_whether_a_key_was() {
    let server = Keyed::start().await;
    let development = server.development.clone().unwrap();
    let auditor = v1::CreateCredentialRequest { roles: roles("audit"), ..Default::default() };
    let auditor = server.credential(&development, auditor).await.0;
    let path = "/tallystick.v1.Authorizer/TopUp";
    let refused = server.call(path, Some(&auditor), Vec::new()).await.unwrap_err();
    let details = refused.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!((info.reason.as_str(), info.metadata["roles"].as_str()), ("FORBIDDEN", "grant,authorize"));
    let unknown = server.call(path, Some("tsk_0"), Vec::new()).await.unwrap_err();
    let none = server.call(path, None, Vec::new()).await.unwrap_err();
    assert_eq!((unknown.code(), unknown.message()), (none.code(), none.message()));
    // What is no call of ours is none for whoever may do everything, too.
    for path in ["/tallystick.v1.Authorizer/Nothing", "/tallystick.v1.Nothing/TopUp", "/tallystick.v1./"] {
        let refused = server.call(path, Some(&development), Vec::new()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented, "{path}");
    }
    server.stop().await;
}
