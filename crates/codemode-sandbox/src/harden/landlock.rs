//! The executor's own Landlock domain, which sandboxes are inside of and add theirs to.
//!
//! In tier full it holds the network and the reach of signals, never files: a domain over files forbids every mount for
//! good, and the zygote mounts. In tier container nobody mounts, and files are part of it.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
};

use landlock::{
    ABI, Access, AccessNet, CompatLevel, Compatible, NetPort, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr,
    RulesetStatus, Scope,
};
use rustix::{
    io::Errno,
    mount::{MountPropagationFlags, mount_change},
    process::{getppid, test_kill_process},
};

use super::{
    HardenError, Needs, Step,
    files::{self, Files},
};
use crate::{
    apply::removed::{Wall, is_removed},
    plan::Means,
    probe::{LayerReport, LayerStatus},
    sys::{self, CloneFlags},
};

const NAME: &str = "landlock";
const WHY: &str = "an executor that is taken over gets no further than a sandbox's work needs";

/// The first ABI that knows TCP ports (Linux 6.7), and that which knows scopes (6.12).
const KNOWS_PORTS: i32 = 4;
const KNOWS_SCOPES: i32 = 6;

/// Where the executor may connect to over TCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Nowhere, or to one port only: sandboxes have no network. It listens on this port, and on free ones for its
    /// self-test.
    Inward { port: Option<u16>, dials: Option<u16> },
    /// Anywhere: it connects for its sandboxes, or they do. Which of the rest may listen is a sandbox's own wall's business.
    Outward,
}

/// What of it this kernel and this tier have.
#[derive(Clone, Copy, Debug)]
struct Domain<'a> {
    ports: Option<Ports>,
    scopes: bool,
    files: Option<&'a Files>,
}

/// Those that may be had, besides free ones to listen on.
#[derive(Clone, Copy, Debug)]
struct Ports {
    listens: Option<u16>,
    dials: Option<u16>,
}

pub(super) fn restrict(needs: &Needs) -> Result<LayerReport, HardenError> {
    let failed = |what: &dyn std::fmt::Display| HardenError::new(Step::Landlock, what);
    let absent = |why: String| Ok(LayerReport { name: NAME, status: LayerStatus::Optional(why), why: WHY });
    if is_removed(Wall::Landlock) {
        return absent("removed".into());
    }
    let abi = sys::landlock_abi();
    let domain = Domain::of(needs, abi);
    if domain.is_empty() {
        return absent(format!("ABI {abi} has nothing to give up here"));
    }
    let ruleset = domain.build().map_err(|error| failed(&error))?;
    if needs.means != Means::Container && forbids_mounts(needs.means, &domain).map_err(|error| failed(&error))? {
        return absent(
            "this kernel allows no mount in a domain of any kind, and sandboxes are made with mounts".into(),
        );
    }
    enter(ruleset).map_err(|error| failed(&error))?;
    domain.holds().map_err(|error| failed(&error))?;
    Ok(super::report(NAME, domain.state(), WHY))
}

fn enter(ruleset: RulesetCreated) -> Result<(), String> {
    match ruleset.restrict_self() {
        Ok(status) if status.ruleset == RulesetStatus::FullyEnforced && status.no_new_privs => Ok(()),
        Ok(status) => Err(format!("the kernel says {:?}", status.ruleset)),
        Err(error) => Err(error.to_string()),
    }
}

/// Tried, not assumed: by a child in namespaces of its own that enters the domain first.
fn forbids_mounts(means: Means, domain: &Domain<'_>) -> io::Result<bool> {
    let namespaces = match means {
        Means::UserNamespace => CloneFlags::USER.and(CloneFlags::MOUNT),
        Means::Root | Means::Container => CloneFlags::MOUNT,
    };
    let mounts = || mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).is_ok();
    let inside = sys::ask_child(namespaces, || {
        let entered = domain.build().is_ok_and(|ruleset| enter(ruleset).is_ok());
        // Why it cannot be entered, the caller is about to see for itself.
        !entered || mounts()
    })?;
    // Where it cannot be done outside either, the zygote will say why.
    Ok(!inside && sys::ask_child(namespaces, mounts)?)
}

impl<'a> Domain<'a> {
    fn of(needs: &'a Needs, abi: i32) -> Self {
        let ports = match &needs.reach {
            Reach::Inward { port, dials } if abi >= KNOWS_PORTS => Some(Ports { listens: *port, dials: *dials }),
            Reach::Inward { .. } | Reach::Outward => None,
        };
        let files = needs.files.as_ref().filter(|_| needs.means == Means::Container);
        Self { ports, scopes: abi >= KNOWS_SCOPES, files }
    }

    const fn is_empty(&self) -> bool {
        self.ports.is_none() && !self.scopes && self.files.is_none()
    }

    /// On a kernel that knows more, exactly these rights all the same.
    fn build(&self) -> Result<RulesetCreated, files::RuleError> {
        let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        if self.ports.is_some() {
            ruleset = ruleset.handle_access(AccessNet::from_all(ABI::V4))?;
        }
        if self.scopes {
            ruleset = ruleset.scope(Scope::AbstractUnixSocket | Scope::Signal)?;
        }
        if self.files.is_some() {
            ruleset = ruleset.handle_access(files::handled())?;
        }
        let mut ruleset = ruleset.create()?;
        if let Some(Ports { listens, dials }) = self.ports {
            // 0: a free one.
            for port in [Some(0), listens].into_iter().flatten() {
                ruleset = ruleset.add_rule(NetPort::new(port, AccessNet::BindTcp))?;
            }
            if let Some(port) = dials {
                ruleset = ruleset.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
            }
        }
        match self.files {
            Some(files) => files.allow(ruleset),
            None => Ok(ruleset),
        }
    }

    /// What must fail now is tried.
    fn holds(&self) -> Result<(), String> {
        if let Some(Ports { listens, dials }) = self.ports {
            let is_shut = |port: &u16| ![listens, dials].contains(&Some(*port));
            let shut = (u16::MAX - 2..=u16::MAX).rev().find(is_shut).unwrap_or(u16::MAX);
            for host in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
                ports_shut(SocketAddr::from((host, shut)))?;
            }
        }
        // A container's first process has no parent that it sees.
        if let Some(parent) = getppid().filter(|_| self.scopes) {
            refused("a signal to its parent", test_kill_process(parent).err().map(Into::into), Errno::PERM)?;
        }
        match self.files {
            Some(_) => files::holds(),
            None => Ok(()),
        }
    }

    fn state(&self) -> String {
        let ports = self.ports.map(|Ports { listens, dials }| {
            let out = dials.map(|port| format!(" but to port {port}")).unwrap_or_default();
            match listens {
                Some(port) if port != 0 => format!("no TCP connection out{out}, port {port} and free ones in"),
                _ => format!("no TCP connection out{out}, free ports in"),
            }
        });
        let scopes = self.scopes.then(|| "no signal and no abstract socket out".to_owned());
        ports.into_iter().chain(scopes).chain(self.files.map(Files::state)).collect::<Vec<_>>().join("; ")
    }
}

fn ports_shut(address: SocketAddr) -> Result<(), String> {
    let connected = TcpStream::connect(address).err();
    if connected.as_ref().is_some_and(|error| error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())) {
        // This machine has no such network at all.
        return Ok(());
    }
    refused("a connection", connected, Errno::ACCESS)?;
    refused("a port of its choice", TcpListener::bind(address).err(), Errno::ACCESS)
}

pub(super) fn refused(what: &str, error: Option<io::Error>, by: Errno) -> Result<(), String> {
    match error {
        Some(error) if error.raw_os_error() == Some(by.raw_os_error()) => Ok(()),
        Some(error) => Err(format!("{what}: refused, but with {error}")),
        None => Err(format!("{what} was allowed")),
    }
}
