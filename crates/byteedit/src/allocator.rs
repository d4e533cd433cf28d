//! The allocator of the whole program, and how it treats memory that was freed.

use libmimalloc_sys::{mi_option_set_default, mi_option_t};
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// `mi_option_purge_delay` of mimalloc's public header, for which the crate has no name: milliseconds
/// until freed pages are given back to the system, -1 for never.
const PURGE_DELAY: mi_option_t = 15;

/// How long freed pages stay, for the next allocation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FreedPages {
    /// For good. Training asks for the same few megabytes in every step; given back in between, they come back
    /// as page faults and have to be cleared by the kernel.
    Stay,
    /// For a second. The layers of a network on a picture want blocks of ever other sizes: holes of earlier ones
    /// that stayed would add a third to the peak.
    StayASecond,
}

/// Decides that. The environment variable `MIMALLOC_PURGE_DELAY` goes before.
pub(crate) fn set_freed_pages(freed: FreedPages) {
    let milliseconds = match freed {
        FreedPages::Stay => -1,
        FreedPages::StayASecond => 1000,
    };
    // SAFETY: it sets one word of a static table that has more options than this number, at the start of
    // the program and before there is a second thread.
    #[expect(unsafe_code, reason = "mimalloc's options are a C function")]
    unsafe {
        mi_option_set_default(PURGE_DELAY, milliseconds);
    }
}
