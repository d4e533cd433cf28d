//! The threads that compute.

/// Makes the calling thread one of the pool's, so that there are as many threads as cores. Otherwise it
/// would hand each kernel over and sleep until it is woken, a thousand times in a training step.
///
/// `n_threads` is how many there shall be; without it the variable `RAYON_NUM_THREADS` says, or the cores.
pub(crate) fn join_pool(n_threads: Option<u32>) {
    let n_threads = n_threads.map_or(0, |n| n as usize);
    // Where it fails there is a pool already, which serves as well.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(n_threads).use_current_thread().build_global();
}
