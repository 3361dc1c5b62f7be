//! Text from elsewhere, made fit to be shown: what a terminal would obey, a log would be split by or a reader deceived
//! by is written out.
//!
//! Controls (ESC among them), format characters (those that turn the direction of text, join or hide) and separators of
//! lines become `\u001b`, in JSON's way of writing, so that JSON stays JSON. Everything else stays as it is. Whoever
//! shows foreign text, in a log, on a terminal or in a page, does it by this.

/// Characters that show nothing and change how others are shown, besides controls: first and last of each range.
const FORMAT: [(u32, u32); 26] = [
    (0x00ad, 0x00ad),
    (0x034f, 0x034f),
    (0x0600, 0x0605),
    (0x061c, 0x061c),
    (0x06dd, 0x06dd),
    (0x070f, 0x070f),
    (0x0890, 0x0891),
    (0x08e2, 0x08e2),
    (0x115f, 0x1160),
    (0x17b4, 0x17b5),
    (0x180b, 0x180f),
    (0x200b, 0x200f),
    (0x2028, 0x202e),
    (0x2060, 0x206f),
    (0x3164, 0x3164),
    (0xfe00, 0xfe0f),
    (0xfeff, 0xfeff),
    (0xffa0, 0xffa0),
    (0xfff0, 0xfffb),
    (0x110bd, 0x110bd),
    (0x110cd, 0x110cd),
    (0x13430, 0x1343f),
    (0x1bca0, 0x1bca3),
    (0x1d173, 0x1d17a),
    (0xe0000, 0xe0fff),
    (0xf0000, 0x10_ffff),
];

/// What Serin itself writes on terminals, its log included: colours, bold, dim, italic.
const COLOURS: [&str; 9] =
    ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[3m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[34m", "\x1b[35m"];

/// Whether a character shows itself and changes no other.
#[must_use]
pub fn is_printable(c: char) -> bool {
    let code = u32::from(c);
    !c.is_control() && (code < 0xad || !FORMAT.iter().any(|(first, last)| (*first..=*last).contains(&code)))
}

/// On one line: line breaks and tabs become blanks.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| push(&mut out, c));
    out
}

/// On one line, in so many characters at most.
#[must_use]
pub fn printable_start(text: &str, most: usize) -> String {
    let text = printable(text);
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// With its lines, and with the colours that Serin itself writes.
#[must_use]
pub fn printable_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = match COLOURS.iter().find(|colour| rest.starts_with(**colour)) {
            Some(colour) => {
                out.push_str(colour);
                colour.len()
            }
            None => {
                if c == '\n' {
                    out.push(c)
                } else {
                    push(&mut out, c)
                }
                c.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    out
}

/// As text or as the value of an attribute, in double quotes, in HTML or SVG.
#[must_use]
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => push(&mut out, c),
        }
    }
    out
}

fn push(out: &mut String, c: char) {
    match c {
        '\n' | '\r' | '\t' => out.push(' '),
        c if is_printable(c) => out.push(c),
        c => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_obeys_or_a_reader_is_deceived_by_is_written_out() {
        for (text, shown) in [
            ("plain, ünïcödé → 日本 😀", "plain, ünïcödé → 日本 😀"),
            ("a\x1b[2J\x1b]0;PWN\x07", "a\\u001b[2J\\u001b]0;PWN\\u0007"),
            ("a\u{9b}31m", "a\\u009b31m"),
            ("exe\u{202e}txt", "exe\\u202etxt"),
            ("\u{2066}x\u{2069}", "\\u2066x\\u2069"),
            ("a\u{200b}b\u{feff}", "a\\u200bb\\ufeff"),
            ("one\r\ntwo\tthree", "one  two three"),
            ("one\u{2028}two\u{2029}", "one\\u2028two\\u2029"),
            ("tag \u{e0041}", "tag \\udb40\\udc41"),
            ("\0\x7f\u{85}", "\\u0000\\u007f\\u0085"),
        ] {
            assert_eq!(printable(text), shown);
        }
        assert_eq!(html("<b a=\"1\">&\u{202e}\n"), "&lt;b a=&quot;1&quot;&gt;&amp;\\u202e ");
    }

    #[test]
    fn lines_and_our_own_colours_stay() {
        assert_eq!(
            printable_lines("a\n\x1b[31mred\x1b[0m\x1b[8mhidden\x1b[2K"),
            "a\n\x1b[31mred\x1b[0m\\u001b[8mhidden\\u001b[2K"
        );
    }

    proptest! {
        #[test]
        fn nothing_unprintable_is_left(text in any::<String>()) {
            prop_assert!(printable(&text).chars().all(is_printable));
            prop_assert!(html(&text).chars().all(is_printable));
        }

        #[test]
        fn json_stays_json(text in any::<String>()) {
            let json = serde_json::json!({ "text": text }).to_string();
            let read: serde_json::Value = serde_json::from_str(&printable_lines(&json)).unwrap();
            prop_assert_eq!(read["text"].as_str(), Some(text.as_str()));
        }
    }
}
