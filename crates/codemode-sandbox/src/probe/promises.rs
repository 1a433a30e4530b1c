//! What a tier cannot promise, in the words that `doctor`, each result and SECURITY.md use.

use codemode_types::{NetworkMode, Tier};

use super::Probe;

/// Landlock bounds what is opened, not what is asked about; and there are no mounts to take the rest away.
const CONTAINER: &[&str] = &[
    "That stat tells nothing: it shows whether a file of the container exists, its size, owner and dates.",
    "That only listed programs run where /sandbox may execute: `ld.so FILE` runs a file that the code put there.",
    "A disk quota for each execution, in bytes or in files: the sizes of the volumes are what bounds it.",
    "That all of the workspace can be read: private files (mode 0600, 0700) of another owner cannot.",
    "That other processes stay unseen: their names and numbers may be inferred.",
    "That every refused program is listed: one that is refused below a shell is no violation entry.",
];

/// Whatever the tier.
const ALL: &str =
    "A bound on the network: network.mode is all, which reaches loopback services and metadata addresses.";

impl Probe {
    /// What the tier found here cannot promise and tier full can, and what this network leaves open, a sentence each.
    pub fn not_promised(&self, network: NetworkMode) -> Vec<String> {
        let tier = match self.tier {
            Some(Tier::Container) => CONTAINER,
            Some(Tier::Full) | None => &[],
        };
        let network = (network == NetworkMode::All).then_some(ALL);
        tier.iter().copied().chain(network).map(str::to_owned).collect()
    }
}
