//! One streamed answer, read as it passes.
//!
//! Owns what is known of a stream so far: whether real output was seen, whether it failed, whether its end was seen and
//! what it cost. It refuses to be strict: an event that cannot be read is the client's to read, and is only noted, and
//! what follows the end changes nothing. Once there was output, most events are told from their bytes to add nothing,
//! and are not parsed. Invariant: how the stream is cut into pieces changes nothing of what is known.

mod error_event;

use bytes::Bytes;

use super::complaint::{Complaint, read_complaint};
use super::dialect::{Dialect, DoneMarker};
use super::finish::Finish;
use super::json::responses::{self, Opened, Weight};
use super::json::{self, Choices, Said, chat, messages};
use super::sse::{Event, Framer};
use super::usage::{Counts, Usage};

/// Reads one streamed answer.
#[derive(Debug)]
pub struct StreamReader {
    framer: Framer,
    known: Known,
}

#[derive(Debug)]
struct Known {
    dialect: Dialect,
    done_marker: DoneMarker,
    output: bool,
    /// How many events held output.
    outputs: u32,
    failure: Option<Complaint>,
    finish: Option<Finish>,
    done: bool,
    /// An event counted tokens for no choice in particular, after output or an end: only the last one does.
    summed_up: bool,
    choices: Choices,
    counts: Counts,
    sequence: Option<u64>,
    /// Whether there was an event of this dialect, and one of another shape.
    native: bool,
    foreign: bool,
    /// Whether there was any event, and one whose data is no JSON.
    begun: bool,
    unreadable: bool,
    /// Whether events that can add nothing are parsed all the same.
    thorough: bool,
    /// Of a response: what its first event says of it.
    response: Option<Box<Opened>>,
}

impl StreamReader {
    /// For an answer in this dialect, of a provider that ends its streams so.
    #[must_use]
    pub fn new(dialect: Dialect, done: DoneMarker) -> StreamReader {
        let known = Known {
            dialect,
            done_marker: done,
            output: false,
            outputs: 0,
            failure: None,
            finish: None,
            done: false,
            summed_up: false,
            choices: Choices::default(),
            counts: Counts::default(),
            sequence: None,
            native: false,
            foreign: false,
            begun: false,
            unreadable: false,
            thorough: false,
            response: None,
        };
        StreamReader { framer: Framer::default(), known }
    }

    /// Parses every event, so that one which cannot be read is noticed after output too.
    #[must_use]
    pub fn thorough(mut self) -> StreamReader {
        self.known.thorough = true;
        self
    }

    /// Reads the next piece. Returns how many bytes of it lie before the last boundary between events known by now; 0
    /// when it holds none. Where a blank line ends with a CR that ends the piece, the boundary is there at once; an LF
    /// that begins the next piece belongs to it still, and is then the 1 that the next call returns.
    pub fn read(&mut self, piece: &[u8]) -> usize {
        let known = &mut self.known;
        self.framer.read(piece, |event| known.take(event))
    }

    /// The stream ended properly: a last event counts without its blank line, unless it is half of one. Of one that is
    /// too long to be kept nobody can tell.
    pub fn end(&mut self) {
        let known = &mut self.known;
        self.framer.end(|event| {
            if !event.whole {
                return;
            }
            let Known { begun, output, outputs, foreign, unreadable, .. } = *known;
            known.take(event);
            if known.unreadable && !unreadable && matches!(event.data.trim_ascii_start(), [b'{' | b'[', ..]) {
                (known.begun, known.output, known.outputs) = (begun, output, outputs);
                (known.foreign, known.unreadable) = (foreign, unreadable);
            }
        });
    }

    /// Whether there was any event.
    #[must_use]
    pub const fn has_begun(&self) -> bool {
        self.known.begun
    }

    /// Whether there were events, and none of them, nor an end, in this dialect.
    #[must_use]
    pub const fn is_foreign(&self) -> bool {
        self.known.is_foreign() && !self.known.done
    }

    /// Whether the data of an event was neither JSON nor an end; where it is not [`StreamReader::thorough`], events
    /// behind the first output may not have been looked at.
    #[must_use]
    pub const fn is_unreadable(&self) -> bool {
        self.known.unreadable
    }

    /// Whether real output was seen, not only what prepares it.
    #[must_use]
    pub const fn has_output(&self) -> bool {
        self.known.output
    }

    /// How many events held output, or may have: what only adds to it is not looked at closely.
    #[must_use]
    pub const fn outputs(&self) -> u32 {
        self.known.outputs
    }

    /// Why the answer ended, as far as it has said.
    #[must_use]
    pub const fn finish(&self) -> Option<Finish> {
        self.known.finish
    }

    /// What the provider complained of inside the stream.
    #[must_use]
    pub const fn failure(&self) -> Option<&Complaint> {
        self.known.failure.as_ref()
    }

    /// Whether the one event was seen that ends such a stream: `[DONE]`, `message_stop`, `response.completed` or
    /// `response.incomplete`.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.known.done
    }

    /// Whether the answer was whole if the stream ended cleanly now; never after a failure.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.known.is_complete()
    }

    /// What the answer took, as far as it has said.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.known.counts.usage()
    }

    /// An event in this dialect that says that the answer broke off; the official SDKs raise on it. `midway` tells that
    /// an event has begun to be sent and not ended: a blank line ends it first.
    #[must_use]
    pub fn error_event(&self, midway: bool, code: &str, message: &str) -> Bytes {
        let known = &self.known;
        error_event::write(known.dialect, known.response.as_deref(), known.sequence, midway, code, message)
    }
}

impl Known {
    fn take(&mut self, event: Event<'_>) {
        self.begun = true;
        if self.done {
            return;
        }
        match self.dialect {
            Dialect::ChatCompletions | Dialect::Completions => self.take_chunk(event),
            Dialect::Responses => self.take_response_event(event),
            Dialect::Messages => self.take_message_event(event),
            Dialect::Embeddings | Dialect::Plain => self.saw_output(!event.data.is_empty()),
        }
    }

    /// Data that is not in this dialect: whatever it is, it is for the client.
    fn take_foreign(&mut self) {
        self.foreign = true;
        self.saw_output(true);
    }

    fn take_unreadable(&mut self) {
        self.unreadable = true;
        self.take_foreign();
    }

    fn take_chunk(&mut self, event: Event<'_>) {
        if event.data.trim_ascii_start().starts_with(b"[DONE]") {
            self.done = true;
        } else if event.name == b"error" {
            self.fail(event.data);
        } else if !event.whole {
            // So long a chunk holds output, and may hold the reason for its end.
            self.saw_output(true);
            self.choices.end_all();
        } else if self.output && !self.thorough && chat::adds_nothing(event.data, self.choices) {
            // As most events.
            self.saw_output(true);
        } else if let Ok((said, only_usage)) = chat::read(event.data) {
            self.choices.add(said.choices);
            self.add(&said);
            self.summed_up |= only_usage && (self.output || self.choices.any_ended());
        } else if !event.data.is_empty() {
            self.take_unreadable();
        }
    }

    fn take_response_event(&mut self, event: Event<'_>) {
        let name = str::from_utf8(event.name).unwrap_or_default();
        let kind = json::first_text(event.data, "type");
        if !event.whole {
            return self.take_head_of_response_event(responses::weight(kind.unwrap_or(name)), event);
        }
        let weight = kind.map(responses::weight);
        let light = matches!(weight, Some(Weight::Content | Weight::Preamble)) && event.name != b"error";
        if self.output && light && !self.thorough {
            self.saw_output(weight == Some(Weight::Content) && kind.is_some_and(|kind| kind.ends_with(".delta")));
            self.sequence = json::number_of(event.data, "sequence_number").or(self.sequence);
        } else if let Ok((said, opened)) = responses::event(event.data, name) {
            if self.response.is_none() {
                self.response = opened.map(Box::new);
            }
            self.sequence = said.sequence.or(self.sequence);
            self.add(&said);
        } else if event.name == b"error" {
            self.fail(event.data);
        } else if !event.data.trim_ascii_start().starts_with(b"[DONE]") && !event.data.is_empty() {
            self.take_unreadable();
        }
    }

    /// Whole responses come within events, and they may be long; their type stands in front.
    fn take_head_of_response_event(&mut self, weight: Weight, event: Event<'_>) {
        self.sequence = json::number_of(event.data, "sequence_number").or(self.sequence.map(|last| last + 1));
        match weight {
            Weight::Terminal => {
                self.saw_output(true);
                self.done = true;
            }
            Weight::Failure => self.fail(event.data),
            Weight::Content => self.saw_output(true),
            Weight::Preamble => {}
        }
    }

    fn take_message_event(&mut self, event: Event<'_>) {
        let name = str::from_utf8(event.name).unwrap_or_default();
        let kind = json::first_text(event.data, "type");
        if !event.whole {
            match kind.unwrap_or(name) {
                "content_block_start" | "content_block_delta" => self.saw_output(true),
                "error" => self.fail(event.data),
                _ => {}
            }
        } else if self.output && !self.thorough && event.name != b"error" && kind.is_some_and(messages::adds_nothing) {
            // As most events.
            self.saw_output(kind == Some("content_block_delta"));
        } else if let Ok(said) = messages::event(event.data, name) {
            self.add(&said);
        } else if event.name == b"error" {
            self.fail(event.data);
        } else if !event.data.is_empty() {
            self.take_unreadable();
        }
    }

    fn saw_output(&mut self, some: bool) {
        self.output |= some;
        self.outputs = self.outputs.saturating_add(u32::from(some));
    }

    fn add(&mut self, said: &Said<'_>) {
        if said.foreign {
            return self.take_foreign();
        }
        self.native = true;
        self.saw_output(said.output);
        self.finish = self.finish.max(said.finish);
        self.done |= said.terminal;
        self.counts.add(said.counts);
        if let Some(error) = said.error {
            self.fail(error);
        }
    }

    /// The first failure is the one that counts.
    fn fail(&mut self, error: &[u8]) {
        if self.failure.is_none() {
            self.failure = Some(read_complaint(error));
        }
    }

    /// Whether nothing that came was in this dialect: of such a stream nothing but its framing can be judged.
    const fn is_foreign(&self) -> bool {
        self.foreign && !self.native
    }

    const fn is_complete(&self) -> bool {
        if self.failure.is_some() {
            return false;
        }
        match self.dialect {
            Dialect::ChatCompletions | Dialect::Completions => match self.done_marker {
                DoneMarker::Required => self.done,
                DoneMarker::Optional => self.done || self.summed_up || self.choices.all_ended() || self.is_foreign(),
            },
            Dialect::Responses | Dialect::Messages => self.done || self.is_foreign(),
            Dialect::Embeddings | Dialect::Plain => true,
        }
    }
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;
