//! How the executor is confined from outside. deploy/compose/hardened.yml says it, for compose and for `docker create`.

use std::path::Path;

use serde::{Deserialize, de::IgnoredAny};

use crate::exit::Failure;

pub(super) const COMPOSE: &str = include_str!("../../../../deploy/compose/hardened.yml");
pub(super) const SECCOMP: &str = include_str!("../../../../deploy/docker/seccomp.json");
/// Where the compose file has the profile.
pub(super) const SECCOMP_IN_COMPOSE: &str = "seccomp:../docker/seccomp.json";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Project {
    services: Services,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Services {
    executor: Service,
}

/// Every key of it: one that is not named here would hold in compose alone, so it is refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Service {
    user: String,
    cap_drop: Vec<String>,
    security_opt: Vec<String>,
    read_only: bool,
    tmpfs: Vec<String>,
    deploy: Deploy,
    pids_limit: u32,
    stop_grace_period: String,
    restart: String,
    // The start's own options.
    #[serde(rename = "image")]
    _image: IgnoredAny,
    #[serde(rename = "environment")]
    _environment: IgnoredAny,
    #[serde(rename = "volumes")]
    _volumes: IgnoredAny,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Deploy {
    resources: Resources,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Resources {
    limits: Limits,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    cpus: String,
    memory: String,
}

#[derive(Debug)]
pub(super) struct Hardening(Service);

impl Hardening {
    pub(super) fn load() -> Result<Self, Failure> {
        let read: Result<Project, _> = serde_saphyr::from_str(COMPOSE);
        // A test reads the same text.
        read.map(|project| Self(project.services.executor))
            .map_err(|error| Failure::unavailable(format!("the compose file of this build is malformed: {error}")))
    }

    /// `UID:GID` where the caller is root: what compose takes where its variable is not set.
    pub(super) fn user(&self) -> &str {
        self.0.user.split_once(":-").map_or(self.0.user.as_str(), |(_, user)| user.trim_end_matches('}'))
    }

    /// For a container that stays; one that goes by itself takes none.
    pub(super) fn restart(&self) -> String {
        format!("--restart={}", self.0.restart)
    }

    /// As many as the file says; an engine refuses more than it has.
    pub(super) fn cpus(&self, processors: u32) -> String {
        let limit = &self.0.deploy.resources.limits.cpus;
        match limit.parse::<f64>() {
            Ok(most) if most > f64::from(processors) => processors.to_string(),
            _ => limit.clone(),
        }
    }

    pub(super) fn memory(&self) -> &str {
        &self.0.deploy.resources.limits.memory
    }

    /// The options of `docker create`.
    pub(super) fn options(&self, seccomp: &Path, memory: &str, cpus: &str) -> Vec<String> {
        let service = &self.0;
        let mut options = Vec::new();
        let mut add = |name: &str, value: &str| options.extend([name.to_owned(), value.to_owned()]);
        service.cap_drop.iter().for_each(|capability| add("--cap-drop", capability));
        for option in &service.security_opt {
            match option == SECCOMP_IN_COMPOSE {
                true => add("--security-opt", &format!("seccomp={}", seccomp.display())),
                false => add("--security-opt", option),
            }
        }
        service.tmpfs.iter().for_each(|mount| add("--tmpfs", mount));
        add("--memory", memory);
        add("--cpus", cpus);
        add("--pids-limit", &service.pids_limit.to_string());
        add("--stop-timeout", service.stop_grace_period.trim_end_matches('s'));
        options.extend(service.read_only.then(|| "--read-only".to_owned()));
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_are_those_of_the_compose_file() {
        let hardening = Hardening::load().unwrap();
        insta::assert_snapshot!(hardening.user(), @"10001:10001");
        let options = hardening.options(Path::new("/k/seccomp.json"), hardening.memory(), &hardening.cpus(4));
        insta::assert_snapshot!(options.join(" ").replace(" --", "\n--"));
        insta::assert_snapshot!(hardening.restart(), @"--restart=unless-stopped");
        assert_eq!([1, 2].map(|processors| hardening.cpus(processors)), ["1", "2.0"]);
    }
}
