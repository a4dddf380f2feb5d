//! Owns: where messages begin and end in a body: five bytes before each say how long it is.
//! Never: whether they are right; the decoder finds that out.

/// Is what gRPC puts before each message: a flag, and the length in four bytes.
pub(super) const HEAD_BYTES: usize = 5;

/// Follows a body.
#[derive(Debug, Default)]
pub(super) struct Framing {
    head: [u8; HEAD_BYTES],
    /// How much of the head has come.
    head_bytes: usize,
    /// How much of the message has not come.
    missing: usize,
    /// How much of the message has come, its head included.
    come: usize,
    /// The longest message so far: the decoder's buffer keeps its room.
    longest: usize,
    messages: u64,
}

impl Framing {
    /// Takes what came. *Cost*: constant for each message.
    pub(super) fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.head_bytes < HEAD_BYTES {
                let (of_head, rest) = bytes.split_at(bytes.len().min(HEAD_BYTES - self.head_bytes));
                self.head[self.head_bytes..][..of_head.len()].copy_from_slice(of_head);
                self.head_bytes += of_head.len();
                bytes = rest;
                if self.head_bytes < HEAD_BYTES {
                    return;
                }
                let [_, a, b, c, d] = self.head;
                self.missing = u32::from_be_bytes([a, b, c, d]) as usize;
                self.come = HEAD_BYTES;
            }
            let of_message = bytes.len().min(self.missing);
            bytes = &bytes[of_message..];
            self.missing -= of_message;
            self.come += of_message;
            if self.missing == 0 {
                self.longest = self.longest.max(self.come);
                (self.head_bytes, self.come) = (0, 0);
                self.messages += 1;
            }
        }
    }

    /// Returns how many messages are whole.
    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    /// Returns whether a message has begun and not ended.
    pub(super) fn is_inside(&self) -> bool {
        self.head_bytes > 0
    }

    /// Returns what the decoder's buffer has room for, about: as soon as a message says how long it is, the decoder makes
    /// room for all of it.
    pub(super) fn bytes_held(&self) -> usize {
        self.longest.max(self.come + self.missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: u32) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend(length.to_be_bytes());
        bytes.resize(HEAD_BYTES + length as usize, 7);
        bytes
    }

    #[test]
    fn messages_are_found_however_they_are_cut() {
        let lengths = [0, 1, 300, 5, 0, 70_000];
        let bytes: Vec<u8> = lengths.iter().flat_map(|length| message(*length)).collect();
        for cut in [1, 2, 3, 5, 7, 64, 1_000, bytes.len()] {
            let mut framing = Framing::default();
            for piece in bytes.chunks(cut) {
                framing.take(piece);
            }
            assert_eq!((framing.messages(), framing.is_inside()), (6, false), "{cut}");
            assert_eq!(framing.bytes_held(), 70_005);
        }
    }

    #[test]
    fn a_message_that_is_not_whole_is_known_from_its_first_byte() {
        let mut framing = Framing::default();
        assert!(!framing.is_inside());
        framing.take(&message(100)[..1]);
        assert!(framing.is_inside());
        framing.take(&message(100)[1..50]);
        assert_eq!((framing.messages(), framing.bytes_held()), (0, 105), "as long as it says it is");
    }
}
