//! `codemode tools`: what Python files and modules offer. The Python package reads them, in the interpreter that they
//! are written for; this process becomes that interpreter.

use std::{
    ffi::OsString,
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

use codemode_types::Policy;

use crate::{
    args::{ToolsCommand, ToolsSource},
    environment,
    exit::Failure,
    guest,
};

/// The package is looked for where packages are, never in the current folder, which may have a `codemode.py` of its own.
const PROGRAM: &str = "\
import sys
sys.path = [folder for folder in sys.path if folder]
try:
    from codemode._tools_cli import main
except ImportError as error:
    sys.stderr.write(f'codemode: {sys.executable} cannot load tools: {error}; '
                     'install the package for it: pip install codemode-runtime, '
                     'or name another Python in CODEMODE_GUEST_INTERPRETER\\n')
    sys.exit(69)
sys.exit(main(sys.argv[1:]))";

/// The tools cannot be loaded. `python/codemode/_tools_cli.py` has the same.
pub(crate) const EXIT_TOOLS: u8 = 2;

pub(crate) fn tools(command: ToolsCommand) -> Result<ExitCode, Failure> {
    let mut python = python()?;
    let error = python.args(arguments(command)).exec();
    Err(Failure::unavailable(format!("cannot run {}: {error}", python.get_program().display())))
}

/// The interpreter with the program that knows what to do with the sources; its arguments follow.
pub(crate) fn python() -> Result<Command, Failure> {
    let embedding = environment::embedding(&environment::variables());
    let interpreter = guest::interpreter(&Policy::default(), embedding.as_deref()).map_err(Failure::unavailable)?;
    let mut command = Command::new(interpreter);
    command.arg("-c").arg(PROGRAM);
    Ok(command)
}

fn arguments(command: ToolsCommand) -> Vec<OsString> {
    match command {
        ToolsCommand::Stubs(args) => {
            let output = args.output.map(|file| option("--output=", file.into()));
            ["stubs".into()].into_iter().chain(sources(args.source)).chain(output).collect()
        }
        ToolsCommand::List(args) => {
            let json = args.json.then(|| "--json".into());
            ["list".into()].into_iter().chain(sources(args.source)).chain(json).collect()
        }
    }
}

fn sources(source: ToolsSource) -> impl Iterator<Item = OsString> {
    source.tools.into_iter().map(|source| option("--tools=", source))
}

/// In one word, so that a value may begin with a dash.
pub(crate) fn option(name: &str, value: OsString) -> OsString {
    let mut word = OsString::from(name);
    word.push(value);
    word
}
