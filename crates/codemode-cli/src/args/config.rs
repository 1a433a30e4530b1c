//! `codemode config …`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::{SideName, VALIDATE_EXAMPLES, ValidateArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check configuration files, as `codemode validate` does
    #[command(after_help = VALIDATE_EXAMPLES)]
    Check(ValidateArgs),
    /// Print the JSON Schema of the configuration, for editors and other checks
    #[command(after_help = SCHEMA_EXAMPLES)]
    Schema(SchemaArgs),
}

#[derive(Args, Debug)]
pub(crate) struct SchemaArgs {
    /// Only the keys of this side; without a word, of a file that may be for both
    #[arg(value_name = "SIDE")]
    pub(crate) side: Option<SideName>,
    /// Write it to this file
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
}

const SCHEMA_EXAMPLES: &str = "\
JSON Schema, draft 2020-12. It knows names, places, types and ranges, and takes ${NAME} wherever the
file does. What several keys say together only `codemode validate` knows.

Examples:
  codemode config schema > codemode.schema.json
  codemode config schema sidecar -o codemode-sidecar.schema.json

An editor with the YAML language server uses it for a file that begins with this line:
  # yaml-language-server: $schema=codemode.schema.json";
