//! Why an answer ended, in one vocabulary for all dialects.
//!
//! Owns [`Finish`] and the words that providers have for each. A reason that is not known is [`Finish::Other`], never a
//! guess. Where an answer has several choices, or says its reason twice, the gravest counts: the order of the variants
//! is that of their gravity. Only [`Finish::Error`] says that the provider failed; the others are answers.

/// Why an answer ended. A later one is graver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finish {
    /// It said all it had to say, or came to a stop sequence.
    Stop,
    /// It asks for a tool or a function.
    ToolCalls,
    /// For a reason of another name.
    Other,
    /// At a limit of tokens.
    Length,
    /// A content filter or a refusal ended it.
    Filtered,
    /// The provider failed within it.
    Error,
}

impl Finish {
    /// By the value of `finish_reason` or `stop_reason`, or the reason for an incomplete response.
    #[must_use]
    pub fn of(reason: &str) -> Finish {
        match reason {
            "stop" | "end_turn" | "stop_sequence" | "eos" | "eos_token" | "completed" => Finish::Stop,
            "tool_calls" | "tool_use" | "function_call" => Finish::ToolCalls,
            "length" | "max_tokens" | "max_output_tokens" | "model_length" | "model_context_window_exceeded" => {
                Finish::Length
            }
            // Zhipu's word for it is `sensitive`; Gemini puts its own behind `content_filter: `.
            "refusal" | "sensitive" => Finish::Filtered,
            // DeepSeek, Zhipu and SGLang have words of their own for a failure.
            "error" | "abort" | "failed" | "network_error" | "insufficient_system_resource" => Finish::Error,
            _ if reason.starts_with("content_filter") => Finish::Filtered,
            _ => Finish::Other,
        }
    }

    /// Whether the reason that a router hands through from its own provider says that this one failed.
    #[must_use]
    pub fn is_native_failure(reason: &str) -> bool {
        Finish::of(reason) == Finish::Error
            || reason.to_ascii_lowercase().split(['_', ' ', '-']).any(|word| word == "error")
    }
}

#[cfg(test)]
mod tests;
