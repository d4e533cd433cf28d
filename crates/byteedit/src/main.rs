//! byteedit
fn main() {}
