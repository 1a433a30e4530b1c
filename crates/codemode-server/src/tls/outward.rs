//! TLS from the executor to the application that serves tools: who vouches for it, and who the executor is itself.

use std::sync::Arc;

use codemode_config::sidecar::CallbackTls;
use codemode_types::Problem;
use rustls::{ClientConfig, crypto::aws_lc_rs};

use super::{Authorities, files};

/// From the files as they are now.
pub(crate) fn client_config(tls: &CallbackTls) -> Result<ClientConfig, Problem> {
    let roots = match &tls.authorities {
        Authorities::File(file) => files::authorities(file)?,
        Authorities::System(setting) => files::system_authorities(setting, "callback_tls.ca_file")?,
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|error| Problem::new("callback_tls", format!("cannot be used: {error}")))?
        .with_root_certificates(roots);
    let mut config = match &tls.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = (files::chain(&identity.certificate)?, files::private_key(&identity.key)?);
            let unusable = |error| identity.key.problem(format!("cannot be used with that certificate: {error}"));
            builder.with_client_auth_cert(chain, key).map_err(unusable)?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}
