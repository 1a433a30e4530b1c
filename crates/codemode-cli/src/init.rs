//! `codemode init`: configurations to begin with.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use codemode_client::config::{Side, template};

use crate::{
    args::InitArgs,
    exit::{self, Failure},
    write_new::{NewFile, write_new},
};

pub(crate) fn init(args: &InitArgs) -> Result<ExitCode, Failure> {
    let sides = args.side.map_or_else(|| Side::BOTH.to_vec(), |side| vec![side.into()]);
    let paths = targets(&sides, args.output.as_deref())?;
    let files: Vec<_> = sides.iter().zip(&paths).map(|(side, path)| NewFile::text(path, template(*side))).collect();
    write_new(&files, args.force)?;
    exit::print(&said(&sides, &paths))
}

fn targets(sides: &[Side], output: Option<&Path>) -> Result<Vec<PathBuf>, Failure> {
    let in_folder = |folder: &Path| sides.iter().map(|side| folder.join(side.file_name())).collect();
    let Some(output) = output else { return Ok(in_folder(Path::new(""))) };
    let is_file = output.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    match sides {
        _ if !is_file => Ok(in_folder(output)),
        [_] => Ok(vec![output.to_owned()]),
        _ => Err(Failure::usage(format!(
            "--output {} is one file, and two are to be written: say `codemode init client` or `codemode init \
             sidecar`, or name a folder",
            output.display()
        ))),
    }
}

/// What was written, and what to type next.
fn said(sides: &[Side], paths: &[PathBuf]) -> String {
    let words: Vec<_> = paths.iter().map(|path| word(path)).collect();
    let wrote: String = paths.iter().map(|path| format!("wrote {}\n", path.display())).collect();
    let next = sides.iter().zip(&words).rev().map(|(side, path)| match side {
        Side::Client => format!("  codemode run job.py --config {path}\n"),
        Side::Sidecar => format!("  codemode serve --config {path}\n"),
    });
    format!("{wrote}\nNext:\n  codemode validate {}\n{}", words.join(" "), next.collect::<String>())
}

/// For a shell.
pub(crate) fn word(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./+@%=:,".contains(letter);
    match path.chars().all(is_plain) {
        true => path,
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}
