//! `codemode validate`, which is `codemode config check` as well

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Kind {
    /// By its keys: a policy alone, or beside a client's keys, may be for both
    Auto,
    /// As applications read it
    Client,
    /// As `codemode serve` reads it
    Sidecar,
}

#[derive(Args, Debug)]
pub(crate) struct ValidateArgs {
    /// The files [default: codemode-client.yaml, codemode-sidecar.yaml and codemode.yaml, where they exist]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// One more file, for those who know the option
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath, hide = true)]
    pub(crate) config: Vec<PathBuf>,
    /// Whose the files are
    #[arg(long, value_name = "KIND", default_value = "auto")]
    pub(crate) kind: Kind,
    /// Check the files alone: no variable of the environment, no .env
    #[arg(long)]
    pub(crate) no_env: bool,
    /// Print what they come to, with the origin of each value; secrets are not shown
    #[arg(long)]
    pub(crate) show: bool,
    /// Print one JSON document instead
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) const VALIDATE_EXAMPLES: &str = "\
Reads each file as its side would here and now: with the variables of the environment and those of
.env beside the file, which win over it. Everything that is wrong is said at once, with its line.
Variables that begin with CODEMODE_ and mean nothing are warned of.

With --no-env, variables that a file needs are warned of and not asked for.

Whether this machine can enforce the policy, and has its commands: `codemode doctor --config FILE`.

Examples:
  codemode validate
  codemode validate codemode.yaml --kind sidecar --show
  codemode validate deploy/*.yaml --no-env --json | jq '.files[].problems'

Exit codes: 0 where all are valid, 64 where one is not.";
