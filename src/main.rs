//! The command line: `postamt serve | domain | account | alias | queue | check`.

fn main() {}
