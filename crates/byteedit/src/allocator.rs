//! The allocator of the whole program, and how it treats memory that was freed.

use libmimalloc_sys::{mi_option_set_default, mi_option_t};
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// `mi_option_purge_delay` of mimalloc's public header, for which the crate has no name: milliseconds
/// until freed pages are given back to the system, -1 for never.
const PURGE_DELAY: mi_option_t = 15;

/// Keeps freed pages for the next allocation. A network asks for the same few megabytes again and again;
/// given back in between, they come back as page faults and have to be cleared by the kernel. The
/// environment variable `MIMALLOC_PURGE_DELAY` goes before.
pub(crate) fn keep_freed_pages() {
    // SAFETY: it sets one word of a static table that has more options than this number, at the start of
    // the program and before there is a second thread.
    #[expect(unsafe_code, reason = "mimalloc's options are a C function")]
    unsafe {
        mi_option_set_default(PURGE_DELAY, -1);
    }
}
