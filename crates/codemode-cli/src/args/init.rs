//! `codemode init`

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use codemode_client::config::Side;

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SideName {
    /// What applications read
    Client,
    /// What `codemode serve` reads
    Sidecar,
}

impl From<SideName> for Side {
    fn from(name: SideName) -> Self {
        match name {
            SideName::Client => Self::Client,
            SideName::Sidecar => Self::Sidecar,
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct InitArgs {
    /// Which one to write; without a word, both
    #[arg(value_name = "SIDE")]
    pub(crate) side: Option<SideName>,
    /// Folder for the files, created if missing; or the file, where one is written and this ends in .yaml or .yml
    #[arg(long, short, value_name = "DIR|FILE", value_hint = ValueHint::AnyPath)]
    pub(crate) output: Option<PathBuf>,
    /// Replace what is there already; a link is replaced, and not followed
    #[arg(long, short)]
    pub(crate) force: bool,
}

pub(crate) const INIT_EXAMPLES: &str = "\
Writes codemode-client.yaml and codemode-sidecar.yaml: the keys that one changes first, each with
its default or an example, and what it is for. `codemode config schema` has every key. Nothing is
written where one of the files is there already, and no file holds a secret: API keys come from
CODEMODE_API_KEY (executor) and CODEMODE_EXECUTOR_API_KEY (client).

Examples:
  codemode init                              both, in the current folder
  codemode init sidecar -o /etc/codemode
  codemode init client -o config/codemode.yaml

Exit codes: 64 where a file is there already or cannot be written.";
