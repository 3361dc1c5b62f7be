//! Where in an HTTP/2 frame a client is, found from the bytes as they pass.
//!
//! Reads length, kind and one flag of each frame: enough to know whether a block of headers, or any frame but one of
//! data, is half-way in, so that a client that sends one slowly is limited in time like one that sends an HTTP/1 head
//! slowly. The parser handles errors of the protocol. Invariant: constant memory, no byte is read twice.

const HEAD: usize = 9;
const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;

/// A reader's place in the frames of one connection, from behind the preface.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    head: [u8; HEAD],
    /// How much of the head is there.
    known: usize,
    /// How much of the payload is to come.
    left: usize,
    /// Whether a block of headers is open.
    in_block: bool,
    /// Whether any frame is complete; a connection begins with one.
    begun: bool,
}

impl Frames {
    /// Follows these bytes; says whether they completed a frame that stands for itself, or a block of headers.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) -> bool {
        let mut completed = false;
        while !bytes.is_empty() {
            if self.known < HEAD {
                let take = bytes.len().min(HEAD - self.known);
                self.head[self.known..self.known + take].copy_from_slice(&bytes[..take]);
                self.known += take;
                bytes = &bytes[take..];
                if self.known < HEAD {
                    return completed;
                }
                let [high, middle, low, kind, flags, ..] = self.head;
                self.left = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
                if kind == HEADERS || kind == CONTINUATION {
                    self.in_block = flags & END_HEADERS == 0;
                }
            }
            let take = bytes.len().min(self.left);
            self.left -= take;
            bytes = &bytes[take..];
            if self.left == 0 {
                self.known = 0;
                self.begun = true;
                completed |= !self.in_block;
            }
        }
        completed
    }

    /// Whether the client has begun something that it has to finish before anything else: not so within data.
    pub(super) fn is_half_way(&self) -> bool {
        let in_frame = self.known > 0 && !(self.known == HEAD && self.head[3] == DATA);
        !self.begun || self.in_block || in_frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![0, u8::try_from(length >> 8).unwrap(), u8::try_from(length & 255).unwrap(), kind, flags];
        frame.extend([0, 0, 0, 1]);
        frame.extend(std::iter::repeat_n(7, length));
        frame
    }

    const SETTINGS: u8 = 0x4;
    const PING: u8 = 0x6;

    #[test]
    fn a_connection_is_half_way_until_its_first_frame_is_complete() {
        let mut frames = Frames::default();
        assert!(frames.is_half_way());
        let settings = frame(SETTINGS, 0, 6);
        assert!(!frames.take(&settings[..14]));
        assert!(frames.is_half_way());
        assert!(frames.take(&settings[14..]));
        assert!(!frames.is_half_way());
    }

    #[test]
    fn however_the_bytes_are_cut_the_places_between_frames_are_found() {
        let all = [
            (frame(SETTINGS, 0, 0), false),
            (frame(HEADERS, 0, 5), true),
            (frame(CONTINUATION, 0, 0), true),
            (frame(CONTINUATION, END_HEADERS, 300), false),
            (frame(DATA, 0, 70), false),
            (frame(PING, 0, 8), false),
            (frame(HEADERS, END_HEADERS, 1), false),
        ];
        for step in [1, 2, 8, 9, 10, 1000] {
            let mut frames = Frames::default();
            for (frame, half_way) in &all {
                for piece in frame.chunks(step) {
                    frames.take(piece);
                }
                assert_eq!(frames.is_half_way(), *half_way, "pieces of {step}");
            }
        }
        let mut frames = Frames::default();
        let joined: Vec<u8> = all.iter().flat_map(|(frame, _)| frame.clone()).collect();
        assert!(frames.take(&joined) && !frames.is_half_way());
    }

    #[test]
    fn within_data_a_client_may_take_its_time() {
        let mut frames = Frames::default();
        frames.take(&frame(SETTINGS, 0, 0));
        let data = frame(DATA, 0, 20);
        frames.take(&data[..8]);
        assert!(frames.is_half_way(), "what it will be is not known yet");
        frames.take(&data[8..9]);
        assert!(!frames.is_half_way());
        let ping = frame(PING, 0, 8);
        frames.take(&data[9..]);
        frames.take(&ping[..12]);
        assert!(frames.is_half_way());
    }
}
