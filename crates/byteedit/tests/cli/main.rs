//! The program from outside: arguments in; files, text and exit codes out. A model of a few thousand
//! random weights stands in for a trained one, so that nothing depends on what was trained.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_input;
mod benching;
mod collecting;
mod editing;
mod feedback;
mod help;
mod inspecting;
mod manifest;
mod measuring;
mod pipelining;
mod preferences;
mod preferring;
mod scoring;
mod tiny_model;
mod training;
mod workbench;
