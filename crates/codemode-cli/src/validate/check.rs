//! One file, as its sides would read it.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
};

use codemode_client::config::{
    ClientConfig, ClientSources, ConfigError, Effective, Side, SidecarConfig, unknown_variables,
};
use codemode_server::{
    ListenError, Tls,
    config::{ListenAddress, Sources},
};
use codemode_types::Problem;

use super::{finding::Finding, summary};
use crate::environment;

/// What stands around the files.
pub(super) struct Surroundings {
    pub(super) environment: BTreeMap<String, String>,
    /// Whether that is left out, `.env` as well: then nobody knows what a variable holds.
    pub(super) alone: bool,
    /// Whether the values are wanted, so that each must be known.
    pub(super) show: bool,
}

pub(super) struct Checked {
    pub(super) file: PathBuf,
    pub(super) sides: Vec<Side>,
    pub(super) problems: Vec<Finding>,
    pub(super) warnings: Vec<Finding>,
    /// In a line, for each side that could read it.
    pub(super) summaries: Vec<String>,
    pub(super) effective: Vec<(Side, Vec<Effective>)>,
}

impl Checked {
    pub(super) fn is_valid(&self) -> bool {
        self.problems.is_empty()
    }

    fn read<T>(&mut self, read: Result<T, ConfigError>) -> Option<T> {
        read.map_err(|error| self.note(error)).ok()
    }

    /// Both sides may find the same.
    fn note(&mut self, error: ConfigError) {
        let told = self.problems.clone();
        let new = Finding::of(error).into_iter().filter(|found| !told.iter().any(|it| it.is_about(found)));
        self.problems.extend(new);
    }
}

pub(super) fn check(file: PathBuf, side: Option<Side>, around: &Surroundings) -> Checked {
    let (problems, warnings, summaries, effective) = <_>::default();
    let mut checked = Checked { file, sides: Vec::new(), problems, warnings, summaries, effective };
    if checked.file.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        checked.problems.push(Finding::about(&checked.file, "is no regular file, which can be read more than once"));
        return checked;
    }
    let sides = side.map_or_else(|| Side::of_file(&checked.file), |side| Ok(vec![side]));
    checked.sides = checked.read(sides).unwrap_or_default();
    let dotenv = (!around.alone).then(|| environment::dotenv(&checked.file));
    for side in checked.sides.clone() {
        match side {
            Side::Client => client(&mut checked, around, dotenv.as_deref()),
            Side::Sidecar => sidecar(&mut checked, around, dotenv.as_deref()),
        }
    }
    if around.alone && !around.show {
        let (needs, problems) = std::mem::take(&mut checked.problems).into_iter().partition(|it| it.needs_variable);
        checked.problems = problems;
        checked.warnings.extend::<Vec<_>>(needs);
    }
    let unknown = unknown_variables(&around.environment, dotenv.as_ref(), Some(&checked.file));
    checked.warnings.extend(unknown.into_iter().map(|variable| Finding::from(variable.problem)));
    if !checked.is_valid() {
        // What one side could read is no answer where the other could not.
        (checked.summaries, checked.effective) = <_>::default();
    }
    checked
}

fn client(checked: &mut Checked, around: &Surroundings, dotenv: Option<&Path>) {
    let sources = ClientSources {
        file: Some(checked.file.clone()),
        environment: around.environment.clone(),
        dotenv: dotenv.map(Path::to_owned),
        ..ClientSources::default()
    };
    let Some(config) = checked.read(ClientConfig::load(&sources)) else { return };
    // Where a file is for both, what it leaves to a client may be somebody else's.
    if checked.sides == [Side::Client]
        && let Err(error) = config.check_embedded()
    {
        return checked.note(error);
    }
    checked.summaries.push(summary::of_client(&config));
    checked.effective.push((Side::Client, config.effective()));
}

/// With the files of its certificates, as `codemode serve` reads them before anything else.
fn sidecar(checked: &mut Checked, around: &Surroundings, dotenv: Option<&Path>) {
    let sources = Sources {
        file: Some(checked.file.clone()),
        environment: around.environment.clone(),
        dotenv: dotenv.map(Path::to_owned),
        ..Sources::default()
    };
    let Some(config) = checked.read(SidecarConfig::load(&sources)) else { return };
    if !around.alone {
        checked.warnings.extend(refused_to_listen(&config));
    }
    let tls = config.tls.clone().map(Tls::load).transpose();
    if checked.read(tls).is_some() {
        checked.summaries.push(summary::of_sidecar(&config));
        checked.effective.push((Side::Sidecar, config.effective()));
    }
}

/// Why `codemode serve` would not open this port. Names are not looked up.
fn refused_to_listen(config: &SidecarConfig) -> Option<Finding> {
    let ListenAddress::Tcp { host, .. } = &config.listen else { return None };
    if host.parse::<IpAddr>().ok()?.is_loopback() {
        return None;
    }
    let address = config.listen.clone();
    let refusal = match (config.api_keys.0.is_empty(), config.tls_required && config.tls.is_none()) {
        (true, _) => ListenError::KeyRequired { address },
        (false, true) => ListenError::TlsRequired { address },
        (false, false) => return None,
    };
    Some(Finding::from(Problem::new("`codemode serve` would not start", refusal.to_string())))
}
