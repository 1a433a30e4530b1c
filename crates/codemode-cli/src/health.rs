//! `codemode health`: one question to an executor, one line, for the probes of a supervisor.

use std::{collections::BTreeMap, net::IpAddr, process::ExitCode, time::Duration};

use codemode_client::{Client, ClientError, ClientOptions, TlsMode, TlsOptions};
use codemode_server::config::{ListenAddress, ServerConfig, Sources};

use crate::{
    args::HealthArgs,
    environment,
    exit::{self, Failure},
    remote,
    serve::runtime,
};

/// A probe asks again soon; an executor that needs longer than this for an answer is not well.
const PATIENCE: Duration = Duration::from_secs(3);

const NOT_SERVING: u8 = 1;

pub(crate) fn health(args: HealthArgs) -> Result<ExitCode, Failure> {
    let variables = environment::variables();
    let options = match &args.url {
        Some(url) => {
            ClientOptions::from_config(&remote::probe(&args.remote, url, &variables)?).map_err(Failure::usage)?
        }
        None => here(&args, variables)?,
    };
    let url = options.url.clone();
    let options = ClientOptions { timeout: PATIENCE, ..options };
    match runtime()?.block_on(asked(options)) {
        Ok(true) => exit::print(&format!("serving: {url}\n")),
        Ok(false) => Err(not_serving(format!("not serving: {url} is starting or stopping"))),
        // A URL that is none is the caller's to mend.
        Err(error @ ClientError::Config { .. }) => Err(Failure::usage(error)),
        Err(error) => Err(not_serving(error)),
    }
}

/// Whether it serves and, where there is a key, that it lets that key in.
async fn asked(options: ClientOptions) -> Result<bool, ClientError> {
    let key_given = options.api_key.is_some();
    let client = Client::connect(options)?;
    let serving = client.health().await?;
    if serving && key_given {
        client.info().await?;
    }
    Ok(serving)
}

fn not_serving(reason: impl ToString) -> Failure {
    Failure { exit: NOT_SERVING, message: reason.to_string() }
}

/// Where `codemode serve` would listen with the same file and environment, and how it would speak there.
fn here(args: &HealthArgs, variables: BTreeMap<String, String>) -> Result<ClientOptions, Failure> {
    let (identity, api_key) = remote::identity(&args.remote, &variables)?;
    let dotenv = Some(environment::executors_dotenv(args.config.as_deref()));
    let sources = Sources { file: args.config.clone(), environment: variables, dotenv, ..Sources::default() };
    let config = ServerConfig::load(&sources).map_err(Failure::configuration)?;
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    // Nobody issues certificates for the address of a machine that talks to itself.
    let own = config.tls.map(|tls| TlsMode::Exactly(tls.certificate.path));
    let asked = own.is_some() || args.remote.asks_for_tls();
    let mode = args.remote.tls_ca.clone().map(TlsMode::Custom).or(own).unwrap_or_default();
    let tls = asked.then_some(TlsOptions { mode, ..identity });
    Ok(ClientOptions { tls, api_key, ..ClientOptions::new(url_of(scheme, &config.listen)?) })
}

fn url_of(scheme: &str, address: &ListenAddress) -> Result<String, Failure> {
    match address {
        ListenAddress::Unix(path) => Ok(format!("unix:{}", path.display())),
        ListenAddress::Tcp { port: 0, .. } => {
            Err(Failure::usage("the executor listens on a free port (0): give its address with --url"))
        }
        ListenAddress::Tcp { host, port } => {
            Ok(format!("{scheme}://{}", ListenAddress::Tcp { host: reachable(host), port: *port }))
        }
    }
}

/// "Every address" is one to listen on, not one to connect to.
fn reachable(host: &str) -> String {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) if ip.is_unspecified() => "127.0.0.1".into(),
        Ok(IpAddr::V6(ip)) if ip.is_unspecified() => "::1".into(),
        _ => host.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_to_ask_is_one_that_answers() {
        for (listen, url) in [
            ("0.0.0.0:8001", "http://127.0.0.1:8001"),
            ("[::]:9", "http://[::1]:9"),
            ("executor:80", "http://executor:80"),
            ("unix:/run/c.sock", "unix:/run/c.sock"),
        ] {
            assert_eq!(url_of("http", &listen.parse().unwrap()).unwrap(), url);
        }
        assert!(url_of("http", &"localhost:0".parse().unwrap()).unwrap_err().message.contains("--url"));
    }
}
