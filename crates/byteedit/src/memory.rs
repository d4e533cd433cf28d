//! Peak resident memory of this process, where the system tells it.

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

fn status_bytes(key: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
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
    }
}
