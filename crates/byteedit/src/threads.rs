//! The threads that compute.

/// Makes the calling thread one of the pool's, so that there are as many threads as cores. Otherwise it
/// would hand each kernel over and sleep until it is woken, a thousand times in a training step.
pub(crate) fn join_pool() {
    // Where it fails there is a pool already, which serves as well.
    let _ = rayon::ThreadPoolBuilder::new().use_current_thread().build_global();
}
