//! Proves, against a double of the server, what each command asks, what it says to people and to programs, and how it ends.

use crate::{Exit, Failure, Tools, answer, desk::Said};
use clap::{CommandFactory as _, Parser};
use serde_json::Value;
use std::collections::BTreeSet;
use tallystick_client::fake::{Fake, Fault, World};

/// Is the command line with these tools alone.
#[derive(Debug, Parser)]
#[command(name = "tallystick")]
struct Probe {
    #[command(subcommand)]
    tool: Tools,
}

fn parse(line: &str) -> Result<Tools, clap::Error> {
    let words = line.split_whitespace().map(|word| word.replace('_', " ").replace("~", "_"));
    Probe::try_parse_from(std::iter::once("tallystick".to_owned()).chain(words)).map(|probe| probe.tool)
}

struct Scene {
    fake: Fake,
    server: String,
}

impl Scene {
    async fn new() -> Self {
        let fake = Fake::new(World::default());
        let server = fake.start().await;
        Self { fake, server }
    }

    /// Runs one command; words are split at spaces.
    async fn run(&self, line: &str) -> Result<Said, Failure> {
        let words = ["tallystick"].into_iter().chain(line.split_whitespace());
        let probe = Probe::try_parse_from(words.chain(["--server", &self.server])).expect("a command");
        answer(probe.tool).await
    }

    async fn said(&self, line: &str) -> Said {
        self.run(line).await.unwrap_or_else(|failure| panic!("{line}: {failure}"))
    }

    /// Runs a command and returns an id that it says.
    async fn id(&self, line: &str, field: &str) -> String {
        let said = self.said(line).await;
        said.json[field].as_str().unwrap_or_else(|| panic!("{line}: no {field} in {}", said.json)).to_owned()
    }

    /// Sets up an account of 10.00, a payee, and a session of 2.00.
    async fn stage(&self) -> [String; 3] {
        let account = self.id("account create USD --reference research --key a", "account_id").await;
        self.said(&format!("account deposit {account} 10 --key d")).await;
        let payee = self.id("payee create acme --key p", "payee_id").await;
        let session = self.id(&format!("session open {account} 2.00 --ttl 15m --key s"), "session_id").await;
        [account, payee, session]
    }
}

#[test]
fn the_command_line_is_well_formed() {
    Probe::command().debug_assert();
}

#[tokio::test]
async fn limits_in_time_are_read_asked_and_shown() {
    let scene = Scene::new().await;
    let [account, ..] = scene.stage().await;
    let line = format!("session open {account} 2.00 --velocity 50/1s --velocity 1.50USD/24h --key v");
    let said = scene.said(&line).await;
    let shown = said.text.lines().filter_map(|line| line.strip_prefix("velocity")).map(str::trim);
    assert_eq!(
        shown.collect::<Vec<_>>(),
        ["50 debits/1s; 50 debits left", "1.50 USD/24h rolling; 1.50 USD left"]
    );
    assert_eq!(said.json["velocity"][0]["pace"], "RATE");
    assert_eq!(
        (&said.json["velocity"][1]["most"], &said.json["velocity"][1]["left"]),
        (&"1.50".into(), &"1.50".into())
    );
    let failure =
        scene.run(&format!("session open {account} 2.00 --velocity 1.50EUR/24h")).await.unwrap_err();
    assert_eq!(failure.exit(), Exit::Usage);
    assert_eq!(
        failure.to_string(),
        "--velocity must count debits, or be an amount in USD; `1.50EUR/24h` was given"
    );
}

#[tokio::test]
async fn a_payment_is_said_with_what_remains_and_again_as_a_replay() {
    let scene = Scene::new().await;
    let [_, payee, session] = scene.stage().await;
    let line = format!("pay {session} {payee} 1.50 --key k --reference call");
    let said = scene.said(&line).await;
    assert_eq!(said.exit, Exit::Done);
    assert!(said.text.starts_with("approved   1.50\n"), "{}", said.text);
    assert!(said.text.contains("remaining  0.50\n"), "{}", said.text);
    assert_eq!(said.json["outcome"], "APPROVED");
    assert_eq!((&said.json["amount"], &said.json["amount_nanos"]), (&"1.50".into(), &"1500000000".into()));
    assert_eq!(said.json["key"], "k");
    let again = scene.said(&line).await;
    assert!(again.text.contains("replayed"), "{}", again.text);
    assert_eq!(again.json["replayed"], true);
    let failure = scene.run(&format!("pay {session} {payee} 7 --key k")).await.unwrap_err();
    assert_eq!(failure.exit(), Exit::Refused);
    assert!(failure.to_string().contains("KEY_REUSED"), "{failure}");
}

#[tokio::test]
async fn a_decline_is_an_outcome_with_its_own_exit_code_and_what_to_do_next() {
    let scene = Scene::new().await;
    let [account, payee, session] = scene.stage().await;
    let said = scene.said(&format!("pay {session} {payee} 2.50")).await;
    assert_eq!(said.exit, Exit::Declined);
    assert!(said.text.starts_with("declined   2.50: CAP, a limit of the session"), "{}", said.text);
    assert!(said.text.contains("next       at most 2.00 fits"), "{}", said.text);
    assert_eq!((&said.json["code"], &said.json["next"]["at_most"]), (&"CAP".into(), &"2.00".into()));
    let partial = scene.said(&format!("pay {session} {payee} 2.50 --accept-partial")).await;
    assert_eq!(partial.exit, Exit::Done);
    assert!(partial.text.starts_with("approved   2.00 of 2.50 asked"), "{}", partial.text);
    assert!(partial.text.contains("nothing more can be approved"), "{}", partial.text);
    for line in [
        format!("session open {account} 100"),
        format!("session topup {session} 100"),
        format!("account withdraw {account} 100"),
    ] {
        let said = scene.said(&line).await;
        assert_eq!((said.exit, &said.json["outcome"]), (Exit::Declined, &"DECLINED".into()), "{line}");
    }
}

#[tokio::test]
async fn failures_name_the_key_to_try_again_with() {
    let scene = Scene::new().await;
    let [_, payee, session] = scene.stage().await;
    scene.fake.world().faults = (1..1_000).map(Fault::DropBefore).collect();
    let line = format!("pay {session} {payee} 1 --timeout 100ms");
    let failure = scene.run(&line).await.unwrap_err();
    assert_eq!(failure.exit(), Exit::Unavailable);
    let said = failure.to_string();
    assert!(said.contains("OVERLOADED") && said.contains("--key cli-"), "{said}");
    let key = failure.json()["error"]["key"].as_str().unwrap().to_owned();
    scene.fake.world().faults.clear();
    assert_eq!(scene.said(&format!("pay {session} {payee} 1 --key {key}")).await.exit, Exit::Done);
    let nobody = Scene { server: "http://127.0.0.1:1".into(), ..scene };
    let failure = nobody.run(&line).await.unwrap_err();
    assert_eq!(failure.exit(), Exit::Unavailable);
    assert!(failure.to_string().contains("cannot be reached"), "{failure}");
}

#[tokio::test]
async fn amounts_that_are_none_are_refused_before_anything_is_sent() {
    let scene = Scene::new().await;
    let [account, payee, session] = scene.stage().await;
    for (line, parts) in [
        (format!("pay {session} {payee} 1.0000000001"), ["AMOUNT", "9 decimals"]),
        (format!("pay {session} {payee} 1.5 --nanos"), ["AMOUNT", "whole number of nanos"]),
        (format!("session open {account} 1 --ttl soon"), ["--ttl", "15m"]),
        (format!("session open {account} 1 --debit-max x"), ["--debit-max", "decimal"]),
        (format!("session open {account} 1 --payee-cap {payee}"), ["--payee-cap", "PAYEE=AMOUNT"]),
    ] {
        let failure = scene.run(&line).await.unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage, "{line}");
        assert!(parts.iter().all(|part| failure.to_string().contains(part)), "{failure}");
    }
    let said = scene.said(&format!("pay {session} {payee} 1500000000 --nanos")).await;
    assert!(said.text.starts_with("approved   1500000000\n"), "{}", said.text);
    assert_eq!(said.json["amount"], "1.50");
}

#[test]
fn ids_of_another_kind_and_bad_combinations_are_refused_by_the_parser() {
    let id = |prefix: &str| format!("{prefix}~{}", "0".repeat(26));
    let (account, session, payee, debit) = (id("acc"), id("ses"), id("pay"), id("deb"));
    for (line, part) in [
        (format!("pay {account} {payee} 1"), "the id of an account"),
        ("payee show acme".to_owned(), "begins with pay"),
        (format!("session topup {session}"), "AMOUNT"),
        (format!("lookup --session {session}"), "--key"),
        (format!("lookup {debit} --session {session}"), "cannot be used"),
        ("account create USD --credit-limit 1 --authority x".to_owned(), "cannot be used"),
        ("journal inspect data --kind nonsense".to_owned(), "debited"),
    ] {
        let said = parse(&line).unwrap_err().to_string();
        assert!(said.contains(part), "{line}: {said}");
    }
    assert!(parse(&format!("session topup {session} --extend 15m")).is_ok());
}

#[tokio::test]
async fn deposits_go_through_their_states() {
    let scene = Scene::new().await;
    let account = scene.id("account create EUR", "account_id").await;
    let said = scene.said(&format!("account deposit {account} 5 --pending")).await;
    assert!(
        said.text.contains("state    pending") && said.text.contains("0.00 EUR available"),
        "{}",
        said.text
    );
    let deposit = said.json["deposit_id"].as_str().unwrap().to_owned();
    assert!(scene.said(&format!("account confirm {deposit}")).await.text.contains("5.00 EUR available"));
    let wrong = scene.run(&format!("account fail {deposit}")).await.unwrap_err();
    assert!(wrong.to_string().contains("WRONG_STATE"), "{wrong}");
    assert!(scene.said(&format!("account return {deposit}")).await.text.contains("returned"));
    let list = scene.said(&format!("account deposits {account}")).await;
    assert_eq!(list.json["deposits"][0]["state"], "RETURNED");
    let line = scene.id("account create USD --credit-limit 100", "account_id").await;
    assert_eq!(scene.said(&format!("account limit {line} 250")).await.json["credit_limit"], "250.00");
    assert_eq!(scene.said(&format!("account repay {line} 1")).await.exit, Exit::Done);
    assert_eq!(scene.said("account list").await.json["accounts"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn lists_turn_pages_and_say_when_there_is_more() {
    let scene = Scene::new().await;
    for name in ["acme", "globex", "initech"] {
        scene.said(&format!("payee create {name} --key {name}")).await;
    }
    let all = scene.said("payee list").await;
    assert_eq!((all.json["payees"].as_array().unwrap().len(), &all.json["more"]), (3, &false.into()));
    let some = scene.said("payee list --limit 2").await;
    assert_eq!((some.json["payees"].as_array().unwrap().len(), &some.json["more"]), (2, &true.into()));
    assert!(some.text.ends_with("… and more: --limit 0 shows all"), "{}", some.text);
    let payee = all.json["payees"][0]["payee_id"].as_str().unwrap();
    assert_eq!(scene.said(&format!("payee block {payee}")).await.json["status"], "BLOCKED");
}

#[tokio::test]
async fn the_tree_is_drawn_and_closes_from_the_leaves() {
    let scene = Scene::new().await;
    let [account, payee, session] = scene.stage().await;
    let child = scene.id(&format!("session open {session} 0.50"), "session_id").await;
    scene.said(&format!("pay {child} {payee} 0.20")).await;
    let tree = scene.said(&format!("session tree {account}")).await;
    let lines: Vec<&str> = tree.text.lines().collect();
    assert!(lines[0].contains("\"research\"") && lines[0].contains("8.00 USD available"), "{}", tree.text);
    assert!(
        lines[1].starts_with(&format!("└── {session}")) && lines[1].contains("0.50 set aside"),
        "{}",
        tree.text
    );
    assert!(
        lines[2].starts_with(&format!("    └── {child}")) && lines[2].contains("0.30 remaining"),
        "{}",
        tree.text
    );
    assert!(lines[3].contains(&payee) && lines[3].contains("0.20 in 1 debit"), "{}", tree.text);
    assert_eq!(tree.json["sessions"][0]["children"][0]["session_id"], child.as_str());
    let refused = scene.run(&format!("settle {session}")).await.unwrap_err();
    assert!(refused.to_string().contains("--cascade"), "{refused}");
    let said = scene.said(&format!("settle {session} --cascade")).await;
    assert_eq!((&said.json["cascaded_count"], &said.json["spent_below"]), (&1.into(), &"0.20".into()));
    assert_eq!(scene.said(&format!("session show {session}")).await.json["state"], "SETTLED");
    let list = scene.said("settlements list").await;
    assert_eq!(list.json["settlements"].as_array().unwrap().len(), 2);
    assert_eq!(scene.said("settlement follow --once").await, Said::nothing());
    assert_eq!(scene.said(&format!("settlement show {child}")).await.json["total"], "0.20");
}

#[tokio::test]
async fn debits_are_looked_up_listed_and_reversed() {
    let scene = Scene::new().await;
    let [_, payee, session] = scene.stage().await;
    let debit = scene.id(&format!("pay {session} {payee} 1.50 --key k"), "debit_id").await;
    scene.said(&format!("pay {session} {payee} 9 --key far")).await;
    assert_eq!(scene.said(&format!("lookup {debit}")).await.exit, Exit::Done);
    let declined = scene.said(&format!("lookup --session {session} --key far")).await;
    assert_eq!((declined.exit, &declined.json["lookup"]), (Exit::Declined, &"DECLINED".into()));
    let never = scene.said(&format!("lookup --session {session} --key other")).await;
    assert_eq!((never.exit, &never.json["lookup"]), (Exit::NeverSeen, &"NEVER_SEEN".into()));
    let said = scene.said(&format!("reverse {debit} 0.50")).await;
    assert_eq!(
        (&said.json["reversed"], &said.json["session"]["remaining"]),
        (&"0.50".into(), &"1.00".into())
    );
    let list = scene.said(&format!("session debits {session}")).await;
    assert_eq!(list.json["debits"][0]["reversed"], "0.50");
    assert!(list.text.contains("declined CAP"), "{}", list.text);
    let first = scene.said(&format!("session debits {session} --limit 1")).await;
    assert_eq!(
        (&first.json["more"], &first.json["next_after_seq"]),
        (&true.into(), &list.json["debits"][0]["seq"])
    );
}

#[tokio::test]
async fn a_file_is_streamed_once_however_often_it_is_sent() {
    let scene = Scene::new().await;
    let [_, payee, session] = scene.stage().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.csv");
    let rows: String = (0..300).map(|n| format!("{session},{payee},0.01,row-{n}\n")).collect();
    std::fs::write(&file, format!("session,payee,amount,key\n{rows}")).unwrap();
    let line = format!("stream {} --batch 7", file.display());
    let said = scene.said(&line).await;
    assert_eq!((&said.json["approved"], &said.json["declined"]), (&200.into(), &100.into()));
    assert_eq!((said.exit, &said.json["outcomes"][0]["currency"]), (Exit::Declined, &"USD".into()));
    let again = scene.said(&line).await;
    assert_eq!((&again.json["approved"], &again.json["replayed"]), (&200.into(), &300.into()));
    let spent = scene.said(&format!("session show {session}")).await;
    assert_eq!(spent.json["spent"], "2.00");
}

#[tokio::test]
async fn a_file_with_bad_rows_is_not_sent_unless_they_may_be_left_out() {
    let scene = Scene::new().await;
    let [_, payee, session] = scene.stage().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.csv");
    std::fs::write(&file, format!("payee,amount\n{payee},0.01\n{payee},x\n")).unwrap();
    let line = format!("stream {} --session {session}", file.display());
    let failure = scene.run(&line).await.unwrap_err();
    assert_eq!(failure.exit(), Exit::Usage);
    assert!(failure.to_string().contains("1 bad row, so nothing was sent"), "{failure}");
    assert_eq!(scene.said(&format!("session show {session}")).await.json["debit_count"], 0);
    let said = scene.said(&format!("{line} --skip-bad")).await;
    assert_eq!((&said.json["approved"], &said.json["bad_rows"]), (&1.into(), &1.into()));
    let gone = scene.run("stream nowhere.csv").await.unwrap_err();
    assert_eq!(gone.exit(), Exit::Usage);
}

/// Programs depend on these names: a change here is a change of the contract.
#[tokio::test]
async fn field_names_stay() {
    let scene = Scene::new().await;
    let [account, payee, session] = scene.stage().await;
    let names = |json: &Value| json.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let wanted = |text: &str| text.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>();
    let pay = scene.said(&format!("pay {session} {payee} 1")).await;
    let decision = "amount amount_nanos asked asked_nanos code debit_id decided_at durability final_unit key level limit_id \
                    network_code next outcome payee_remaining payee_remaining_nanos remaining remaining_nanos replayed seq";
    assert_eq!(names(&pay.json), wanted(decision));
    let shown = scene.said(&format!("account show {account}")).await;
    let fields = "account_id available available_nanos control created_at credit_limit credit_limit_nanos currency deficit \
                  deficit_nanos deposited deposited_nanos external_authority front_end funding open_session_count \
                  outstanding outstanding_nanos payment_method pending pending_nanos reference repaid repaid_nanos \
                  reserved reserved_nanos spent spent_nanos state velocity withdrawn withdrawn_nanos";
    assert_eq!(names(&shown.json), wanted(fields));
    let settled = scene.said(&format!("settle {session}")).await;
    let fields = "account_id cascaded_count collection currency debit_count durability lines opened_at parent_session_id \
                  reason released released_nanos replayed seq session_id settled_at settlement_id spent_below \
                  spent_below_nanos total total_nanos";
    assert_eq!(names(&settled.json), wanted(fields));
}

#[test]
fn completions_and_man_pages_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let Ok(Tools::Man(man)) = parse(&format!("man --out {}", folder.path().display())) else { panic!("man") };
    crate::shell::man(&man, Probe::command()).unwrap();
    let pages: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(pages.len() > 30, "{} pages", pages.len());
    for shell in ["bash", "zsh", "fish"] {
        let Ok(Tools::Completions(args)) = parse(&format!("completions {shell}")) else { panic!("{shell}") };
        let said = crate::shell::completions(&args, Probe::command()).unwrap();
        assert!(said.text.contains("topup"), "{shell}");
    }
}

#[tokio::test]
async fn a_stop_says_its_epoch_and_only_that_epoch_resumes() {
    let scene = Scene::new().await;
    let [account, payee, session] = scene.stage().await;
    let paused = scene.said(&format!("pause {session} --note fraud")).await;
    assert_eq!(paused.json["state"], "PAUSED");
    assert_eq!((&paused.json["epoch"], &paused.json["replayed"]), (&Value::from(1), &Value::from(false)));
    assert!(paused.text.contains("paused") && paused.text.contains("epoch 1"), "{}", paused.text);
    assert!(paused.text.contains(": fraud"), "{}", paused.text);
    let no = scene.said(&format!("pay {session} {payee} 0.10 --key n")).await;
    assert_eq!((no.exit, &no.json["code"]), (Exit::Declined, &Value::from("PAUSED")));
    let late = scene.run(&format!("resume {session} --epoch 0")).await.unwrap_err();
    assert!(late.to_string().contains("CONTROL_FENCED"), "{late}");
    let resumed = scene.said(&format!("resume {session} --epoch 1")).await;
    assert_eq!(resumed.json["state"], "OPEN");
    assert_eq!(scene.said(&format!("pay {session} {payee} 0.10 --key y")).await.exit, Exit::Done);
    let revoked = scene.said(&format!("revoke {account} --void-holds")).await;
    assert_eq!((&revoked.json["state"], &revoked.json["holds"]), (&"REVOKED".into(), &"VOID".into()));
    assert!(revoked.text.contains("holds given back"), "{}", revoked.text);
    let no = scene.said(&format!("pay {session} {payee} 0.10 --key r")).await;
    assert_eq!(no.json["code"], "REVOKED");
    let front_end = scene.said("pause front-end:shop").await;
    assert_eq!(front_end.json["on"], "front-end:shop");
    assert!(parse("resume ses_00000000000000000000000000").is_err(), "a resume names its epoch");
    assert!(parse("pause pay_00000000000000000000000000").is_err());
}
