//! What a sandbox is told of its network: the files and variables that programs look at.

use std::{fs, path::PathBuf};

use codemode_types::{NetworkMode, NetworkPolicy, PROXY_PORT};
use codemode_wire::zygote::Network;
use serde::{Deserialize, Serialize};

use super::{Means, PlanError};

/// Names of the files below /etc, each a link to the cell's own.
pub(crate) const FILES: [&str; 3] = ["nsswitch.conf", "hosts", "resolv.conf"];

const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n";
const FILES_ONLY: &str = "passwd: files\ngroup: files\nhosts: files\n";
const FILES_AND_DNS: &str = "passwd: files\ngroup: files\nhosts: files dns\n";

/// Where a bundle of the policy is to be found inside.
const CA_FILE: &str = "/etc/codemode-ca.pem";

/// Read by OpenSSL, requests, curl, pip, git and node, in this order.
const CA_VARIABLES: [&str; 6] =
    ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS"];

/// Of the daemon's own network, as it was at the start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NetworkPlan {
    /// The widest that a sandbox of this plan may have.
    pub mode: NetworkMode,
    hosts: String,
    resolver: String,
}

/// A bundle that programs inside are to trust.
#[derive(Debug)]
pub(super) struct Trust {
    pub(super) variables: Vec<(String, String)>,
    /// To be made in the sandbox.
    pub(super) file: Option<(PathBuf, String)>,
    /// Where nothing can be made: to be read where it is.
    pub(super) readable: Option<PathBuf>,
}

/// What of /etc every sandbox of a plan has.
#[derive(Debug)]
pub(super) struct Etc {
    /// Link → target.
    pub(super) links: Vec<(PathBuf, PathBuf)>,
    pub(super) files: Vec<(PathBuf, String)>,
}

impl NetworkPlan {
    pub(super) fn of(policy: &NetworkPolicy) -> Self {
        let own = |path| match policy.mode {
            NetworkMode::All => fs::read_to_string(path).unwrap_or_default(),
            NetworkMode::None | NetworkMode::Restricted => String::new(),
        };
        Self { mode: policy.mode, hosts: own("/etc/hosts"), resolver: own("/etc/resolv.conf") }
    }

    /// The texts of [`FILES`].
    pub(crate) fn texts(&self, network: &Network) -> [&str; 3] {
        match network {
            Network::None => [FILES_ONLY, HOSTS, ""],
            Network::Restricted { .. } => [FILES_AND_DNS, HOSTS, "nameserver 127.0.0.1\noptions use-vc\n"],
            Network::All => [FILES_AND_DNS, &self.hosts, &self.resolver],
        }
    }
}

/// Links and files below /etc of every sandbox of the plan: without a network they are the same for all.
pub(super) fn etc(plan: &NetworkPlan) -> Etc {
    let path = |folder: &str, name: &str| PathBuf::from(format!("{folder}/{name}"));
    match plan.mode {
        NetworkMode::None => {
            let texts = [FILES_ONLY, HOSTS].map(str::to_owned);
            Etc { links: Vec::new(), files: FILES.iter().map(|name| path("/etc", name)).zip(texts).collect() }
        }
        NetworkMode::Restricted | NetworkMode::All => {
            let links = FILES.iter().map(|name| (path("/etc", name), path("/run", name)));
            Etc { links: links.collect(), files: Vec::new() }
        }
    }
}

/// Variables of a sandbox with that network, besides those that every sandbox has.
pub fn environment(network: &Network) -> Vec<(&'static str, String)> {
    if !network.is_restricted() {
        return Vec::new();
    }
    let proxy = format!("http://127.0.0.1:{PROXY_PORT}");
    // curl heeds http_proxy in lower case only, others look for the upper case.
    ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
        .into_iter()
        .map(|name| (name, proxy.clone()))
        // The C library asks by TCP also where it cannot read resolv.conf; node uses the proxy when told to.
        .chain([("RES_OPTIONS", "use-vc".to_owned()), ("NODE_USE_ENV_PROXY", "1".to_owned())])
        .collect()
}

pub(super) fn trust(policy: &NetworkPolicy, means: Means) -> Result<Trust, PlanError> {
    let Some(path) = &policy.ca_file else {
        return Ok(Trust { variables: Vec::new(), file: None, readable: None });
    };
    let failed = |source| PlanError::CaFile { path: path.clone(), source };
    let text = fs::read_to_string(path).map_err(failed)?;
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        let source = std::io::Error::new(std::io::ErrorKind::InvalidData, "no PEM certificate in it");
        return Err(failed(source));
    }
    let (inside, file, readable) = match means {
        Means::Container => {
            let real = path.canonicalize().map_err(failed)?;
            (real.clone(), None, Some(real))
        }
        Means::Root | Means::UserNamespace => (CA_FILE.into(), Some((PathBuf::from(CA_FILE), text)), None),
    };
    let variable = |name: &str| (name.to_owned(), inside.to_string_lossy().into_owned());
    Ok(Trust { variables: CA_VARIABLES.iter().map(|name| variable(name)).collect(), file, readable })
}

/// What the code may read of the container's own /etc, where it has the container's own network.
pub(crate) const READABLE_IN_CONTAINER: [&str; 5] =
    ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf"];

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(mode: NetworkMode) -> NetworkPlan {
        NetworkPlan::of(&NetworkPolicy { mode, ..NetworkPolicy::default() })
    }

    #[test]
    fn without_a_network_no_program_asks_for_names() {
        let Etc { links, files } = etc(&plan(NetworkMode::None));
        assert!(links.is_empty());
        assert!(files.iter().all(|(path, text)| path.starts_with("/etc") && !text.contains("dns")));
        assert!(environment(&Network::None).is_empty());
    }

    #[test]
    fn a_restricted_sandbox_is_told_of_the_proxy_and_of_no_other_resolver() {
        let network = Network::Restricted { ports: vec![443] };
        for mode in [NetworkMode::Restricted, NetworkMode::All] {
            let [_, _, resolver] = plan(mode).texts(&network).map(str::to_owned);
            assert_eq!(resolver, "nameserver 127.0.0.1\noptions use-vc\n");
        }
        let variables = environment(&network);
        for name in ["http_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
            assert!(variables.contains(&(name, "http://127.0.0.1:3128".into())), "{name}");
        }
    }
}
