//! The commands of a policy: the file behind each name, what it brings along and why, and what listing it means.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use codemode_sandbox::{
    plan::{CommandPlan, listed_commands},
    probe::Probe,
};
use codemode_server::config::{ServerConfig, Sources};
use codemode_types::NetworkMode;
use serde_json::{Value, json};

use crate::{environment, exit::Failure, guest};

/// What a configuration asks for, as far as this machine has it.
pub(super) struct Configured {
    pub(super) file: PathBuf,
    /// The listed commands, or why they cannot be had.
    pub(super) commands: Result<Vec<CommandPlan>, String>,
    /// Why the policy cannot be enforced here.
    pub(super) refused: Option<String>,
    pub(super) network: NetworkMode,
}

impl Configured {
    pub(super) fn read(
        file: &Path,
        environment: BTreeMap<String, String>,
        embedding: Option<&Path>,
        probe: &Probe,
    ) -> Result<Self, Failure> {
        let dotenv = Some(environment::dotenv(file));
        let sources = Sources { file: Some(file.to_owned()), environment, dotenv, ..Sources::default() };
        let policy = ServerConfig::load(&sources).map_err(Failure::configuration)?.policy;
        let interpreter = guest::interpreter(&policy, embedding).map_err(|error| error.to_string());
        let network = policy.network.mode;
        let closure = |python: PathBuf| listed_commands(&policy, &python).map_err(|error| error.to_string());
        let commands = interpreter.and_then(closure);
        let refused = probe.check(&policy).err().map(|error| error.to_string());
        Ok(Self { file: file.to_owned(), commands, refused, network })
    }

    pub(super) fn holds(&self) -> bool {
        self.commands.is_ok() && self.refused.is_none()
    }

    pub(super) fn render(&self) -> String {
        let file = self.file.display();
        let commands = match &self.commands {
            Ok(commands) if commands.is_empty() => {
                return format!("\n{file} lists no commands: none can be started.\n");
            }
            Ok(commands) => commands,
            Err(problem) => return format!("\n! {file}: {problem}\n"),
        };
        let mut text = format!("\nCommands of {file}, and what each brings along:\n");
        for command in commands {
            text.push_str(&entry(command));
        }
        text
    }

    pub(super) fn document(&self) -> Value {
        json!({
            "config": self.file,
            "network": self.network,
            "commands": self.commands.as_ref().ok().map(|commands| commands.iter().map(member).collect::<Vec<_>>()),
            "problem": self.commands.as_ref().err().or(self.refused.as_ref()),
        })
    }
}

fn entry(command: &CommandPlan) -> String {
    let CommandPlan { name, file, companions, loader, libraries, meaning, .. } = command;
    let loader = loader.as_ref().map(|loader| format!(", loader {}", loader.display())).unwrap_or_default();
    let libraries = match libraries.len() {
        0 => String::new(),
        1 => ", 1 library".into(),
        many => format!(", {many} libraries"),
    };
    let mut text = format!("  {name:<16}{}{loader}{libraries}\n", file.display());
    for companion in companions {
        let act = if companion.executable { "may start" } else { "may read" };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {:<16}{act:<9} {}: {}", "", companion.path.display(), companion.why);
    }
    if let Some(meaning) = meaning {
        let _ = writeln!(text, "  {:<16}note: {meaning}", "");
    }
    text
}

fn member(command: &CommandPlan) -> Value {
    let CommandPlan { name, file, companions, loader, libraries, meaning, .. } = command;
    let companions: Vec<_> = companions
        .iter()
        .map(|companion| json!({"path": companion.path, "executable": companion.executable, "why": companion.why}))
        .collect();
    json!({
        "name": name,
        "file": file,
        "loader": loader,
        "libraries": libraries,
        "companions": companions,
        "meaning": meaning,
    })
}

#[cfg(test)]
mod tests {
    use codemode_sandbox::plan::Companion;

    use super::*;

    fn command(name: &str, file: &str, libraries: &[&str]) -> CommandPlan {
        CommandPlan {
            name: name.into(),
            file: file.into(),
            loader: Some("/usr/lib/ld-linux.so.2".into()),
            libraries: libraries.iter().map(PathBuf::from).collect(),
            ..CommandPlan::default()
        }
    }

    fn companion(path: &str, executable: bool, why: &str) -> Companion {
        Companion { path: path.into(), executable, why: why.into() }
    }

    fn configured(commands: Result<Vec<CommandPlan>, String>) -> Configured {
        Configured { file: "codemode.yaml".into(), commands, refused: None, network: NetworkMode::None }
    }

    #[test]
    fn each_command_with_what_it_opens() {
        let git = CommandPlan {
            companions: vec![
                companion("/usr/lib/git-core", true, "most of git's subcommands are programs of their own"),
                companion("/usr/share/git-core", false, "the template of a new repository"),
            ],
            ..command("git", "/usr/bin/git", &["/usr/lib/libc.so.6", "/usr/lib/libz.so.1"])
        };
        let shell = CommandPlan {
            meaning: Some("a shell: every program that it starts must be listed as well".into()),
            ..command("sh", "/usr/bin/dash", &["/usr/lib/libc.so.6"])
        };
        let configured =
            configured(Ok(vec![git, shell, CommandPlan { loader: None, ..command("own", "/opt/own", &[]) }]));
        insta::assert_snapshot!(configured.render());
        insta::assert_snapshot!(format!("{:#}", configured.document()));
    }

    #[test]
    fn no_commands_and_commands_that_are_not_there() {
        insta::assert_snapshot!(configured(Ok(Vec::new())).render(), @"
        codemode.yaml lists no commands: none can be started.
        ");
        let problem = "execution.allowed_commands: `grpe` is not installed in /usr/bin; did you mean `grep`?";
        insta::assert_snapshot!(configured(Err(problem.into())).render(), @"
        ! codemode.yaml: execution.allowed_commands: `grpe` is not installed in /usr/bin; did you mean `grep`?
        ");
    }
}
