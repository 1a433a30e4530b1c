//! Hardens itself as an executor without a network does, says what it gave up, and becomes a program: `harden PROGRAM
//! ARG…`. For the tests of what is gone then, for it and for what it starts.

use std::{os::unix::process::CommandExt, process::Command};

use codemode_sandbox::{
    harden::{self, Needs, Reach},
    plan::Means,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let means = if rustix::process::geteuid().is_root() { Means::Root } else { Means::UserNamespace };
    let needs = Needs { means, reach: Reach::Inward { port: Some(4321) }, files: None };
    for layer in harden::executor(&needs)? {
        println!("{}: {:?}", layer.name, layer.status);
    }
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments.next().ok_or("usage: harden PROGRAM ARG…")?;
    Err(Command::new(program).args(arguments).exec().into())
}
