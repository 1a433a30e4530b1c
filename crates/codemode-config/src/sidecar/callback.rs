//! `main_app_grpc_target` and `callback_tls`: where the application serves its tools to the published package's protocol.
//! No request can say it: whoever could would turn the executor into a way to any address that it reaches.

use codemode_types::Problem;

use super::{Authorities, ListenAddress, NamedFile};
use crate::settings::{Given, Settings};

pub(crate) const TARGET: &str = "main_app_grpc_target";

/// The application's ToolService.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackSettings {
    pub target: ListenAddress,
    pub tls: Option<CallbackTls>,
}

/// How the executor checks the application, and says who it is itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackTls {
    pub authorities: Authorities,
    pub identity: Option<CallbackIdentity>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackIdentity {
    pub certificate: NamedFile,
    pub key: NamedFile,
}

pub(super) fn resolve(settings: &Settings, problems: &mut Vec<Problem>) -> Option<CallbackSettings> {
    let before = problems.len();
    let given = settings.get(TARGET);
    let target = given.and_then(|given| given.value.as_str()?.parse::<ListenAddress>().ok());
    if let (Some(given), Some(ListenAddress::Tcp { port: 0, .. })) = (given, &target) {
        problems.push(given.problem("must name the port that the application's ToolService listens on"));
    }
    let tls = tls(settings, target.as_ref(), problems);
    let callback = target.map(|target| CallbackSettings { target, tls });
    callback.filter(|_| problems.len() == before)
}

fn tls(settings: &Settings, target: Option<&ListenAddress>, problems: &mut Vec<Problem>) -> Option<CallbackTls> {
    let get = |name: &str| settings.get(&format!("callback_tls.{name}"));
    let enabled = get("enabled");
    let files: Vec<_> = ["ca_file", "client_cert", "client_key"].into_iter().filter_map(get).collect();
    if let Some(off) = enabled.filter(|given| given.value == false) {
        let message = format!("has no effect while {} is false; drop one of them", off.setting);
        problems.extend(files.iter().map(|asked| asked.problem(&message)));
        return None;
    }
    let asking: &Given = enabled.or_else(|| files.first().copied())?;
    match target {
        Some(ListenAddress::Tcp { .. }) => {}
        Some(ListenAddress::Unix(_)) => {
            problems.push(asking.problem(format!("is for TCP, and {TARGET} is a Unix socket; drop one of them")));
        }
        None => problems.push(asking.problem(format!("has no effect without {TARGET}; set it, or leave this out"))),
    }
    let identity = match (get("client_cert"), get("client_key")) {
        (Some(certificate), Some(key)) => {
            Some(CallbackIdentity { certificate: NamedFile::of(certificate), key: NamedFile::of(key) })
        }
        (None, None) => None,
        (Some(one), None) => missing(one, "callback_tls.client_key", problems),
        (None, Some(one)) => missing(one, "callback_tls.client_cert", problems),
    };
    let authorities = match get("ca_file") {
        Some(file) => Authorities::File(NamedFile::of(file)),
        None => Authorities::System(asking.setting.clone()),
    };
    Some(CallbackTls { authorities, identity })
}

fn missing(one: &Given, other: &str, problems: &mut Vec<Problem>) -> Option<CallbackIdentity> {
    problems.push(one.problem(format!("needs {other}: a certificate and its key belong together")));
    None
}
