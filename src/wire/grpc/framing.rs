//! Finds the messages of a call in the bytes that pass: a flag, four bytes of length, and so many bytes.
//!
//! Counts messages, and knows whether the bytes so far end between two of them. Keeps no byte but those of a prefix
//! that is not whole. A message that is compressed, or larger than anything, is as good as another. Invariant: however
//! the bytes are cut into pieces, the count is the same.

const PREFIX: usize = 5;

/// A reader's place in the messages of one direction of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageReader {
    prefix: [u8; PREFIX],
    /// How much of the prefix is there.
    known: usize,
    /// How much of the message is to come.
    left: u64,
    begun: u64,
}

impl MessageReader {
    /// Follows these bytes.
    pub fn see(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left == 0 {
                let take = bytes.len().min(PREFIX - self.known);
                self.prefix[self.known..self.known + take].copy_from_slice(&bytes[..take]);
                self.known += take;
                bytes = &bytes[take..];
                if self.known < PREFIX {
                    return;
                }
                let [_, a, b, c, d] = self.prefix;
                self.left = u64::from(u32::from_be_bytes([a, b, c, d]));
                self.known = 0;
                self.begun += 1;
                continue;
            }
            let take = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
            self.left -= take as u64;
            bytes = &bytes[take..];
        }
    }

    /// Whether the prefix of a message has come.
    #[must_use]
    pub const fn has_begun(&self) -> bool {
        self.begun > 0
    }

    /// How many messages have begun.
    #[must_use]
    pub const fn begun(&self) -> u64 {
        self.begun
    }

    /// How many messages have ended.
    #[must_use]
    pub const fn ended(&self) -> u64 {
        if self.left > 0 { self.begun - 1 } else { self.begun }
    }

    /// Whether the bytes so far end within a message.
    #[must_use]
    pub const fn is_within(&self) -> bool {
        self.known > 0 || self.left > 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(length: usize) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend(u32::try_from(length).unwrap().to_be_bytes());
        bytes.extend(std::iter::repeat_n(7, length));
        bytes
    }

    #[test]
    fn a_message_has_begun_with_its_prefix() {
        let mut reader = MessageReader::default();
        reader.see(&[1, 0, 0, 0]);
        assert!(!reader.has_begun() && reader.is_within());
        reader.see(&[2]);
        assert!(reader.has_begun() && reader.is_within());
        reader.see(&[9, 9]);
        assert!(!reader.is_within());
        reader.see(&message(0));
        assert_eq!((reader.begun(), reader.is_within()), (2, false));
    }

    #[test]
    fn the_largest_message_that_can_be_announced_is_followed() {
        let mut reader = MessageReader::default();
        reader.see(&[0, 0xff, 0xff, 0xff, 0xff, 1]);
        assert!(reader.is_within() && reader.begun() == 1);
    }

    proptest! {
        #[test]
        fn the_cut_into_pieces_changes_nothing(
            lengths in prop::collection::vec(0_usize..40, 0..12),
            cuts in prop::collection::vec(1_usize..17, 1..9),
            short in 0_usize..30,
        ) {
            let mut all: Vec<u8> = lengths.iter().flat_map(|length| message(*length)).collect();
            all.truncate(all.len().saturating_sub(short));
            let mut at_once = MessageReader::default();
            at_once.see(&all);
            let (mut piecemeal, mut rest, mut cut) = (MessageReader::default(), &all[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(rest.len().min(*cut.next().unwrap()));
                piecemeal.see(piece);
                rest = after;
            }
            prop_assert_eq!((piecemeal.begun(), piecemeal.is_within()), (at_once.begun(), at_once.is_within()));
            if short == 0 {
                prop_assert_eq!((at_once.begun(), at_once.is_within()), (lengths.len() as u64, false));
                prop_assert_eq!(at_once.ended(), lengths.len() as u64);
            }
        }
    }
}
