//! Hardens itself as an executor without a network does, says what it gave up, and becomes a program:
//! `harden [--container FOLDER] [--dials PORT] PROGRAM ARG…`. With --dials it may connect to that port. With --container
//! as in that tier: outputs go to FOLDER/outputs, the audit log is FOLDER/log/audit, the socket FOLDER/run/socket, and
//! PROGRAM, a Python, is what sandboxes run. For the tests of what is gone then, for it and for what it starts.

use std::{os::unix::process::CommandExt, path::Path, process::Command};

use codemode_sandbox::{
    harden::{self, Files, Needs, Reach},
    plan::{Means, SandboxPlan},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = (arguments.first().map(String::as_str) == Some("--container")).then(|| arguments.drain(..2).nth(1));
    let dials = (arguments.first().map(String::as_str) == Some("--dials")).then(|| arguments.drain(..2).nth(1));
    let dials = dials.flatten().map(|port| port.parse()).transpose()?;
    let usage = "usage: harden [--container FOLDER] [--dials PORT] PROGRAM ARG…";
    let (program, arguments) = arguments.split_first().ok_or(usage)?;
    let means = match (folder.is_some(), rustix::process::geteuid().is_root()) {
        (true, _) => Means::Container,
        (false, true) => Means::Root,
        (false, false) => Means::UserNamespace,
    };
    let files = folder.map(|folder| files(program, folder)).transpose()?;
    let needs = Needs { means, reach: Reach::Inward { port: Some(4321), dials }, files };
    for layer in harden::executor(&needs)? {
        println!("{}: {:?}", layer.name, layer.status);
    }
    Err(Command::new(program).args(arguments).exec().into())
}

fn files(python: &str, folder: Option<String>) -> Result<Files, Box<dyn std::error::Error>> {
    let plan = SandboxPlan::build(&codemode_types::Policy::default(), Path::new(python), Means::Container)?;
    let below = |name: &str| folder.as_deref().map(|folder| Path::new(folder).join(name));
    let (outputs, audit_log, socket) = (below("outputs"), below("log/audit"), below("run/socket"));
    Ok(Files { outputs, audit_log, socket, programs: Files::programs_of(&plan) })
}
