//! What a state directory is kept on, where that does not last.
//!
//! Read from `/proc/self/mountinfo` (proc(5)), which lists what is mounted where in this process's own view. Refuses to
//! guess: what is not known to be lost is taken to last. Owns no state and writes nothing. Invariant: the mount that
//! counts is the deepest one, and of several at one place the last.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use crate::decide::ephemeral::Ephemeral;

/// Why this directory does not last; `None`: it does, or nobody knows.
#[must_use]
pub fn ephemeral(dir: &Path) -> Option<Ephemeral> {
    let dir = std::fs::canonicalize(dir).ok()?;
    let mounts = std::fs::read("/proc/self/mountinfo").ok()?;
    kept_on(&String::from_utf8_lossy(&mounts), &dir)
}

/// The same of a whole path, by this list.
fn kept_on(mounts: &str, dir: &Path) -> Option<Ephemeral> {
    let mounts = mounts.lines().filter_map(Mount::read).filter(|mount| dir.starts_with(&mount.at));
    // The deepest one holds it; of several at one place the last, which lies on top.
    let mount = mounts.max_by_key(|mount| mount.at.components().count())?;
    match mount.kind {
        "tmpfs" | "ramfs" if mount.is_empty_dir() => Some(Ephemeral::EmptyDir),
        "tmpfs" | "ramfs" => Some(Ephemeral::Memory),
        _ if mount.is_empty_dir() => Some(Ephemeral::EmptyDir),
        "overlay" | "aufs" | "fuse.fuse-overlayfs" if mount.at == Path::new("/") => Some(Ephemeral::ContainerLayer),
        _ => None,
    }
}

/// A line of the list.
struct Mount<'m> {
    /// What of its file system is shown there.
    root: &'m str,
    at: PathBuf,
    kind: &'m str,
}

impl<'m> Mount<'m> {
    fn read(line: &'m str) -> Option<Mount<'m>> {
        let (place, file_system) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (root, at) = (place.next()?, place.next()?);
        Some(Mount { root, at: unescaped(at), kind: file_system.split(' ').next()? })
    }

    /// Kubernetes keeps them below a directory of this name, on whatever the node has. One in memory is a tmpfs of its
    /// own and does not show.
    fn is_empty_dir(&self) -> bool {
        self.root.split('/').any(|part| part == "kubernetes.io~empty-dir")
    }
}

/// A path whose spaces, tabs, line ends and backslashes are written as three octal digits.
fn unescaped(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let code = if *first == b'\\' { behind.get(..3).and_then(octal) } else { None };
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { behind.get(3..).unwrap_or_default() } else { behind };
    }
    PathBuf::from(OsString::from_vec(bytes))
}

fn octal(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(str::from_utf8(digits).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTAINER: &str = "\
641 520 0:90 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w
642 641 0:93 / /proc rw,nosuid - proc proc rw
650 641 254:1 /var/lib/docker/volumes/serin/_data /data rw,relatime - ext4 /dev/vda1 rw
651 641 254:1 /var/lib/kubelet/pods/3f/volumes/kubernetes.io~empty-dir/state /state rw - ext4 /dev/vda1 rw
652 641 0:99 / /run rw,nosuid - tmpfs tmpfs rw,size=64m
653 652 254:1 /srv/disk /run/disk rw - xfs /dev/vdb rw
654 641 254:1 /srv/with\\040space /with\\040space rw - ext4 /dev/vda1 rw
655 641 0:100 / /data2 rw - nfs4 server:/x rw
656 641 0:101 / /hidden rw - ext4 /dev/vdc rw
657 641 0:102 / /hidden rw shared:5 - tmpfs tmpfs rw";

    #[test]
    fn what_a_directory_is_kept_on_is_the_deepest_mount_that_lies_on_top() {
        for (dir, expected) in [
            ("/var/lib/serin", Some(Ephemeral::ContainerLayer)),
            ("/data", None),
            ("/data/serin/deep", None),
            ("/data2", None),
            // Not below /data, though it begins so.
            ("/database", Some(Ephemeral::ContainerLayer)),
            ("/state/serin", Some(Ephemeral::EmptyDir)),
            ("/run/serin", Some(Ephemeral::Memory)),
            ("/run/disk/serin", None),
            ("/with space/serin", None),
            ("/hidden", Some(Ephemeral::Memory)),
        ] {
            assert_eq!(kept_on(CONTAINER, Path::new(dir)), expected, "{dir}");
        }
    }

    #[test]
    fn a_machine_of_its_own_and_a_list_that_cannot_be_read_tell_nothing() {
        let host = "27 1 254:0 / / rw - ext4 /dev/vda rw\n30 27 0:27 / /dev/shm rw - tmpfs tmpfs rw\n\
                    31 27 0:28 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw";
        assert_eq!(kept_on(host, Path::new("/var/lib/serin")), None);
        assert_eq!(kept_on(host, Path::new("/dev/shm/serin")), Some(Ephemeral::Memory));
        assert_eq!(kept_on(host, Path::new("/var/lib/docker/overlay2/x/merged/serin")), None);
        for list in ["", "nonsense", "1 2 3 - ", "1 2 0:1 / /x\\9 rw - tmpfs", " - - - "] {
            assert_eq!(kept_on(list, Path::new("/x")), None, "{list:?}");
        }
    }

    #[test]
    fn escapes_are_undone_and_half_of_one_stays() {
        for (text, path) in [("/a\\040b", "/a b"), ("/a\\134b", "/a\\b"), ("/a\\04", "/a\\04"), ("/a\\999", "/a\\999")]
        {
            assert_eq!(unescaped(text), Path::new(path));
        }
    }

    #[test]
    fn this_machine_s_memory_is_told_from_its_disk() {
        assert_eq!(ephemeral(Path::new("/dev/shm")), Some(Ephemeral::Memory));
        assert_eq!(ephemeral(Path::new("/nowhere/at/all")), None);
    }
}
