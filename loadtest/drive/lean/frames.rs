//! Owns: gRPC's framing: five bytes before each message. Never: looks into a message.

use crate::LoadError;
use bytes::{BufMut as _, BytesMut};

/// A flag, which says that a message is not compressed, and four bytes of length.
const HEAD_BYTES: usize = 5;

/// Cuts what comes into messages.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The beginning of a message whose end has not come.
    rest: Vec<u8>,
}

impl Frames {
    /// Takes the next bytes and gives every message that is whole.
    ///
    /// *Errors*: those of `each`; a compressed message, which was not asked for.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), LoadError>,
    ) -> Result<(), LoadError> {
        if self.rest.is_empty() {
            let used = cut(bytes, &mut each)?;
            self.rest.extend_from_slice(&bytes[used..]);
        } else {
            self.rest.extend_from_slice(bytes);
            let used = cut(&self.rest, &mut each)?;
            self.rest.drain(..used);
        }
        Ok(())
    }

    /// Returns whether nothing of a message is left.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

/// Gives every whole message, and returns how many bytes they took.
fn cut(bytes: &[u8], each: &mut impl FnMut(&[u8]) -> Result<(), LoadError>) -> Result<usize, LoadError> {
    let mut left = bytes;
    while let Some(([flag, length @ ..], body)) = left.split_first_chunk::<HEAD_BYTES>() {
        if *flag != 0 {
            return Err(LoadError::answer("read a message", "compressed bytes"));
        }
        let Some((message, after)) = body.split_at_checked(u32::from_be_bytes(*length) as usize) else {
            break;
        };
        each(message)?;
        left = after;
    }
    Ok(bytes.len() - left.len())
}

/// Appends one message: room for the head, what `write` writes, and then the head.
pub(super) fn put(out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_bytes(0, HEAD_BYTES);
    write(out);
    // Bounded far below by the contract: a message has at most 1 MiB.
    let length = u32::try_from(out.len() - start - HEAD_BYTES).unwrap_or(u32::MAX);
    out[start + 1..start + HEAD_BYTES].copy_from_slice(&length.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_whole_however_the_bytes_are_cut() {
        let sent: Vec<Vec<u8>> =
            [0_u8, 1, 200, 3].iter().map(|length| vec![*length; (*length).into()]).collect();
        let mut bytes = BytesMut::new();
        for message in &sent {
            put(&mut bytes, |out| out.put_slice(message));
        }
        for size in 1..=bytes.len() {
            let (mut frames, mut heard) = (Frames::default(), Vec::new());
            for piece in bytes.chunks(size) {
                frames
                    .feed(piece, |message| {
                        heard.push(message.to_vec());
                        Ok(())
                    })
                    .unwrap();
            }
            assert_eq!(heard, sent, "in pieces of {size}");
            assert!(frames.is_empty());
        }
        assert!(Frames::default().feed(&[1, 0, 0, 0, 0], |_| Ok(())).is_err(), "compressed");
    }
}
