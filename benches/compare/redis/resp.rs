//! Owns: Redis's protocol, version 2: commands out, replies in. Never: knows a command.
//!
//! NOTE: so little of it is needed that a client library would cost the load more than it saves: the two cores are shared,
//! and whatever the client spends is missing on the peer's side.

use crate::error::CompareError;
use std::io::Write as _;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

const BUFFER_BYTES: usize = 64 * 1_024;

/// Is what Redis may say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Status(String),
    Int(i64),
    /// None is Redis's nil.
    Bulk(Option<Vec<u8>>),
    Array(Vec<Reply>),
    Error(String),
}

/// Holds commands that have not been sent yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Commands {
    bytes: Vec<u8>,
    count: usize,
}

impl Commands {
    /// Begins a command of so many words, its name included; [`Commands::word`] adds them.
    pub(crate) fn begin(&mut self, words: usize) {
        self.count += 1;
        self.header(b'*', words);
    }

    pub(crate) fn word(&mut self, word: impl AsRef<[u8]>) {
        let word = word.as_ref();
        self.header(b'$', word.len());
        self.bytes.extend_from_slice(word);
        self.bytes.extend_from_slice(b"\r\n");
    }

    pub(crate) fn add(&mut self, words: &[&str]) {
        self.begin(words.len());
        words.iter().for_each(|word| self.word(word));
    }

    fn header(&mut self, kind: u8, count: usize) {
        self.bytes.push(kind);
        // A vector takes everything.
        drop(write!(self.bytes, "{count}\r\n"));
    }
}

/// Is one connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    line: String,
}

impl Connection {
    pub(crate) async fn open(port: u16) -> Result<Self, CompareError> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await;
        let stream = stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
        let stream = stream.map_err(CompareError::io("connect to Redis"))?;
        Ok(Self { stream: BufReader::with_capacity(BUFFER_BYTES, stream), line: String::new() })
    }

    /// Sends one command and returns its reply.
    ///
    /// *Errors*: Redis's own are errors here too.
    pub(crate) async fn ask(&mut self, doing: &'static str, words: &[&str]) -> Result<Reply, CompareError> {
        let mut commands = Commands::default();
        commands.add(words);
        self.send(&mut commands).await?;
        self.reply(doing).await
    }

    /// Sends commands at once and returns their replies in order.
    pub(crate) async fn ask_all(
        &mut self,
        doing: &'static str,
        commands: &mut Commands,
    ) -> Result<Vec<Reply>, CompareError> {
        let count = self.send(commands).await?;
        let mut replies = Vec::with_capacity(count);
        for _ in 0..count {
            replies.push(self.reply(doing).await?);
        }
        Ok(replies)
    }

    /// Sends commands, leaves none of them behind, and returns how many replies will come.
    pub(crate) async fn send(&mut self, commands: &mut Commands) -> Result<usize, CompareError> {
        let sent = self.stream.get_mut().write_all(&commands.bytes).await;
        sent.map_err(CompareError::io("write to Redis"))?;
        commands.bytes.clear();
        Ok(std::mem::take(&mut commands.count))
    }

    pub(crate) async fn reply(&mut self, doing: &'static str) -> Result<Reply, CompareError> {
        match self.read().await.map_err(CompareError::io("read from Redis"))? {
            Reply::Error(said) => Err(CompareError::Redis { doing, said }),
            reply => Ok(reply),
        }
    }

    async fn read(&mut self) -> std::io::Result<Reply> {
        let (kind, rest) = self.head().await?;
        Ok(match kind {
            b'+' => Reply::Status(rest),
            b'-' => Reply::Error(rest),
            b':' => Reply::Int(number(&rest)?),
            b'$' => self.bulk(number(&rest)?).await?,
            // Arrays in arrays are asked for nowhere.
            b'*' => {
                let count = usize::try_from(number(&rest)?).unwrap_or(0);
                let mut items = Vec::with_capacity(count);
                for _ in 0..count {
                    let (kind, rest) = self.head().await?;
                    items.push(match kind {
                        b':' => Reply::Int(number(&rest)?),
                        b'$' => self.bulk(number(&rest)?).await?,
                        _ => return Err(malformed(&format!("{}{rest} in an array", char::from(kind)))),
                    });
                }
                Reply::Array(items)
            }
            _ => return Err(malformed(&format!("{}{rest}", char::from(kind)))),
        })
    }

    /// Returns the first byte of a line and the rest of it.
    async fn head(&mut self) -> std::io::Result<(u8, String)> {
        self.line.clear();
        self.stream.read_line(&mut self.line).await?;
        let line = self.line.trim_end_matches(['\r', '\n']);
        let kind = line.bytes().next().ok_or_else(|| malformed("an end"))?;
        if !kind.is_ascii() {
            return Err(malformed(line));
        }
        Ok((kind, line[1..].to_owned()))
    }

    /// Reads a text of so many bytes and the line's end behind it; a negative length is nil.
    async fn bulk(&mut self, length: i64) -> std::io::Result<Reply> {
        let Ok(length) = usize::try_from(length) else { return Ok(Reply::Bulk(None)) };
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes).await?;
        bytes.truncate(length);
        Ok(Reply::Bulk(Some(bytes)))
    }
}

impl Reply {
    /// Returns the number that this is, or that its text shows.
    pub(crate) fn number(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Bulk(Some(bytes)) => std::str::from_utf8(bytes).ok()?.parse().ok(),
            Self::Status(_) | Self::Bulk(None) | Self::Array(_) | Self::Error(_) => None,
        }
    }

    /// Returns the parts of an array.
    pub(crate) fn items(self) -> Option<Vec<Self>> {
        match self {
            Self::Array(items) => Some(items),
            Self::Status(_) | Self::Int(_) | Self::Bulk(_) | Self::Error(_) => None,
        }
    }

    /// Returns the text.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::Bulk(Some(bytes)) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Self::Status(text) => Some(text.clone()),
            Self::Int(_) | Self::Bulk(None) | Self::Array(_) | Self::Error(_) => None,
        }
    }
}

fn number(text: &str) -> std::io::Result<i64> {
    text.parse().map_err(|_| malformed(text))
}

fn malformed(said: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, format!("{said} is no reply"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// Answers the first command with what is given, and returns what was asked and what was read.
    async fn exchange(words: &[&str], answer: &'static [u8]) -> (Vec<u8>, Result<Reply, CompareError>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let peer = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 4_096];
            let count = stream.read(&mut asked).await.unwrap();
            stream.write_all(answer).await.unwrap();
            asked.truncate(count);
            asked
        });
        let reply = Connection::open(port).await.unwrap().ask("test", words).await;
        (peer.await.unwrap(), reply)
    }

    #[tokio::test]
    async fn a_command_is_an_array_of_texts_with_their_lengths() {
        let (asked, reply) = exchange(&["GET", "a key"], b"$-1\r\n").await;
        assert_eq!(asked, b"*2\r\n$3\r\nGET\r\n$5\r\na key\r\n");
        assert_eq!(reply.unwrap(), Reply::Bulk(None));
    }

    #[tokio::test]
    async fn replies_of_each_kind_are_read() {
        let (_, reply) = exchange(&["X"], b"*3\r\n:-3\r\n$2\r\n\r\n\r\n$-1\r\n").await;
        let bulk = |bytes: &[u8]| Reply::Bulk(Some(bytes.to_vec()));
        assert_eq!(reply.unwrap().items().unwrap(), [Reply::Int(-3), bulk(b"\r\n"), Reply::Bulk(None)]);
        let (_, reply) = exchange(&["X"], b"$5\r\n12345\r\n").await;
        assert_eq!(reply.unwrap().number(), Some(12_345));
        let (_, reply) = exchange(&["X"], b"+OK\r\n").await;
        assert_eq!(reply.unwrap().text().unwrap(), "OK");
    }

    #[tokio::test]
    async fn errors_and_nonsense_are_errors() {
        for answer in [&b"-ERR no\r\n"[..], b"?\r\n", b":x\r\n", b"", b"*1\r\n*0\r\n"] {
            let (_, reply) = exchange(&["X"], answer).await;
            assert!(reply.is_err(), "{answer:?}: {reply:?}");
        }
    }
}
