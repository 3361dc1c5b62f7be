//! Names behind numeric user ids, for the history: who asked, not which number.
//!
//! Reads /etc/passwd only, and asks no directory service, which could keep a rollback waiting: a user of one shows as
//! `uid 1234`, which is still somebody. Decides nothing: who may do what hangs on tokens and on the socket's mode.

use std::os::unix::fs::MetadataExt;

/// The user's name, or `uid N`.
#[must_use]
pub fn name_of(uid: u32) -> String {
    let passwd = std::fs::read("/etc/passwd").unwrap_or_default();
    find(&String::from_utf8_lossy(&passwd), uid).unwrap_or_else(|| format!("uid {uid}"))
}

/// Who runs this process; `unknown` where the system does not tell.
#[must_use]
pub fn current() -> String {
    std::fs::metadata("/proc/self").map_or_else(|_| "unknown".to_owned(), |own| name_of(own.uid()))
}

fn find(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let found: u32 = fields.nth(1)?.parse().ok()?;
        (found == uid && !name.is_empty()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_entry_with_the_id_names_the_user() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nana:x:1000:1000::/home/ana:/bin/sh\nalso:x:1000:1::/:\n";
        assert_eq!(find(passwd, 1000).as_deref(), Some("ana"));
        assert_eq!(find(passwd, 7), None);
    }

    #[test]
    fn somebody_unlisted_is_shown_by_number() {
        assert_eq!(name_of(u32::MAX - 7), "uid 4294967288");
    }
}
