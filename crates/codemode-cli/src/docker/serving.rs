//! What the executor in a container says of itself.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{container::Container, engine::Engine};
use crate::exit::Failure;

/// The executor tries its walls before it serves; a busy machine takes its time for that.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);
const LAST_LINES: &str = "15";
const CONFIGURATION: &str = "/etc/codemode/codemode.yaml";

pub(super) struct Serving {
    /// None where no port of it is published.
    pub(super) url: Option<String>,
    pub(super) tier: Option<String>,
    pub(super) version: Option<String>,
}

impl Serving {
    /// Nothing where it does not serve.
    pub(super) fn of(engine: &Engine, name: &str, container: &Container) -> Result<Option<Self>, Failure> {
        let Some(scheme) = scheme(engine, name)? else { return Ok(None) };
        let doctor = engine.ask(&["exec", name, "codemode", "doctor", "--json"])?;
        let doctor: Value = serde_json::from_str(&doctor.stdout).unwrap_or_default();
        let text = |key: &str| doctor[key].as_str().map(str::to_owned);
        let url = container.published().map(|address| format!("{scheme}://{address}"));
        Ok(Some(Self { url, tier: text("tier"), version: text("version") }))
    }

    pub(super) fn wait(engine: &Engine, name: &str) -> Result<(Container, Self), Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let container = Container::ours(engine, name)?.filter(Container::runs);
            let container = container.ok_or_else(|| last_words(engine, name, "ended before it served"))?;
            if let Some(serving) = Self::of(engine, name, &container)? {
                return Ok((container, serving));
            }
            if Instant::now() > deadline {
                return Err(last_words(engine, name, &format!("did not serve within {} s", PATIENCE.as_secs())));
            }
            thread::sleep(PAUSE);
        }
    }
}

/// As the image's own check asks; the same file and environment say how the executor speaks.
fn scheme(engine: &Engine, name: &str) -> Result<Option<&'static str>, Failure> {
    let answer = engine.ask(&["exec", name, "codemode", "health", "--config", CONFIGURATION])?;
    Ok(match answer.stdout.strip_prefix("serving: ") {
        Some(url) if answer.succeeded => Some(if url.starts_with("https://") { "https" } else { "http" }),
        _ => None,
    })
}

fn last_words(engine: &Engine, name: &str, what: &str) -> Failure {
    let logged = engine.ask(&["logs", "--tail", LAST_LINES, name]).map(|answer| answer.stdout + &answer.stderr);
    let lines: String = logged.unwrap_or_default().lines().map(|line| format!("\n  {line}")).collect();
    Failure::unavailable(format!("the executor in {name} {what}; the last lines of its log:{lines}"))
}
