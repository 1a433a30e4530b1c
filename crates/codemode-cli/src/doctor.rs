//! `codemode doctor`: what holds the sandbox on this machine.

use std::{
    env,
    fmt::Write as _,
    io::{self, IsTerminal},
    process::ExitCode,
};

use codemode_sandbox::probe::{LayerReport, LayerStatus, Probe, probe};
use codemode_types::Policy;
use serde_json::{Value, json};

use crate::{
    args::DoctorArgs,
    environment,
    exit::{self, Failure, UNAVAILABLE},
    guest,
};

/// One of the parts that come with this binary or with the machine.
struct Part {
    name: &'static str,
    found: Result<String, String>,
}

pub(crate) fn doctor(args: &DoctorArgs) -> Result<ExitCode, Failure> {
    let (probe, parts) = (probe(), parts());
    let text = match args.json {
        true => format!("{:#}\n", document(&probe, &parts)),
        false => render(&probe, &parts, coloured()),
    };
    exit::print(&text)?;
    Ok(if healthy(&probe, &parts) { ExitCode::SUCCESS } else { ExitCode::from(UNAVAILABLE) })
}

fn coloured() -> bool {
    io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn healthy(probe: &Probe, parts: &[Part]) -> bool {
    probe.tier.is_some() && parts.iter().all(|part| part.found.is_ok())
}

fn parts() -> Vec<Part> {
    let shown = |found: Result<std::path::PathBuf, guest::GuestError>| {
        found.map(|path| path.display().to_string()).map_err(|error| error.to_string())
    };
    let embedding = environment::embedding(&environment::variables());
    vec![
        Part { name: "python", found: shown(guest::interpreter(&Policy::default(), embedding.as_deref())) },
        Part { name: "guest library", found: shown(guest::library()) },
    ]
}

fn render(probe: &Probe, parts: &[Part], colour: bool) -> String {
    let mut text = headline(probe, colour);
    for layer in &probe.layers {
        line(&mut text, colour, mark(&layer.status), layer.name, state(&layer.status));
        let _ = writeln!(text, "  {:<16}{}", "", dim(layer.why, colour));
    }
    text.push('\n');
    for part in parts {
        let (mark, state) = match &part.found {
            Ok(found) => (Mark::Good, found),
            Err(problem) => (Mark::Bad, problem),
        };
        line(&mut text, colour, mark, part.name, state);
    }
    let _ = write!(text, "\n{}", advice(probe, parts));
    text
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

fn advice(probe: &Probe, parts: &[Part]) -> String {
    if healthy(probe, parts) {
        return "codemode serve can start here.\n".into();
    }
    let missing = probe.layers.iter().filter(|layer| mark(&layer.status) == Mark::Bad).map(|layer| layer.name);
    let broken = parts.iter().filter(|part| part.found.is_err()).map(|part| part.name);
    let missing: Vec<_> = missing.chain(broken).collect();
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

fn document(probe: &Probe, parts: &[Part]) -> Value {
    let parts = parts.iter().map(|part| match &part.found {
        Ok(found) => json!({"name": part.name, "status": "found", "detail": found}),
        Err(problem) => json!({"name": part.name, "status": "missing", "detail": problem}),
    });
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "tier": probe.tier.map(codemode_types::Tier::as_str),
        "rootless": probe.rootless,
        "layers": probe.layers.iter().map(layer_document).collect::<Vec<_>>(),
        "parts": parts.collect::<Vec<_>>(),
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

    #[test]
    fn a_machine_that_can_serve() {
        let probe = probe(Some(Tier::Full), LayerStatus::Substituted("a watch over the pid namespace's memory".into()));
        insta::assert_snapshot!(render(&probe, &parts(Ok("/opt/libcodemode_guest.so".into())), false));
        insta::assert_snapshot!(format!("{:#}", document(&probe, &parts(Ok("/opt/libcodemode_guest.so".into())))));
    }

    #[test]
    fn a_machine_that_cannot() {
        let probe = probe(None, LayerStatus::Missing("no controller is delegated".into()));
        insta::assert_snapshot!(render(&probe, &parts(Err("missing".into())), false));
    }

    #[test]
    fn colour_changes_nothing_but_colour() {
        let probe = probe(Some(Tier::Full), LayerStatus::Found("v2".into()));
        let parts = parts(Ok("/opt/g.so".into()));
        let coloured = render(&probe, &parts, true);
        assert!(coloured.contains("\x1b[32m+\x1b[0m landlock"));
        let plain = ["1;32", "32", "2"].iter().fold(coloured, |text, code| text.replace(&format!("\x1b[{code}m"), ""));
        assert_eq!(plain.replace("\x1b[0m", ""), render(&probe, &parts, false));
    }
}
