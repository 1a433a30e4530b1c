//! `codemode health`: one question to an executor, one line, for the probes of a supervisor.

use std::{net::IpAddr, process::ExitCode, time::Duration};

use codemode_client::{Client, ClientError, ClientOptions};
use codemode_server::config::{ListenAddress, ServerConfig, Sources};

use crate::{
    args::HealthArgs,
    environment,
    exit::{self, Failure},
    serve::runtime,
};

/// A probe asks again soon; an executor that needs longer than this for an answer is not well.
const PATIENCE: Duration = Duration::from_secs(3);

const NOT_SERVING: u8 = 1;

pub(crate) fn health(args: HealthArgs) -> Result<ExitCode, Failure> {
    let url = match args.url {
        Some(url) => url,
        None => url_of(&served(args)?)?,
    };
    let options = ClientOptions { timeout: PATIENCE, ..ClientOptions::new(&url) };
    let serving = runtime()?.block_on(async { Client::connect(options)?.health().await });
    match serving {
        Ok(true) => exit::print(&format!("serving: {url}\n")),
        Ok(false) => Err(not_serving(format!("not serving: {url} is starting or stopping"))),
        // A URL that is none is the caller's to mend.
        Err(error @ ClientError::Config { .. }) => Err(Failure::usage(error)),
        Err(error) => Err(not_serving(error)),
    }
}

fn not_serving(reason: impl ToString) -> Failure {
    Failure { exit: NOT_SERVING, message: reason.to_string() }
}

/// Where `codemode serve` would listen with the same file and environment.
fn served(args: HealthArgs) -> Result<ListenAddress, Failure> {
    let sources = Sources { file: args.config, environment: environment::variables(), ..Sources::default() };
    ServerConfig::load(&sources).map(|config| config.listen).map_err(Failure::configuration)
}

fn url_of(address: &ListenAddress) -> Result<String, Failure> {
    match address {
        ListenAddress::Unix(path) => Ok(format!("unix:{}", path.display())),
        ListenAddress::Tcp { port: 0, .. } => {
            Err(Failure::usage("the executor listens on a free port (0): give its address with --url"))
        }
        ListenAddress::Tcp { host, port } => {
            Ok(format!("http://{}", ListenAddress::Tcp { host: reachable(host), port: *port }))
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
            assert_eq!(url_of(&listen.parse().unwrap()).unwrap(), url);
        }
        assert!(url_of(&"localhost:0".parse().unwrap()).unwrap_err().message.contains("--url"));
    }
}
