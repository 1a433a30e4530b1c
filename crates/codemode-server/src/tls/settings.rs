//! What a listener needs to speak TLS, as the configuration says it.

use std::path::PathBuf;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    pub certificate: NamedFile,
    pub key: NamedFile,
    pub clients: ClientCertificates,
}

/// A file and the setting that names it, in the user's own spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    pub setting: String,
    pub path: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    NotAsked,
    /// A certificate that is presented must be good. Whether one must be presented is `required`.
    Verified {
        authorities: Authorities,
        required: bool,
    },
}

/// Who may vouch for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorities {
    File(NamedFile),
    /// Those that this machine trusts; the text is the setting that says so.
    System(String),
}

impl TlsSettings {
    /// Every file that is read when the certificates are.
    pub fn files(&self) -> Vec<&NamedFile> {
        let authorities = match &self.clients {
            ClientCertificates::Verified { authorities: Authorities::File(file), .. } => Some(file),
            _ => None,
        };
        [&self.certificate, &self.key].into_iter().chain(authorities).collect()
    }
}
