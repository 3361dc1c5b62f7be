//! What a process has used, as the kernel accounts for it.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// CPU time of several processes with all their threads.
#[derive(Clone, Copy)]
pub struct CpuTime {
    nanoseconds: u64,
    user_ticks: u64,
    system_ticks: u64,
}

impl CpuTime {
    /// As it is now. A process that is gone counts nothing.
    pub fn of(pids: &[u32]) -> CpuTime {
        let mut sum = CpuTime { nanoseconds: 0, user_ticks: 0, system_ticks: 0 };
        for pid in pids {
            for thread in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
                // Time on the CPU, time in the queue, turns.
                let text = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
                sum.nanoseconds += text.split(' ').next().and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
            }
            let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            // The name may hold spaces and stands in brackets: proc_pid_stat(5), fields 14 and 15.
            let after_name = text.rsplit(')').next().unwrap_or_default();
            let mut ticks = after_name.split_whitespace().skip(11).map(|value| value.parse::<u64>().unwrap_or(0));
            sum.user_ticks += ticks.next().unwrap_or(0);
            sum.system_ticks += ticks.next().unwrap_or(0);
        }
        sum
    }

    /// What was used since `earlier`.
    pub fn since(self, earlier: CpuTime) -> Value {
        json!({
            "cpu_ns": self.nanoseconds - earlier.nanoseconds,
            "user_ticks": self.user_ticks - earlier.user_ticks,
            "system_ticks": self.system_ticks - earlier.system_ticks,
        })
    }
}

/// Nanoseconds since 1970.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
