//! Prints the sandbox plan of the default policy with the commands given: `cargo run --example plan -- grep bash`.

use codemode_sandbox::plan::{Means, SandboxPlan};
use codemode_types::Policy;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut policy = Policy::default();
    policy.execution.allowed_commands = std::env::args().skip(1).collect();
    let plan = SandboxPlan::build(&policy, "python3".as_ref(), Means::Root)?;
    println!("{}", serde_json::to_string_pretty(&plan)?);
    Ok(())
}
