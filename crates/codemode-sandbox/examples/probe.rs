//! Prints what this machine, as this user, can hold: `cargo run --example probe`.

use codemode_sandbox::probe::probe;

fn main() {
    println!("{:#?}", probe());
}
