//! Ctrl-C: the first press asks for an orderly stop, the second ends the process at once.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

use crate::exit::INTERRUPTED;
use crate::printer::Printer;

static STOP: AtomicBool = AtomicBool::new(false);

/// The flag that Ctrl-C, a closed terminal or a polite `kill` sets. Commands that cannot stop half way
/// do not ask for it and are ended by the first signal.
pub(crate) fn stop_flag(printer: &Printer) -> anyhow::Result<&'static AtomicBool> {
    stop_flag_with(printer, || {})
}

/// The same with something that the second press does before it ends the process.
pub(crate) fn stop_flag_with(
    printer: &Printer,
    at_second: impl Fn() + Send + 'static,
) -> anyhow::Result<&'static AtomicBool> {
    let printer = printer.clone();
    let handler = move || {
        if STOP.swap(true, Ordering::Relaxed) {
            at_second();
            std::process::exit(i32::from(INTERRUPTED));
        }
        printer.note("stopping; press Ctrl-C again to end at once");
    };
    ctrlc::set_handler(handler).context("Ctrl-C cannot be listened to")?;
    Ok(&STOP)
}
