//! Memory of this process and of the system, where the system tells it.

use std::fs;

/// Forgets the peak so far, so that [`peak_bytes`] measures what follows. Says whether that worked; it
/// does on Linux, for a process that may write to its own `/proc` entry.
pub(crate) fn reset_peak() -> bool {
    // "5" resets VmHWM (proc(5), clear_refs).
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The largest resident size so far, in bytes.
pub(crate) fn peak_bytes() -> Option<u64> {
    status_bytes("VmHWM:")
}

/// The resident size now, in bytes.
pub(crate) fn resident_bytes() -> Option<u64> {
    status_bytes("VmRSS:")
}

/// Bytes that a program can still get at most: free, reclaimable or to be swapped out, and within the limit of
/// its control group.
pub(crate) fn available_bytes() -> Option<u64> {
    let system = kibibytes("/proc/meminfo", "MemAvailable:")?;
    let swap = kibibytes("/proc/meminfo", "SwapFree:").unwrap_or(0);
    Some(group_bytes().map_or(system + swap, |group| group.min(system) + swap))
}

/// Bytes that this process can have at most: what it has and what it can still get. Pages of files that it has mapped count
/// to the latter already, as they make room.
pub(crate) fn reachable_bytes() -> Option<u64> {
    Some(status_bytes("RssAnon:")? + available_bytes()?)
}

/// What the limit of the control group leaves (cgroup v2), files in memory left out, which make room;
/// `None` without a limit.
fn group_bytes() -> Option<u64> {
    let read = |file: &str| fs::read_to_string(format!("/sys/fs/cgroup/{file}")).ok();
    let number = |file: &str| read(file)?.trim().parse::<u64>().ok();
    let stat = read("memory.stat")?;
    let files = stat.lines().find_map(|line| line.strip_prefix("file "))?.trim().parse::<u64>().ok()?;
    Some(number("memory.max")?.saturating_sub(number("memory.current")?.saturating_sub(files)))
}

fn status_bytes(key: &str) -> Option<u64> {
    kibibytes("/proc/self/status", key)
}

/// A value in kB behind its name, in bytes.
fn kibibytes(file: &str, key: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(1024 * kibibytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_large_allocation_shows_in_the_peak() {
        const BYTES: usize = 64 << 20;
        let block = vec![1_u8; BYTES];
        assert_eq!(block.iter().step_by(4096).map(|&byte| usize::from(byte)).sum::<usize>(), BYTES / 4096);
        drop(block);
        assert!(peak_bytes().unwrap() >= BYTES as u64);
        assert!(reachable_bytes().unwrap() >= BYTES as u64);
    }
}
