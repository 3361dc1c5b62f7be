//! Frames of a WebSocket (RFC 6455), as far as it takes to end one from the middle: where a frame ends, and the frame
//! that says goodbye.
//!
//! Reads lengths and nothing else: no payload, no opcode, no text. A frame may be as long as it says, and nothing is
//! held. Invariant: between two frames, and only there, another frame may be written.

/// The code of a service that restarts: clients connect again.
pub const SERVICE_RESTART: u16 = 1012;

/// The longest head of a frame: two bytes, eight of length, four of a mask.
const LONGEST_HEAD: usize = 14;

/// Where a stream of frames stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Frames {
    head: [u8; LONGEST_HEAD],
    /// How many bytes of a head are here.
    have: usize,
    /// How many bytes of a payload are still to come.
    left: u64,
}

impl Frames {
    /// These bytes passed.
    pub fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let passed = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left -= passed as u64;
                bytes = &bytes[passed..];
                continue;
            }
            self.head[self.have] = bytes[0];
            self.have += 1;
            bytes = &bytes[1..];
            if let Some(length) = self.length() {
                (self.have, self.left) = (0, length);
            }
        }
    }

    /// Whether no frame is half-way through.
    #[must_use]
    pub const fn are_between(&self) -> bool {
        self.have == 0 && self.left == 0
    }

    /// The payload's length, once the head is whole.
    fn length(&self) -> Option<u64> {
        let masked = if self.have > 1 && self.head[1] & 0x80 != 0 { 4 } else { 0 };
        let extended = match self.head[1] & 0x7f {
            _ if self.have < 2 => return None,
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if self.have < 2 + extended + masked {
            return None;
        }
        let big_endian = self.head[2..2 + extended].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        Some(if extended == 0 { u64::from(self.head[1] & 0x7f) } else { big_endian })
    }
}

/// A server's close frame with this code and reason, of which a frame takes at most 123 bytes.
#[must_use]
pub fn close(code: u16, reason: &str) -> Vec<u8> {
    let reason = &reason.as_bytes()[..reason.len().min(123)];
    let length = u8::try_from(reason.len() + 2).unwrap_or(125);
    let mut frame = vec![0x88, length];
    frame.extend(code.to_be_bytes());
    frame.extend(reason);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(length: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![0x82];
        match length {
            0..=125 => frame.push(mask | u8::try_from(length).unwrap()),
            126..=65535 => {
                frame.push(mask | 126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(mask | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(std::iter::repeat_n(0xaa, length + if masked { 4 } else { 0 }));
        // The mask is a part of the head.
        frame
    }

    #[test]
    fn frames_end_where_they_say_however_they_are_cut() {
        for length in [0, 1, 125, 126, 127, 65535, 65536] {
            for masked in [false, true] {
                let bytes = frame(length, masked);
                for piece in [1, 2, 3, 7, bytes.len()] {
                    let mut frames = Frames::default();
                    let mut passed = 0;
                    for part in bytes.chunks(piece) {
                        frames.read(part);
                        passed += part.len();
                        assert_eq!(frames.are_between(), passed == bytes.len(), "{length} {masked} {piece} {passed}");
                    }
                }
            }
        }
        let mut frames = Frames::default();
        let several: Vec<u8> = [frame(3, false), frame(0, false), frame(200, false)].concat();
        frames.read(&several);
        assert!(frames.are_between());
    }

    #[test]
    fn a_close_frame_has_its_code_and_fits() {
        assert_eq!(close(SERVICE_RESTART, "bye"), [0x88, 5, 0x03, 0xf4, b'b', b'y', b'e']);
        let mut frames = Frames::default();
        frames.read(&close(SERVICE_RESTART, &"x".repeat(500)));
        assert!(frames.are_between());
    }
}
