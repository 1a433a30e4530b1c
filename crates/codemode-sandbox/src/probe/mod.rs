//! What this machine, as this user, can hold: asked of the kernel, not of the configuration.

mod layers;
mod promises;

use codemode_types::{MinimumTier, NetworkMode, Policy, Tier};
use rustix::process::geteuid;
use thiserror::Error;

use crate::{plan::Means, sys};

/// The answer for one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerStatus {
    Found(String),
    /// Not there; something named and weaker does its work.
    Substituted(String),
    /// Not there, and nothing stands in: the tier is out of reach.
    Missing(String),
    /// Not there, and not needed: hardening that this kernel lacks.
    Optional(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerReport {
    pub name: &'static str,
    pub status: LayerStatus,
    /// What it stops.
    pub why: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The best tier that holds here.
    pub tier: Option<Tier>,
    /// Walls are built through a user namespace, not as root.
    pub rootless: bool,
    pub layers: Vec<LayerReport>,
}

/// Why the daemon refuses to start. Nothing degrades silently.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ProbeError {
    #[error(
        "no isolation tier holds here; missing: {0}. Ways out, on Linux 6.2 or newer with Landlock: for tier full, root \
         with CAP_SYS_ADMIN or a user who may create user namespaces (in a container: the seccomp profile in \
         deploy/docker); for tier container, uid 0 with CHOWN, SETUID and SETGID. `codemode doctor` shows each layer"
    )]
    NoTier(String),
    #[error("isolation.minimum is {minimum} but only tier {found} holds here; `codemode doctor` shows why")]
    BelowMinimum { minimum: Tier, found: Tier },
    #[error("isolation.require names {layer}, which is {state} here; `codemode doctor` shows why")]
    Required { layer: String, state: String },
    #[error(
        "network.mode restricted cannot be held in tier container here: the kernel has no user notification of system \
         calls (seccomp). Set it to none, or use tier full"
    )]
    NoBroker,
    #[error("isolation.require names `{0}`, which is no layer; known: {1}")]
    UnknownLayer(String, String),
}

/// Asks the kernel. Changes nothing; makes one short-lived process.
pub fn probe() -> Probe {
    // A parent that ignores its children's ends leaves us ignoring ours, and there would be nothing to wait for.
    sys::heed_children();
    let rootless = !geteuid().is_root();
    let layers = layers::all(rootless);
    let tier = [Tier::Full, Tier::Container].into_iter().find(|tier| holds(*tier, &layers));
    Probe { tier, rootless, layers: for_tier(tier, layers) }
}

/// What only one of the tiers stands on.
fn belongs_to(layer: &LayerReport) -> Option<Tier> {
    match layer.name {
        layers::NAMESPACES | layers::PROC => Some(Tier::Full),
        layers::WARDEN | layers::QUOTA => Some(Tier::Container),
        _ => None,
    }
}

fn holds(tier: Tier, layers: &[LayerReport]) -> bool {
    let needed = layers.iter().filter(|layer| belongs_to(layer).is_none_or(|only| only == tier));
    needed.into_iter().all(|layer| !matches!(layer.status, LayerStatus::Missing(_)))
}

/// Leaves out what another tier than the one found would stand on; with none, everything is shown.
fn for_tier(tier: Option<Tier>, layers: Vec<LayerReport>) -> Vec<LayerReport> {
    match tier {
        Some(Tier::Full) => layers.into_iter().filter(|layer| belongs_to(layer) != Some(Tier::Container)).collect(),
        // Why tier full is out of reach is worth knowing.
        Some(Tier::Container) => layers.into_iter().filter(|layer| layer.name != layers::PROC).collect(),
        None => layers,
    }
}

impl Probe {
    /// Whether the policy can be enforced here, whole.
    pub fn check(&self, policy: &Policy) -> Result<(), ProbeError> {
        let Some(tier) = self.tier else {
            return Err(ProbeError::NoTier(self.missing().collect::<Vec<_>>().join("; ")));
        };
        let minimum = match policy.isolation.minimum {
            MinimumTier::None => None,
            minimum => minimum.tier(),
        };
        if let Some(minimum) = minimum.filter(|minimum| tier < *minimum) {
            return Err(ProbeError::BelowMinimum { minimum, found: tier });
        }
        for required in &policy.isolation.require {
            self.check_required(required)?;
        }
        let brokered = tier == Tier::Container && policy.network.mode == NetworkMode::Restricted;
        match brokered && !sys::seccomp_action_available(libc::SECCOMP_RET_USER_NOTIF) {
            true => Err(ProbeError::NoBroker),
            false => Ok(()),
        }
    }

    fn check_required(&self, name: &str) -> Result<(), ProbeError> {
        let Some(layer) = self.layers.iter().find(|layer| layer.name == name) else {
            let known: Vec<_> = self.layers.iter().map(|layer| layer.name).collect();
            return Err(ProbeError::UnknownLayer(name.into(), known.join(", ")));
        };
        let state = match &layer.status {
            LayerStatus::Found(_) => return Ok(()),
            LayerStatus::Substituted(by) => format!("substituted by {by}"),
            LayerStatus::Missing(why) | LayerStatus::Optional(why) => format!("missing ({why})"),
        };
        Err(ProbeError::Required { layer: name.into(), state })
    }

    fn missing(&self) -> impl Iterator<Item = String> {
        self.layers.iter().filter_map(|layer| match &layer.status {
            LayerStatus::Missing(why) => Some(format!("{} ({why})", layer.name)),
            _ => None,
        })
    }

    /// What the walls are to be built with.
    pub fn means(&self) -> Means {
        match (self.tier, self.rootless) {
            (Some(Tier::Container), _) => Means::Container,
            (_, true) => Means::UserNamespace,
            (_, false) => Means::Root,
        }
    }

    /// `layer: what stands in for it`.
    pub fn substitutes(&self) -> Vec<String> {
        self.layers
            .iter()
            .filter_map(|layer| match &layer.status {
                LayerStatus::Substituted(by) => Some(format!("{}: {by}", layer.name)),
                _ => None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe_with(status: LayerStatus) -> Probe {
        let tier = (!matches!(status, LayerStatus::Missing(_))).then_some(Tier::Full);
        Probe { tier, rootless: true, layers: vec![LayerReport { name: "cgroup", status, why: "" }] }
    }

    #[test]
    fn a_missing_layer_refuses_and_names_itself() {
        let error = probe_with(LayerStatus::Missing("not mounted".into())).check(&Policy::default()).unwrap_err();
        assert!(error.to_string().contains("cgroup (not mounted)"), "{error}");
    }

    #[test]
    fn a_substitute_holds_unless_the_layer_is_required() {
        let probe = probe_with(LayerStatus::Substituted("a watch".into()));
        let mut policy = Policy::default();
        assert_eq!(probe.check(&policy), Ok(()));
        assert_eq!(probe.substitutes(), ["cgroup: a watch"]);
        policy.isolation.require = vec!["cgroup".into()];
        assert!(matches!(probe.check(&policy), Err(ProbeError::Required { .. })));
        policy.isolation.require = vec!["cgruop".into()];
        assert!(matches!(probe.check(&policy), Err(ProbeError::UnknownLayer(..))));
    }
}
