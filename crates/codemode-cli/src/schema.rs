//! `codemode config schema`

use std::{path::Path, process::ExitCode};

use codemode_client::config::schema;

use crate::{
    args::SchemaArgs,
    exit::{self, Failure},
    write_new::{NewFile, write_new},
};

pub(crate) fn print(args: &SchemaArgs) -> Result<ExitCode, Failure> {
    let text = format!("{:#}\n", schema(args.side.map(Into::into)));
    match &args.output {
        None => exit::print(&text),
        Some(path) => write(path, text),
    }
}

/// Over one from before: it is made, and nobody's work.
fn write(path: &Path, text: String) -> Result<ExitCode, Failure> {
    write_new(&[NewFile::text(path, text)], true)?;
    let path = path.display();
    exit::print(&format!(
        "wrote {path}\n\nThe first line of a configuration beside it, for editors:\n  \
         # yaml-language-server: $schema={path}\n"
    ))
}
