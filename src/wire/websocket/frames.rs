//! Where a stream of WebSocket frames stands, in one direction.
//!
//! Reads heads, and the payloads of close and pong frames; every other payload passes unread. A frame may be as long as
//! it says, and may break the protocol in any other way: that is for its receiver to judge. Holds at most one control
//! frame. Invariant: between two frames, and only there, another frame may be written.

/// The longest head of a frame: two bytes, eight of length, four of a mask.
const LONGEST_HEAD: usize = 14;
/// The longest payload of a control frame.
const LONGEST_CONTROL: u64 = 125;

const OPCODE: u8 = 0x0f;
const CLOSE: u8 = 0x8;
const PONG: u8 = 0xa;

/// Where a stream of frames stands.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    head: [u8; LONGEST_HEAD],
    /// How many bytes of the head are here.
    have: u8,
    stage: Stage,
    /// How many bytes of the payload are still to come.
    left: u64,
    /// The payload as it was sent, where it is kept.
    payload: Vec<u8>,
    /// Whether the frame at hand is held if it is a pong.
    holds: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// No frame is half-way through.
    #[default]
    Between,
    Head,
    Payload,
}

/// What a close frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// `None`: it says nothing.
    pub code: Option<u16>,
    /// At most 123 bytes, as text.
    pub reason: String,
}

impl Frames {
    /// These bytes passed. Returns the close frame that ended within them, if one did.
    pub fn read(&mut self, mut bytes: &[u8]) -> Option<Close> {
        let mut closed = None;
        while !bytes.is_empty() {
            self.holds &= !self.are_between();
            let (used, ended) = self.step(bytes);
            if ended {
                closed = closed.or_else(|| self.close());
                self.end();
            }
            bytes = &bytes[used..];
        }
        closed
    }

    /// The same, and all frames are written to `out` but pongs with this payload. A pong is held until it is whole.
    pub fn read_without_pongs(&mut self, mut bytes: &[u8], own: &[u8], out: &mut Vec<u8>) -> Option<Close> {
        let mut closed = None;
        while !bytes.is_empty() {
            self.holds |= self.are_between();
            let held = self.is_held();
            let (used, ended) = self.step(bytes);
            match (held, self.is_held()) {
                (false, false) => out.extend_from_slice(&bytes[..used]),
                // Its head says that it is too long for a pong.
                (true, false) => {
                    let of_payload = self.length().unwrap_or_default() - self.left;
                    out.extend_from_slice(&self.head[..usize::from(self.have)]);
                    let of_payload = usize::try_from(of_payload).unwrap_or(usize::MAX).min(used);
                    out.extend_from_slice(&bytes[used - of_payload..used]);
                }
                (_, true) if ended && self.unmasked() != own => {
                    out.extend_from_slice(&self.head[..usize::from(self.have)]);
                    out.extend_from_slice(&self.payload);
                }
                (_, true) => {}
            }
            if ended {
                closed = closed.or_else(|| self.close());
                self.end();
            }
            bytes = &bytes[used..];
        }
        closed
    }

    /// Whether no frame is half-way through.
    #[must_use]
    pub fn are_between(&self) -> bool {
        self.stage == Stage::Between
    }

    /// How many of these bytes belong to the frame that is half-way through.
    #[must_use]
    pub fn rest_of_frame(&self, bytes: &[u8]) -> usize {
        if self.are_between() { 0 } else { self.clone().step(bytes).0 }
    }

    /// Reads to the end of the frame at hand, or of the bytes. Returns how many bytes that were, and whether the frame
    /// has ended.
    fn step(&mut self, bytes: &[u8]) -> (usize, bool) {
        if self.stage == Stage::Between {
            self.stage = Stage::Head;
        }
        let mut used = 0;
        while self.stage == Stage::Head {
            let Some(byte) = bytes.get(used) else { return (used, false) };
            self.head[usize::from(self.have)] = *byte;
            self.have += 1;
            used += 1;
            if let Some(length) = self.length() {
                (self.stage, self.left) = (Stage::Payload, length);
            }
        }
        let passed = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len() - used);
        if self.keeps_payload() {
            self.payload.extend_from_slice(&bytes[used..used + passed]);
        }
        self.left -= passed as u64;
        if self.left == 0 {
            self.stage = Stage::Between;
        }
        (used + passed, self.left == 0)
    }

    /// Forgets the frame that has ended.
    fn end(&mut self) {
        (self.have, self.payload) = (0, Vec::new());
    }

    fn opcode(&self) -> Option<u8> {
        (self.have > 0).then_some(self.head[0] & OPCODE)
    }

    /// Whether the frame at hand is a pong, as far as is known.
    fn is_held(&self) -> bool {
        self.holds && self.opcode() == Some(PONG) && self.length().is_none_or(|length| length <= LONGEST_CONTROL)
    }

    fn keeps_payload(&self) -> bool {
        matches!(self.opcode(), Some(CLOSE | PONG)) && self.length().is_some_and(|length| length <= LONGEST_CONTROL)
    }

    /// The payload's length, once the head is whole.
    fn length(&self) -> Option<u64> {
        let have = usize::from(self.have);
        if have < 2 {
            return None;
        }
        let extended = match self.head[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if have < 2 + extended + self.mask_length() {
            return None;
        }
        let big_endian = self.head[2..2 + extended].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        Some(if extended == 0 { u64::from(self.head[1] & 0x7f) } else { big_endian })
    }

    const fn mask_length(&self) -> usize {
        if self.head[1] & 0x80 == 0 { 0 } else { 4 }
    }

    /// The payload that is kept, in plain bytes.
    fn unmasked(&self) -> Vec<u8> {
        let have = usize::from(self.have);
        match self.mask_length() {
            0 => self.payload.clone(),
            length => {
                let mask = &self.head[have - length..have];
                self.payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()
            }
        }
    }

    /// What the frame that has ended says, if it is a close frame.
    fn close(&self) -> Option<Close> {
        if self.opcode() != Some(CLOSE) {
            return None;
        }
        let payload = self.unmasked();
        Some(match payload.split_first_chunk() {
            Some((code, reason)) => {
                Close { code: Some(u16::from_be_bytes(*code)), reason: String::from_utf8_lossy(reason).into_owned() }
            }
            None => Close { code: None, reason: String::new() },
        })
    }
}

#[cfg(test)]
mod tests;
