//! `codemode config schema`

use std::{fs, path::Path, process::ExitCode};

use codemode_client::config::schema;

use crate::{
    args::SchemaArgs,
    exit::{self, Failure},
};

pub(crate) fn print(args: &SchemaArgs) -> Result<ExitCode, Failure> {
    let text = format!("{:#}\n", schema(args.side.map(Into::into)));
    match &args.output {
        None => exit::print(&text),
        Some(path) => write(path, &text),
    }
}

/// As a shell would, over one from before and through a link: it is made, and nobody's work.
fn write(path: &Path, text: &str) -> Result<ExitCode, Failure> {
    let shown = path.display();
    fs::write(path, text).map_err(|error| Failure::usage(format!("cannot write {shown}: {error}")))?;
    let name = path.file_name().unwrap_or_default().display();
    exit::print(&format!(
        "wrote {shown}\n\nThe first line of a configuration beside it, for editors:\n  \
         # yaml-language-server: $schema={name}\n"
    ))
}
