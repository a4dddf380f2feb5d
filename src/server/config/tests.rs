//! Owns: what the configuration promises to whoever writes it.

use super::*;
use std::io::Write as _;
use tempfile::NamedTempFile;

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn flags(given: &[(&str, &str)]) -> Flags {
    Flags::new(given.iter().map(|(name, value)| (*name, (*value).to_owned())))
}

fn variables(given: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
    move |asked| given.iter().find(|(name, _)| *name == asked).map(|(_, value)| value.into())
}

#[test]
fn only_the_data_folder_must_be_given() {
    let config = load(&flags(&[("data", "/d")]), |_| None).unwrap().config;
    assert_eq!(config.data, PathBuf::from("/d"));
    assert_eq!(config.listen, "127.0.0.1:7878".parse().unwrap());
    assert_eq!(config.ops_listen, Some("127.0.0.1:9464".parse().unwrap()));
    assert_eq!(config.durability, Durability::Fsync);
    assert_eq!(config.anonymous, Anonymous::Nobody);
    assert_eq!(config.engine_options().group_bytes, Options::default().group_bytes);
    assert_eq!(config.limits().permit_bytes, tallystick_rpc::Limits::default().permit_bytes);

    let Problems(problems) = load(&Flags::default(), |_| None).unwrap_err();
    assert!(matches!(problems[..], [Problem::Missing { key: "data", .. }]), "{problems:?}");
}

#[test]
fn a_good_file_gives_every_key() {
    let file = file(
        "listen = '[::1]:0'\nops_listen = '[::1]:1'\nanonymous = 'development'\ndata = '/d'\ndurability = 'os'\nshards = 3\ncheckpoint_records = 5\n\
         sweep_every_ms = 7\ngroup_bytes = 8192\nindex = 'rebuild'\nretry_window_hours = 2\npermit_bytes = 2097152\nstream_batches_in_flight = 9\n\
         connections_max = 31\nconnections_per_address_max = 32\ncalls_per_connection_max = 33\ncalls_max = 34\n\
         receive_bytes_max = 1048576\narriving_bytes_max = 1048577\nmessage_bytes_max = 65536\nheader_bytes_max = 1024\n\
         pending_resets_max = 35\nhandshake_timeout_ms = 101\narrival_timeout_ms = 102\nkeepalive_every_ms = 103\n\
         keepalive_timeout_ms = 104\nstall_timeout_ms = 105\nstall_timeout_pressed_ms = 106\n\
         worker_threads = 2\ndrain_timeout_ms = 0\nclock_divergence_max_ms = 11\nlog_format = 'json'\n\
         log_level = 'debug'\n",
    );
    let config = load(&Flags::default().with_file(file.path()), |_| None).unwrap().config;
    let expected = Config {
        listen: "[::1]:0".parse().unwrap(),
        ops_listen: Some("[::1]:1".parse().unwrap()),
        anonymous: Anonymous::Development,
        data: "/d".into(),
        durability: Durability::Os,
        shards: 3,
        checkpoint_records: 5,
        sweep_every: Duration::from_millis(7),
        group_bytes: 8_192,
        rebuild_index: true,
        retry_window: Span::from_hours(2),
        permit_bytes: 2_097_152,
        stream_batches_in_flight: 9,
        network: Network {
            connections_max: 31,
            connections_per_address_max: 32,
            calls_per_connection_max: 33,
            calls_max: 34,
            receive_bytes_max: 1 << 20,
            arriving_bytes_max: 1_048_577,
            message_bytes_max: 65_536,
            header_bytes_max: 1_024,
            pending_resets_max: 35,
            handshake_timeout: Duration::from_millis(101),
            arrival_timeout: Duration::from_millis(102),
            keepalive_every: Duration::from_millis(103),
            keepalive_timeout: Duration::from_millis(104),
            stall_timeout: Duration::from_millis(105),
            stall_timeout_pressed: Duration::from_millis(106),
        },
        worker_threads: 2,
        drain_timeout: Duration::ZERO,
        clock_divergence_max: Duration::from_millis(11),
        log_format: LogFormat::Json,
        log_level: LevelFilter::DEBUG,
    };
    assert_eq!(config, expected);
}

#[test]
fn flags_win_over_variables_over_the_file_over_defaults() {
    let file = file("data = '/file'\nshards = 1\nworker_threads = 1\n");
    let flags = flags(&[("worker_threads", "3")]).with_file(file.path());
    let variables = variables(&[
        ("TALLYSTICK_SHARDS", "2"),
        ("TALLYSTICK_WORKER_THREADS", "2"),
        ("TALLYSTICK_PORT", "tcp"),
    ]);
    let config = load(&flags, variables).unwrap().config;
    assert_eq!((config.data, config.shards, config.worker_threads), ("/file".into(), 2, 3));
    assert_eq!(config.drain_timeout, Duration::from_secs(10));
}

#[test]
fn a_variable_can_name_the_file() {
    let file = file("data = '/file'");
    let path = file.path().to_owned();
    let variable = |name: &str| (name == "TALLYSTICK_CONFIG").then(|| path.clone().into_os_string());
    assert_eq!(load(&Flags::default(), variable).unwrap().config.data, PathBuf::from("/file"));
}

#[test]
fn all_problems_are_reported_at_once_with_their_places() {
    let file =
        file("shards = 0\nlisten = 'localhost'\nops_listen = 'None'\nlog_level = true\ngroup_byte = 1\n");
    let flags = flags(&[("durability", "fast")]).with_file(file.path());
    let text = load(&flags, variables(&[("TALLYSTICK_DRAIN_TIMEOUT_MS", "-1")])).unwrap_err().to_string();
    let path = file.path().display();
    for expected in [
        format!("shards: \"0\", from the file {path}, must be a whole number from 1 to 256"),
        format!("listen: \"localhost\", from the file {path}, must be an IP address and a port"),
        format!(
            "ops_listen: \"None\", from the file {path}, must be an IP address and a port, such as 127.0.0.1:7878 or \
             [::1]:7878, or none for no listener"
        ),
        format!("log_level: \"true\", from the file {path}, must be one of off, error, warn"),
        format!("group_byte: unknown key, from the file {path}; the keys are listen, ops_listen, anonymous, data"),
        "durability: \"fast\", from the flag --durability, must be one of fsync, os".into(),
        "drain_timeout_ms: \"-1\", from the environment variable TALLYSTICK_DRAIN_TIMEOUT_MS, must be a whole \
         number from 0 to 600000 milliseconds"
            .into(),
        "data: not given; it must be the path of a folder, as the flag --data, the environment variable \
         TALLYSTICK_DATA, or the key data of the file"
            .into(),
    ] {
        assert!(text.contains(&expected), "{expected}\nis not in\n{text}");
    }
    assert_eq!(text.lines().count(), 9, "{text}");
}

#[test]
fn what_is_overridden_must_be_right_too() {
    let file = file("data = '/d'\nshards = 1000\n");
    let flags = flags(&[("shards", "4")]).with_file(file.path());
    let Problems(problems) = load(&flags, |_| None).unwrap_err();
    assert!(matches!(problems[..], [Problem::Value { key: "shards", .. }]), "{problems:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_line() {
    let text = load(&flags(&[("data", "/d")]).with_file("/no/such.toml"), |_| None).unwrap_err().to_string();
    assert!(text.contains("the file /no/such.toml: No such file"), "{text}");
    let file = file("data = '/d'\nshards = = 4\n");
    let text = load(&Flags::default().with_file(file.path()), |_| None).unwrap_err().to_string();
    assert!(text.contains("line 2 is no TOML"), "{text}");
}

#[test]
fn what_is_shown_can_be_read_again() {
    let first = flags(&[("data", "/a \"b\""), ("log_format", "json"), ("ops_listen", "none")]);
    let first = load(&first, |_| None).unwrap();
    let shown = first.to_string();
    assert!(shown.contains("log_format = \"json\"  # the flag --log-format\n"), "{shown}");
    assert!(shown.contains("ops_listen = \"none\"  # the flag --ops-listen\n"), "{shown}");
    assert!(shown.contains("durability = \"fsync\"  # the default\n"), "{shown}");
    let file = file(&shown);
    let again = load(&Flags::default().with_file(file.path()), |_| None).unwrap();
    assert_eq!(again.config, first.config);
}

#[test]
fn every_default_keeps_its_rule_and_every_flag_is_the_key() {
    for key in key::ALL {
        assert_eq!(key.flag, key.name.replace('_', "-"));
        let default = (key.default)();
        assert!(default.is_none_or(|text| key.rule.read(&text).is_some()), "{}", key.name);
    }
}

#[test]
fn nobody_is_heard_without_a_key_from_another_machine() {
    let problems = |listen: &str, ops: &str, anonymous: &str| {
        let given = [("data", "/d"), ("listen", listen), ("ops_listen", ops), ("anonymous", anonymous)];
        load(&flags(&given), |_| None).err().map(|Problems(problems)| problems).unwrap_or_default()
    };
    let (far, near) = ("0.0.0.0:1", "127.0.0.1:0");
    assert_eq!(problems(far, far, "nobody"), []);
    for near in [near, "[::1]:0", "[::ffff:127.0.0.1]:0"] {
        assert_eq!(problems(near, "none", "development"), [], "{near}");
    }
    let found = problems(far, "[::]:2", "development");
    let keys = found.iter().map(|problem| match problem {
        Problem::Far { key, .. } => *key,
        other => panic!("{other}"),
    });
    assert_eq!(keys.collect::<Vec<_>>(), ["listen", "ops_listen"]);
    assert!(found.iter().all(|problem| problem.to_string().contains("nobody")));
}
