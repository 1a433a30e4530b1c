//! `codemode doctor`: what holds the sandbox on this machine.

mod commands;

use std::{
    collections::BTreeMap,
    env,
    fmt::Write as _,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    process::ExitCode,
};

use codemode_sandbox::probe::{LayerReport, LayerStatus, Probe, probe};
use codemode_server::config::{ServerConfig, Sources};
use codemode_types::{NetworkMode, Policy};
use serde_json::{Value, json};

use self::commands::Configured;
use crate::{
    args::DoctorArgs,
    environment,
    exit::{self, Failure, UNAVAILABLE},
    guest,
    harden::{self, Doors},
};

/// One of the parts that come with this binary or with the machine.
struct Part {
    name: &'static str,
    found: Result<String, String>,
}

pub(crate) fn doctor(args: &DoctorArgs) -> Result<ExitCode, Failure> {
    let variables = environment::variables();
    let embedding = environment::embedding(&variables);
    let (probe, parts) = (probe(), parts(embedding.as_deref()));
    let read = |file: &PathBuf| Configured::read(file, variables.clone(), embedding.as_deref(), &probe);
    let configured = args.config.as_ref().map(read).transpose()?;
    // Last: it is this process that gives it up.
    let executor = harden_itself(args.config.as_ref(), variables, embedding.as_deref(), &probe)?;
    let found = Found { probe: &probe, parts: &parts, executor: &executor, configured: configured.as_ref() };
    let text = match args.json {
        true => format!("{:#}\n", document(found)),
        false => render(found, coloured()),
    };
    exit::print(&text)?;
    Ok(if found.healthy() { ExitCode::SUCCESS } else { ExitCode::from(UNAVAILABLE) })
}

/// Everything that was looked at.
#[derive(Clone, Copy)]
struct Found<'a> {
    probe: &'a Probe,
    parts: &'a [Part],
    /// What an executor gives up here, or why it cannot; nothing where none could serve.
    executor: &'a Result<Vec<LayerReport>, String>,
    configured: Option<&'a Configured>,
}

impl Found<'_> {
    fn network(self) -> NetworkMode {
        self.configured.map_or(NetworkMode::None, |configured| configured.network)
    }

    fn healthy(self) -> bool {
        let parts = self.parts.iter().all(|part| part.found.is_ok());
        self.probe.tier.is_some() && parts && self.executor.is_ok() && self.configured.is_none_or(Configured::holds)
    }
}

/// As `codemode serve` does with this file.
fn harden_itself(
    file: Option<&PathBuf>,
    environment: BTreeMap<String, String>,
    embedding: Option<&Path>,
    probe: &Probe,
) -> Result<Result<Vec<LayerReport>, String>, Failure> {
    let Some(file) = file else {
        return Ok(harden::trial(probe, &Policy::default(), embedding, Doors::default()));
    };
    let dotenv = Some(environment::dotenv(file));
    let sources = Sources { file: Some(file.to_owned()), environment, dotenv, ..Sources::default() };
    let config = ServerConfig::load(&sources).map_err(Failure::configuration)?;
    Ok(harden::trial(probe, &config.policy, embedding, Doors::of(&config)))
}

fn coloured() -> bool {
    io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn parts(embedding: Option<&Path>) -> Vec<Part> {
    let shown = |found: Result<PathBuf, guest::GuestError>| {
        found.map(|path| path.display().to_string()).map_err(|error| error.to_string())
    };
    vec![
        Part { name: "python", found: shown(guest::interpreter(&Policy::default(), embedding)) },
        Part { name: "guest library", found: shown(guest::library()) },
    ]
}

fn render(found: Found<'_>, colour: bool) -> String {
    let Found { probe, parts, executor, configured } = found;
    let mut text = headline(probe, colour);
    layers(&mut text, colour, &probe.layers);
    text.push('\n');
    for part in parts {
        let (mark, state) = match &part.found {
            Ok(found) => (Mark::Good, found),
            Err(problem) => (Mark::Bad, problem),
        };
        line(&mut text, colour, mark, part.name, state);
    }
    match executor {
        Ok(given_up) if given_up.is_empty() => {}
        Ok(given_up) => {
            text.push_str("\nexecutor itself, before it serves:\n");
            layers(&mut text, colour, given_up);
        }
        Err(problem) => line(&mut text, colour, Mark::Bad, "executor itself", problem),
    }
    text.push_str(&not_promised(found));
    text.extend(configured.map(Configured::render));
    let _ = write!(text, "\n{}", advice(found));
    text
}

fn layers(text: &mut String, colour: bool, layers: &[LayerReport]) {
    for layer in layers {
        line(text, colour, mark(&layer.status), layer.name, state(&layer.status));
        let _ = writeln!(text, "  {:<16}{}", "", dim(layer.why, colour));
    }
}

fn not_promised(found: Found<'_>) -> String {
    let sentences = found.probe.not_promised(found.network());
    let lines: String = sentences.iter().map(|sentence| format!("  {sentence}\n")).collect();
    if lines.is_empty() { lines } else { format!("\nNot promised here:\n{lines}") }
}

fn headline(probe: &Probe, colour: bool) -> String {
    let who = if probe.rootless { "as an ordinary user" } else { "as root" };
    match probe.tier {
        Some(tier) => format!("isolation: {}, {who}\n\n", paint(tier.as_str(), "1;32", colour)),
        None => format!("isolation: {}, {who}\n\n", paint("none", "1;31", colour)),
    }
}

fn line(text: &mut String, colour: bool, mark: Mark, name: &str, state: &str) {
    let _ = writeln!(text, "{} {name:<16}{state}", mark.painted(colour));
}

fn advice(found: Found<'_>) -> String {
    let Found { probe, parts, executor, configured } = found;
    if found.healthy() {
        return "codemode serve can start here.\n".into();
    }
    if let Some(configured) = configured.filter(|_| Found { configured: None, ..found }.healthy()) {
        let reason = configured.refused.as_deref().unwrap_or("commands that are listed cannot be had");
        return format!("codemode serve refuses to start with {}: {reason}.\n", configured.file.display());
    }
    let missing = probe.layers.iter().filter(|layer| mark(&layer.status) == Mark::Bad).map(|layer| layer.name);
    let broken = parts.iter().filter(|part| part.found.is_err()).map(|part| part.name);
    let unhardened = executor.as_ref().err().map(|_| "executor itself");
    let missing: Vec<_> = missing.chain(broken).chain(unhardened).collect();
    format!("codemode serve refuses to start here; missing: {}.\n", missing.join(", "))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Good,
    Weaker,
    Bad,
    Absent,
}

impl Mark {
    /// Told apart without colour, too.
    fn painted(self, colour: bool) -> String {
        match self {
            Self::Good => paint("+", "32", colour),
            Self::Weaker => paint("~", "33", colour),
            Self::Bad => paint("!", "31", colour),
            Self::Absent => paint("-", "2", colour),
        }
    }
}

const fn mark(status: &LayerStatus) -> Mark {
    match status {
        LayerStatus::Found(_) => Mark::Good,
        LayerStatus::Substituted(_) => Mark::Weaker,
        LayerStatus::Missing(_) => Mark::Bad,
        LayerStatus::Optional(_) => Mark::Absent,
    }
}

fn state(status: &LayerStatus) -> &str {
    let (LayerStatus::Found(text)
    | LayerStatus::Substituted(text)
    | LayerStatus::Missing(text)
    | LayerStatus::Optional(text)) = status;
    text
}

fn paint(text: &str, code: &str, colour: bool) -> String {
    if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

fn dim(text: &str, colour: bool) -> String {
    paint(text, "2", colour)
}

fn document(found: Found<'_>) -> Value {
    let Found { probe, parts, executor, configured } = found;
    let parts = parts.iter().map(|part| match &part.found {
        Ok(found) => json!({"name": part.name, "status": "found", "detail": found}),
        Err(problem) => json!({"name": part.name, "status": "missing", "detail": problem}),
    });
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "tier": probe.tier.map(codemode_types::Tier::as_str),
        "rootless": probe.rootless,
        "layers": probe.layers.iter().map(layer_document).collect::<Vec<_>>(),
        "not_promised": probe.not_promised(found.network()),
        "parts": parts.collect::<Vec<_>>(),
        "executor": executor.as_ref().ok().map(|given_up| given_up.iter().map(layer_document).collect::<Vec<_>>()),
        "executor_problem": executor.as_ref().err(),
        "policy": configured.map(Configured::document),
    })
}

fn layer_document(layer: &LayerReport) -> Value {
    let status = match layer.status {
        LayerStatus::Found(_) => "found",
        LayerStatus::Substituted(_) => "substituted",
        LayerStatus::Missing(_) => "missing",
        LayerStatus::Optional(_) => "optional",
    };
    json!({"name": layer.name, "status": status, "detail": state(&layer.status), "why": layer.why})
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use codemode_types::Tier;

    use super::*;

    fn probe(tier: Option<Tier>, cgroup: LayerStatus) -> Probe {
        let layers = vec![
            LayerReport {
                name: "landlock",
                status: LayerStatus::Found("ABI 7".into()),
                why: "files and programs outside the policy stay shut",
            },
            LayerReport { name: "cgroup", status: cgroup, why: "memory, CPU and processes are bounded together" },
            LayerReport {
                name: "mdwe",
                status: LayerStatus::Optional("this kernel has none".into()),
                why: "no native code of the code's own making",
            },
        ];
        Probe { tier, rootless: tier.is_some(), layers }
    }

    fn parts(library: Result<String, String>) -> Vec<Part> {
        vec![
            Part { name: "python", found: Ok("/usr/bin/python3".into()) },
            Part { name: "guest library", found: library },
        ]
    }

    static HARDENED: LazyLock<Result<Vec<LayerReport>, String>> = LazyLock::new(|| {
        let status = LayerStatus::Found("not dumpable, core limit 1".into());
        Ok(vec![LayerReport { name: "memory", status, why: "nobody reads its keys" }])
    });

    static NOTHING: LazyLock<Result<Vec<LayerReport>, String>> = LazyLock::new(|| Ok(Vec::new()));

    fn found<'a>(probe: &'a Probe, parts: &'a [Part]) -> Found<'a> {
        let executor = if probe.tier.is_some() { &HARDENED } else { &NOTHING };
        Found { probe, parts, executor, configured: None }
    }

    #[test]
    fn an_executor_that_cannot_harden_itself_does_not_serve() {
        let probe = probe(Some(Tier::Full), LayerStatus::Found("v2".into()));
        let (parts, executor) = (parts(Ok("/opt/g.so".into())), Err("seccomp: not implemented".to_owned()));
        let found = Found { executor: &executor, ..found(&probe, &parts) };
        assert!(!found.healthy());
        assert_eq!(advice(found), "codemode serve refuses to start here; missing: executor itself.\n");
        assert!(render(found, false).contains("\n! executor itself seccomp: not implemented\n"));
        assert_eq!(document(found)["executor_problem"], "seccomp: not implemented");
    }

    #[test]
    fn what_the_policy_asks_counts() {
        let probe = probe(Some(Tier::Full), LayerStatus::Found("v2".into()));
        let parts = parts(Ok("/opt/g.so".into()));
        let configured = |commands: Result<Vec<_>, String>, refused: Option<&str>| {
            let configured = Configured {
                file: "codemode.yaml".into(),
                commands,
                refused: refused.map(str::to_owned),
                network: NetworkMode::None,
            };
            let found = Found { configured: Some(&configured), ..found(&probe, &parts) };
            (found.healthy(), advice(found))
        };
        assert!(configured(Ok(Vec::new()), None).0);
        let start = "codemode serve refuses to start with codemode.yaml: ";
        let refused = configured(Ok(Vec::new()), Some("isolation.require names moat"));
        assert_eq!(refused, (false, format!("{start}isolation.require names moat.\n")));
        let missing = configured(Err("`grpe` is not installed".into()), None);
        assert_eq!(missing, (false, format!("{start}commands that are listed cannot be had.\n")));
    }

    #[test]
    fn a_machine_that_can_serve() {
        let probe = probe(Some(Tier::Full), LayerStatus::Substituted("a watch over the pid namespace's memory".into()));
        insta::assert_snapshot!(render(found(&probe, &parts(Ok("/opt/libcodemode_guest.so".into()))), false));
        insta::assert_snapshot!(format!(
            "{:#}",
            document(found(&probe, &parts(Ok("/opt/libcodemode_guest.so".into()))))
        ));
    }

    #[test]
    fn what_the_weaker_tier_leaves_open_is_said() {
        let probe = probe(Some(Tier::Container), LayerStatus::Substituted("a watch over the user's memory".into()));
        insta::assert_snapshot!(render(found(&probe, &parts(Ok("/opt/libcodemode_guest.so".into()))), false));
    }

    #[test]
    fn a_machine_that_cannot() {
        let probe = probe(None, LayerStatus::Missing("no controller is delegated".into()));
        insta::assert_snapshot!(render(found(&probe, &parts(Err("missing".into()))), false));
    }

    #[test]
    fn colour_changes_nothing_but_colour() {
        let probe = probe(Some(Tier::Full), LayerStatus::Found("v2".into()));
        let parts = parts(Ok("/opt/g.so".into()));
        let coloured = render(found(&probe, &parts), true);
        assert!(coloured.contains("\x1b[32m+\x1b[0m landlock"));
        let plain = ["1;32", "32", "2"].iter().fold(coloured, |text, code| text.replace(&format!("\x1b[{code}m"), ""));
        assert_eq!(plain.replace("\x1b[0m", ""), render(found(&probe, &parts), false));
    }
}
