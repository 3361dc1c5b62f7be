//! Whether a path has a segment that names this place or the one above.
//!
//! A provider resolves such a segment after it has decoded the path, and then answers for a path that is not below the
//! base URL, by a key that was meant for what is below. So `.` and `..` are found as a server reads them: escapes are
//! undone once, `/` and `\` both end a segment, and what follows a `;` (a parameter) or a NUL is no part of its name.
//! Escapes are undone once because servers do so: `%252e` is the text `%2e`, and stays. Bytes that only a decoder
//! with a defect takes for a dot (`%c0%ae`) are none here.

/// Whether any segment of a path is `.` or `..` to whoever resolves it.
#[must_use]
pub fn has_dots(path: &str) -> bool {
    let path = path.as_bytes();
    // Most paths have neither, and are done here.
    memchr::memchr2(b'.', b'%', path).is_some() && resolves(path)
}

fn resolves(path: &[u8]) -> bool {
    Segments::default().read(percent_encoding::percent_decode(path))
}

/// The segment that is being read.
#[derive(Default)]
struct Segments {
    dots: u8,
    /// It has a name other than dots.
    named: bool,
    /// Its name is over.
    over: bool,
}

impl Segments {
    fn read(mut self, bytes: impl Iterator<Item = u8>) -> bool {
        for byte in bytes {
            match byte {
                b'/' | b'\\' => {
                    if self.is_dots() {
                        return true;
                    }
                    self = Segments::default();
                }
                b';' | 0 => self.over = true,
                _ if self.over => {}
                b'.' => self.dots = self.dots.saturating_add(1),
                _ => self.named = true,
            }
        }
        self.is_dots()
    }

    fn is_dots(&self) -> bool {
        !self.named && matches!(self.dots, 1 | 2)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_way_to_write_dots_is_found() {
        let dots = [".", "..", "%2e", "%2E", "%2e%2e", "%2E%2e", ".%2e", "%2e."];
        let begins = ["/", "/v1/", "/v1//", "/v1/a%2f", "/v1/a%2F", "/v1\\", "/v1%5c", "/v1/a%5C"];
        let ends =
            ["", "/", "/admin", "\\", "%2f", "%2Fadmin", "%5cadmin", ";", ";a=b/x", "%3b", "%3Bx", "%00", "%00x/y"];
        for begin in begins {
            for dots in dots {
                for end in ends {
                    let path = format!("{begin}{dots}{end}");
                    assert!(has_dots(&path), "{path}");
                }
            }
        }
    }

    #[test]
    fn other_dots_are_names() {
        for path in [
            "/v1/models/gpt-4.1",
            "/v1/.hidden",
            "/v1/..hidden/x",
            "/v1/x../y",
            "/v1/.../y",
            "/v1/%2e%2e%2e",
            "/v1/a.%2e",
            "/v1/%252e%252e/admin",
            "/v1/..%252fadmin",
            "/v1/%c0%ae%c0%ae/admin",
            "/v1/a;../b",
            "/v1/a;x=..%3b",
            "/v1//x",
            "/v1/;/x",
            "/v1/%2",
            "/v1/%",
            "/v1/a%20b.c",
            "*",
            "",
        ] {
            assert!(!has_dots(path), "{path}");
        }
    }

    proptest! {
        /// Against the definition, by the slow way: decode, cut into segments, cut off parameters, compare.
        #[test]
        fn it_is_the_definition(path in "(/|\\\\|\\.|;|a|%2[eEfF]|%5[cC]|%3[bB]|%00|%25|%){0,12}") {
            let decoded: Vec<u8> = percent_encoding::percent_decode_str(&path).collect();
            let defined = decoded.split(|byte| matches!(byte, b'/' | b'\\')).any(|segment| {
                let name = segment.split(|byte| matches!(byte, b';' | 0)).next().unwrap_or_default();
                matches!(name, b"." | b"..")
            });
            prop_assert_eq!(has_dots(&path), defined, "{}", path);
        }
    }
}
