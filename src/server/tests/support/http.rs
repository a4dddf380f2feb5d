//! Owns: asking the operations listener, in plain HTTP over a plain connection, and reading OpenMetrics strictly.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    unreachable_pub,
    dead_code,
    reason = "each test uses a part"
)]

use super::PATIENCE;
use std::collections::BTreeMap;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Is what came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub body: String,
}

pub async fn get(address: &str, path: &str) -> Answer {
    timeout(PATIENCE, ask(address, path)).await.expect("it should have answered")
}

async fn ask(address: &str, path: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = String::new();
    stream.read_to_string(&mut bytes).await.unwrap();
    let (head, body) = bytes.split_once("\r\n\r\n").expect("an answer has a head");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap();
    let headers: BTreeMap<String, &str> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    assert_eq!(headers["content-length"], body.len().to_string(), "{head}");
    Answer {
        status,
        content_type: headers.get("content-type").copied().unwrap_or_default().to_owned(),
        body: body.to_owned(),
    }
}

/// Is a page of metrics that was read line by line.
#[derive(Debug, Default)]
pub struct Metrics {
    /// By family: its help and its type.
    pub families: BTreeMap<String, (String, String)>,
    /// By name with labels, in the order of the page.
    pub samples: BTreeMap<String, f64>,
}

impl Metrics {
    /// Reads a page. *Panics*: at the first line that is not what it should be, naming it.
    pub fn parse(page: &str) -> Self {
        let mut metrics = Self::default();
        let body = page.strip_suffix("# EOF\n").expect("a page ends with its marker");
        let mut family = String::new();
        for line in body.lines() {
            if let Some(meta) = line.strip_prefix("# ") {
                let mut words = meta.splitn(3, ' ');
                let (what, name) = (words.next().unwrap(), words.next().unwrap());
                let text = words.next().unwrap_or_else(|| panic!("{line}")).to_owned();
                match what {
                    "HELP" => {
                        family = name.to_owned();
                        let before = metrics.families.insert(family.clone(), (text, String::new()));
                        assert!(before.is_none() && name.starts_with("tallystick_"), "{line}");
                    }
                    "TYPE" if name == family => metrics.families.get_mut(name).unwrap().1 = text,
                    "UNIT" if name == family => assert!(name.ends_with(&text), "{line}"),
                    _ => panic!("{line}"),
                }
                continue;
            }
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
            let bare = name.split('{').next().unwrap();
            let suffix = bare.strip_prefix(family.as_str()).unwrap_or_else(|| panic!("{line}"));
            let (help, kind) = &metrics.families[&family];
            let suffixes: &[&str] = match kind.as_str() {
                "counter" => &["_total"],
                "gauge" => &[""],
                "info" => &["_info"],
                "histogram" => &["_sum", "_count", "_bucket"],
                other => panic!("{other}: {line}"),
            };
            assert!(!help.is_empty() && suffixes.contains(&suffix), "{line}");
            check_labels(name, line);
            assert!(metrics.samples.insert(name.to_owned(), value).is_none(), "twice: {line}");
        }
        metrics
    }

    /// Returns one sample. *Panics*: without it.
    pub fn get(&self, name: &str) -> f64 {
        *self.samples.get(name).unwrap_or_else(|| panic!("{name} is not in {:#?}", self.samples))
    }

    /// Returns the samples of one family, by their labels.
    pub fn of<'a>(&'a self, family: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.samples.iter().filter_map(move |(name, value)| Some((name.strip_prefix(family)?, *value)))
    }
}

/// Checks `name{key="value",…}`; no value here has a comma, a quote or a backslash.
fn check_labels(name: &str, line: &str) {
    let Some((_, labels)) = name.split_once('{') else { return };
    let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}"));
    for label in labels.split(',') {
        let (key, value) = label.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
        assert!(key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
        assert!(value.strip_suffix('"').is_some_and(|value| !value.contains(['"', '\\'])), "{line}");
    }
}
