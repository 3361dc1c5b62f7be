//! How many client connections the process can hold, by its limit of open files.
//!
//! Every request may need a socket to a provider besides its client's, and the operators' ports, the state directory
//! and flags.yaml need files at any time: so clients get less than half. Invariant: clients never use files that are
//! reserved for others.

/// Files that are reserved for everything but requests.
const RESERVED: u64 = 256;

/// The most client connections that this process can hold; no bound where the system reports none.
#[must_use]
pub fn most_connections() -> u32 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    open_files(&limits).map_or(u32::MAX, within)
}

/// The soft limit of open files in the words of /proc/PID/limits; `None`: it is not there, or there is no limit.
fn open_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn within(files: u64) -> u32 {
    let reserved = RESERVED.min(files / 4);
    u32::try_from((files - reserved) / 2).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_read() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max cpu time              unlimited            unlimited            seconds   \n\
                    Max open files            1024                 524288               files     \n";
        assert_eq!(open_files(text), Some(1024));
        assert_eq!(open_files(&text.replace("1024 ", "unlimited ")), None);
        assert_eq!(open_files(""), None);
    }

    #[test]
    fn clients_get_less_than_half() {
        for (files, most) in [(20_000, 9872), (1024, 384), (64, 24), (3, 1), (0, 1), (u64::MAX, u32::MAX)] {
            assert_eq!(within(files), most, "{files} files");
        }
    }
}
