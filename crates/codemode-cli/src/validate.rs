//! `codemode validate`: what is wrong with configuration files, and what they come to.

mod check;
mod finding;
mod summary;

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use codemode_client::config::{Side, shown};
use serde_json::{Value, json};

use self::{
    check::{Checked, Surroundings, check},
    finding::Finding,
};
use crate::{
    args::{Kind, ValidateArgs},
    environment,
    exit::{self, Failure, USAGE},
};

/// Of a file that both sides read.
const SHARED: &str = "codemode.yaml";

pub(crate) fn validate(args: ValidateArgs) -> Result<ExitCode, Failure> {
    let environment = if args.no_env { BTreeMap::new() } else { environment::variables() };
    let surroundings = Surroundings { environment, alone: args.no_env, show: args.show };
    let files = match [args.files, args.config].concat() {
        files if files.is_empty() => usual()?,
        files => files,
    };
    let sides = match args.kind {
        Kind::Auto => None,
        Kind::Client => Some(Side::Client),
        Kind::Sidecar => Some(Side::Sidecar),
    };
    let checked: Vec<_> = files.into_iter().map(|file| check(file, sides, &surroundings)).collect();
    match args.json {
        true => report_json(&checked, args.show),
        false => report(&checked, args.show),
    }
}

/// Those of the usual names that are in the current folder.
fn usual() -> Result<Vec<PathBuf>, Failure> {
    let names = [Side::Client.file_name(), Side::Sidecar.file_name(), SHARED];
    let found: Vec<_> = names.into_iter().filter(|name| Path::new(name).is_file()).map(PathBuf::from).collect();
    match found.is_empty() {
        false => Ok(found),
        true => Err(Failure::usage(format!(
            "there is no {}, {} or {} in this folder: `codemode init` writes them, or name a file",
            names[0], names[1], names[2]
        ))),
    }
}

fn report(checked: &[Checked], show: bool) -> Result<ExitCode, Failure> {
    let mut warnings: Vec<&Finding> = Vec::new();
    for warning in checked.iter().flat_map(|it| &it.warnings) {
        // A variable of the environment is the same for every file.
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    let said: String = warnings.iter().map(|warning| format!("codemode: warning: {warning}\n")).collect();
    // Nobody is left to tell where stderr is gone.
    let _ = io::stderr().write_all(said.as_bytes());
    exit::print(&checked.iter().map(|it| valid(it, show)).collect::<Vec<_>>().concat())?;
    let problems: Vec<_> = checked.iter().flat_map(|it| &it.problems).map(ToString::to_string).collect();
    match problems.is_empty() {
        true => Ok(ExitCode::SUCCESS),
        false => Err(Failure::configuration(problems.join("\n"))),
    }
}

/// A line for each side, or all that it reads.
fn valid(checked: &Checked, show: bool) -> String {
    let file = checked.file.display();
    if checked.summaries.is_empty() && checked.problems.is_empty() {
        return format!("{file}: valid as far as the file alone can tell\n");
    }
    let lines = checked.summaries.iter().zip(&checked.effective).map(|(summary, (_, effective))| match show {
        true => format!("# {file}: valid: {summary}\n{}\n", shown(effective)),
        false => format!("{file}: valid: {summary}\n"),
    });
    lines.collect()
}

fn report_json(checked: &[Checked], show: bool) -> Result<ExitCode, Failure> {
    let valid = checked.iter().all(Checked::is_valid);
    let files: Vec<_> = checked.iter().map(|it| document(it, show)).collect();
    exit::print(&format!("{:#}\n", json!({"valid": valid, "files": files})))?;
    Ok(if valid { ExitCode::SUCCESS } else { ExitCode::from(USAGE) })
}

fn document(checked: &Checked, show: bool) -> Value {
    let findings = |list: &[Finding]| list.iter().map(Finding::document).collect::<Vec<_>>();
    let mut document = json!({
        // A name that is no text is shown as it can be.
        "file": checked.file.display().to_string(),
        "sides": checked.sides.iter().map(|side| name(*side)).collect::<Vec<_>>(),
        "valid": checked.is_valid(),
        "problems": findings(&checked.problems),
        "warnings": findings(&checked.warnings),
    });
    if show {
        let settings = checked.effective.iter().map(|(side, settings)| {
            let settings: Vec<_> = settings
                .iter()
                .map(
                    |it| json!({"key": it.key, "value": it.value, "origin": it.origin.as_deref().unwrap_or("default")}),
                )
                .collect();
            (name(*side).to_owned(), settings.into())
        });
        document["effective"] = Value::Object(settings.collect());
    }
    document
}

fn name(side: Side) -> &'static str {
    match side {
        Side::Client => "client",
        Side::Sidecar => "sidecar",
    }
}
