//! `codemode docker status` and `codemode docker env`.

use std::{fmt::Write as _, path::Path, process::ExitCode};

use serde_json::{Value, json};

use super::{
    container::{Container, command, missing},
    engine::Engine,
    serving::Serving,
};
use crate::{
    args::StatusArgs,
    exit::{self, Failure},
    init::word,
};

const NOT_SERVING: u8 = 1;
const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");
const VERSION_LABEL: &str = "org.opencontainers.image.version";

pub(super) fn status(args: &StatusArgs) -> Result<ExitCode, Failure> {
    let name = &args.container.name;
    let engine = Engine::connect()?;
    let container = Container::ours(&engine, name)?;
    let serving = match &container {
        Some(container) if container.runs() => Serving::of(&engine, name, container)?,
        _ => None,
    };
    let found = container.as_ref().map(|container| Found { name, container, serving: serving.as_ref() });
    match (&found, args.json) {
        (Some(found), true) => exit::print(&format!("{:#}\n", found.document()))?,
        (None, true) => exit::print(&format!("{:#}\n", absent(name)))?,
        (Some(found), false) => exit::print(&format!("{name}: {}\n{}", found.headline(), found.lines()))?,
        (None, false) => return Err(missing(name)),
    };
    Ok(if serving.is_some() { ExitCode::SUCCESS } else { ExitCode::from(NOT_SERVING) })
}

pub(super) fn env(name: &str) -> Result<ExitCode, Failure> {
    let engine = Engine::connect()?;
    let container = Container::ours(&engine, name)?.ok_or_else(|| missing(name))?;
    let not_serving = |why: &str| Failure { exit: NOT_SERVING, message: format!("{name} {why}") };
    if !container.runs() {
        return Err(not_serving(&format!("does not run; start it with `{}`", command("start", name))));
    }
    let serving = Serving::of(&engine, name, &container)?;
    let more = || not_serving(&format!("does not serve; `{}` shows more", command("status", name)));
    let serving = serving.ok_or_else(more)?;
    let exports = Found { name, container: &container, serving: Some(&serving) }.exports();
    exit::print(&exports.ok_or_else(|| not_serving("publishes no port of this machine"))?)
}

/// As much as a document of one that is there has.
fn absent(name: &str) -> Value {
    json!({
        "name": name, "state": "absent", "exit_code": null, "health": null, "serving": false, "address": null,
        "api_key_file": null, "tier": null, "image": null, "version": null, "command_version": OWN_VERSION,
    })
}

/// A container of ours, and what the executor in it says.
pub(super) struct Found<'a> {
    pub(super) name: &'a str,
    pub(super) container: &'a Container,
    pub(super) serving: Option<&'a Serving>,
}

impl Found<'_> {
    /// The executor's own word, else what its image was labelled with.
    fn version(&self) -> Option<&str> {
        let own = self.serving.and_then(|serving| serving.version.as_deref());
        own.or_else(|| self.container.label(VERSION_LABEL))
    }

    fn url(&self) -> Option<&str> {
        self.serving?.url.as_deref()
    }

    fn headline(&self) -> String {
        match (self.serving, self.container.exit_code()) {
            (Some(_), _) => "serving".into(),
            (None, Some(code)) => format!("stopped, with exit code {code}"),
            (None, None) if self.container.runs() => {
                format!("running, and does not serve; docker logs {} says why", self.name)
            }
            (None, None) => self.container.state.status.clone(),
        }
    }

    pub(super) fn lines(&self) -> String {
        let mut text = String::new();
        let version = match self.version() {
            Some(OWN_VERSION) => OWN_VERSION.to_owned(),
            Some(other) => format!(
                "{other}, and this command is {OWN_VERSION}: `codemode docker build`, remove the container and start it"
            ),
            None => "unknown: the image was not made by `codemode docker build`".to_owned(),
        };
        let rows = [
            ("address", self.url()),
            ("tier", self.serving.and_then(|serving| serving.tier.as_deref())),
            ("image", Some(self.container.image())),
            ("version", Some(&version)),
        ];
        for (name, value) in rows {
            if let Some(value) = value {
                let _ = writeln!(text, "  {name:<9}{value}");
            }
        }
        text
    }

    /// For a shell.
    pub(super) fn exports(&self) -> Option<String> {
        let mut text = format!("export CODEMODE_EXECUTOR_URL={}\n", word(Path::new(self.url()?)));
        if let Some(file) = self.container.key_file() {
            let _ = writeln!(text, "export CODEMODE_EXECUTOR_API_KEY_FILE={}", word(Path::new(file)));
        }
        Some(text)
    }

    fn document(&self) -> Value {
        json!({
            "name": self.name,
            "state": self.container.state.status,
            "exit_code": self.container.exit_code(),
            "health": self.container.health(),
            "serving": self.serving.is_some(),
            "address": self.url(),
            "api_key_file": self.container.key_file(),
            "tier": self.serving.and_then(|serving| serving.tier.as_deref()),
            "image": self.container.image(),
            "version": self.version(),
            "command_version": OWN_VERSION,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(state: &str, code: i64, host: &str) -> Container {
        let ports = json!({"8001/tcp": [{"HostIp": host, "HostPort": "8002"}], "9/tcp": null});
        let document = json!({
            "Name": "/n",
            "State": {"Status": state, "ExitCode": code, "Health": {"Status": "healthy", "Log": null}},
            "Config": {"Image": "codemode/executor:latest", "Labels": {VERSION_LABEL: "0.0.1"}},
            "Mounts": [{"Type": "bind", "Source": "/home/a b/api_key", "Destination": "/run/secrets/codemode_api_key"}],
            "NetworkSettings": {"Ports": if state == "running" { ports } else { json!({}) }},
        });
        serde_json::from_value(document).unwrap()
    }

    fn serving(container: &Container) -> Serving {
        let url = container.published().map(|address| format!("http://{address}"));
        Serving { url, tier: Some("full".into()), version: Some(OWN_VERSION.into()) }
    }

    fn found<'a>(container: &'a Container, serving: Option<&'a Serving>) -> Found<'a> {
        Found { name: "n", container, serving }
    }

    #[test]
    fn one_that_serves() {
        let container = container("running", 0, "127.0.0.1");
        let serving = serving(&container);
        let found = found(&container, Some(&serving));
        insta::assert_snapshot!(format!("{}\n{}", found.headline(), found.lines()), @r"
        serving
          address  http://127.0.0.1:8002
          tier     full
          image    codemode/executor:latest
          version  0.1.0
        ");
        insta::assert_snapshot!(found.exports().unwrap(), @r"
        export CODEMODE_EXECUTOR_URL=http://127.0.0.1:8002
        export CODEMODE_EXECUTOR_API_KEY_FILE='/home/a b/api_key'
        ");
        insta::assert_snapshot!(format!("{:#}", found.document()));
        let keys = |document: Value| document.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(absent("n")), keys(found.document()));
    }

    #[test]
    fn one_that_does_not() {
        let running = container("running", 0, "127.0.0.1");
        insta::assert_snapshot!(found(&running, None).headline(), @"running, and does not serve; docker logs n says why");
        let stopped = container("exited", 143, "");
        let found = found(&stopped, None);
        insta::assert_snapshot!(format!("{}\n{}", found.headline(), found.lines()), @r"
        stopped, with exit code 143
          image    codemode/executor:latest
          version  0.0.1, and this command is 0.1.0: `codemode docker build`, remove the container and start it
        ");
        assert!(found.exports().is_none() && stopped.health().is_none());
    }

    #[test]
    fn the_address_is_one_that_answers() {
        for (host, address) in [
            ("0.0.0.0", "127.0.0.1:8002"),
            ("", "127.0.0.1:8002"),
            ("::", "[::1]:8002"),
            ("::1", "[::1]:8002"),
            ("192.0.2.7", "192.0.2.7:8002"),
        ] {
            assert_eq!(container("running", 0, host).published().unwrap(), address);
        }
        assert!(container("exited", 0, "").published().is_none());
    }
}
