//! Owns: HTTP/2 by hand: frames as bytes on a plain connection, in any order and shape.

use crate::support::PATIENCE;
use std::{io, net::Ipv4Addr};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const ENHANCE_YOUR_CALM: u32 = 0xb;

/// Is a frame that came.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// Is how a connection ended: what its `GOAWAY` said, if there was one.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Goodbye {
    pub error: Option<u32>,
    pub text: String,
}

pub struct Raw(pub TcpStream);

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Writes headers of a call, without any compression.
pub fn headers(path: &str) -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "flood"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    fields.into_iter().flat_map(|(name, value)| field(name, value)).collect()
}

/// Writes one header; neither may be longer than 126 bytes.
pub fn field(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        bytes.push(u8::try_from(text.len()).unwrap());
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// Puts gRPC's head before a message.
pub fn message(bytes: &[u8]) -> Vec<u8> {
    let mut all = vec![0];
    all.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
    all.extend(bytes);
    all
}

impl Raw {
    /// Connects and says nothing.
    pub async fn connect(address: &str) -> io::Result<Self> {
        timeout(PATIENCE, TcpStream::connect(address)).await?.map(Self)
    }

    /// Connects from one of this machine's many addresses.
    pub async fn connect_from(from: Ipv4Addr, address: &str) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        timeout(PATIENCE, socket.connect(address.parse().unwrap())).await?.map(Self)
    }

    /// Connects and greets as HTTP/2 wants it.
    pub async fn greet(address: &str) -> io::Result<Self> {
        let mut raw = Self::connect(address).await?;
        raw.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await?;
        Ok(raw)
    }

    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(PATIENCE, self.0.write_all(bytes)).await?
    }

    /// Sends until all is gone or nothing is taken any more.
    pub async fn send_what_is_taken(
        &mut self,
        bytes: &[u8],
        patience: std::time::Duration,
    ) -> io::Result<()> {
        timeout(patience, self.0.write_all(bytes)).await?
    }

    /// Reads the next frame; nothing at the end, however it came.
    pub async fn frame(&mut self) -> Option<Frame> {
        let reading = async {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let mut payload = vec![0; length];
            self.0.read_exact(&mut payload).await.ok()?;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            Some(Frame { kind: head[3], flags: head[4], stream, payload })
        };
        timeout(PATIENCE, reading).await.expect("something should have come, or the end")
    }

    /// Reads to the end, if it comes in time.
    pub async fn goodbye_within(&mut self, patience: std::time::Duration) -> Option<Goodbye> {
        timeout(patience, self.goodbye()).await.ok()
    }

    /// Reads to the end.
    pub async fn goodbye(&mut self) -> Goodbye {
        let mut goodbye = Goodbye::default();
        while let Some(frame) = self.frame().await {
            if frame.kind == GOAWAY {
                let error = frame.payload[4..8].try_into().unwrap();
                goodbye.error = Some(u32::from_be_bytes(error));
                goodbye.text = String::from_utf8_lossy(&frame.payload[8..]).into_owned();
            }
        }
        goodbye
    }
}
