//! `byteedit` on the command line: edit pictures, train the models that do it, measure them.
//!
//! Arguments ([`args`]) are resolved into [`settings`], which [`commands`] hand to the libraries. Only
//! this crate prints: results on standard output, everything else on standard error.

mod allocator;
mod annotator;
mod args;
mod commands;
mod exit;
mod files;
mod fingerprint;
mod interrupt;
mod memory;
mod model;
mod printer;
mod progress;
mod reward;
mod settings;
mod threads;

fn main() -> std::process::ExitCode {
    exit::code_of(commands::run)
}
