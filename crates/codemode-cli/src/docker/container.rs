//! A container as the engine describes it, and whether it is one of ours.

use std::{collections::BTreeMap, net::IpAddr};

use serde::Deserialize;

use super::engine::Engine;
use crate::{args::CONTAINER, exit::Failure};

/// On every container that `codemode docker start` makes, with the options that it was made with.
pub(super) const LABEL: &str = "codemode.docker.start";
/// The port within.
pub(super) const PORT: u16 = 8001;
/// Within, too.
pub(super) const KEY: &str = "/run/secrets/codemode_api_key";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Container {
    name: String,
    pub(super) state: State,
    config: Config,
    mounts: Vec<Mount>,
    network_settings: NetworkSettings,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct State {
    /// created, running, paused, restarting, removing, exited or dead.
    pub(super) status: String,
    exit_code: i64,
    health: Option<Health>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Health {
    status: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    image: String,
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mount {
    source: String,
    destination: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkSettings {
    ports: Option<BTreeMap<String, Option<Vec<Published>>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Published {
    host_ip: String,
    host_port: String,
}

impl Container {
    /// The one of this name, whoever made it.
    pub(super) fn find(engine: &Engine, name: &str) -> Result<Option<Self>, Failure> {
        let answer = engine.ask(&["container", "inspect", name])?;
        if !answer.succeeded && answer.stderr.to_lowercase().contains("no such container") {
            return Ok(None);
        }
        if !answer.succeeded {
            return Err(Failure::unavailable(format!(
                "docker: cannot look at the container {name}: {}",
                answer.reason()
            )));
        }
        let found: Vec<Self> = serde_json::from_str(&answer.stdout)
            .map_err(|error| Failure::unavailable(format!("docker: cannot read what it says of {name}: {error}")))?;
        // The engine takes the beginning of an id for a name as well.
        Ok(found.into_iter().find(|container| container.name.trim_start_matches('/') == name))
    }

    /// Ours of this name. Others' are never touched.
    pub(super) fn ours(engine: &Engine, name: &str) -> Result<Option<Self>, Failure> {
        match Self::find(engine, name)? {
            Some(container) if container.label(LABEL).is_none() => Err(Failure::usage(format!(
                "the container {name} was not made by `codemode docker start` and stays as it is; choose another --name"
            ))),
            found => Ok(found),
        }
    }

    pub(super) fn label(&self, name: &str) -> Option<&str> {
        self.config.labels.as_ref()?.get(name).map(String::as_str)
    }

    pub(super) fn runs(&self) -> bool {
        self.state.status == "running"
    }

    pub(super) fn image(&self) -> &str {
        &self.config.image
    }

    /// What the image's own check found last, where it runs.
    pub(super) fn health(&self) -> Option<&str> {
        self.state.health.as_ref().filter(|_| self.runs()).map(|health| health.status.as_str())
    }

    pub(super) fn exit_code(&self) -> Option<i64> {
        (self.state.status == "exited").then_some(self.state.exit_code)
    }

    /// Where the host reaches it, preferably on loopback.
    pub(super) fn published(&self) -> Option<String> {
        let ports = self.network_settings.ports.as_ref()?.get(&format!("{PORT}/tcp"))?.as_ref()?;
        let loopback = |it: &&Published| it.host_ip.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        let port = ports.iter().find(loopback).or_else(|| ports.first())?;
        Some(match port.host_ip.parse() {
            Ok(IpAddr::V6(ip)) if ip.is_unspecified() => format!("[::1]:{}", port.host_port),
            Ok(IpAddr::V6(ip)) => format!("[{ip}]:{}", port.host_port),
            Ok(IpAddr::V4(ip)) if !ip.is_unspecified() => format!("{ip}:{}", port.host_port),
            _ => format!("127.0.0.1:{}", port.host_port),
        })
    }

    /// The file on the host that holds its key.
    pub(super) fn key_file(&self) -> Option<&str> {
        self.mounts.iter().find(|mount| mount.destination == KEY).map(|mount| mount.source.as_str())
    }
}

/// The subcommand for this container and no other: people copy what a message advises.
pub(super) fn command(words: &str, name: &str) -> String {
    match name == CONTAINER {
        true => format!("codemode docker {words}"),
        false => format!("codemode docker {words} --name {name}"),
    }
}

pub(super) fn missing(name: &str) -> Failure {
    Failure { exit: 1, message: format!("there is no container {name}; make it with `{}`", command("start", name)) }
}
