//! `codemode tls generate-certs`: an authority of one's own and what it vouches for, to develop with.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write},
    net::IpAddr,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

use crate::{
    args::GenerateCertsArgs,
    exit::{self, Failure},
};

const AUTHORITY: &str = "ca";
const SERVER: &str = "server";
/// By which this machine reaches itself.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

const DAY: Duration = Duration::from_secs(24 * 3600);
const AUTHORITY_DAYS: u32 = 3650;
/// Clocks that run behind accept a new certificate all the same.
const CLOCK_SKEW: Duration = Duration::from_secs(3600);

type Authority = Issuer<'static, KeyPair>;

pub(crate) fn generate_certs(args: &GenerateCertsArgs) -> Result<ExitCode, Failure> {
    let mut folder = Folder { path: args.out.clone(), force: args.force, said: String::new() };
    // Everything that could be refused is looked at before anything is written.
    let names = server_names(&args.host)?;
    folder.check(SERVER)?;
    if !args.host.is_empty() && !args.force && folder.holds(SERVER) {
        let (certificate, _) = folder.pair(SERVER);
        let message = "is there already, and may be for other names; --force replaces it";
        return Err(Failure::usage(format!("{} {message}", certificate.display())));
    }
    folder.check(AUTHORITY)?;
    args.client.iter().try_for_each(|client| folder.check(client))?;
    folder.make().map_err(|error| folder.unwritable(&error))?;
    let authority = folder.authority()?;
    let shown = names.iter().map(name_of).collect::<Vec<_>>().join(", ");
    folder.put(SERVER, &format!("for {shown}"), |key| {
        issue(&authority, &key, SERVER, &names, ExtendedKeyUsagePurpose::ServerAuth, args.days)
    })?;
    for client in &args.client {
        folder.put(client, &format!("for the client {client}"), |key| {
            issue(&authority, &key, client, &[], ExtendedKeyUsagePurpose::ClientAuth, args.days)
        })?;
    }
    exit::print(&format!("{}\n{}", folder.said, usage(&folder, &args.client)))
}

/// Of a client, and of the files that it gets.
pub(crate) fn client_name(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && text.len() <= 64 && !text.starts_with(['.', '-']);
    if !fits || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        return Err("must be letters, digits, dots, dashes and underscores, 64 at most".into());
    }
    match text == AUTHORITY || text == SERVER {
        true => Err(format!("{text}.pem is another certificate's file; choose another name")),
        false => Ok(text.to_owned()),
    }
}

fn server_names(hosts: &[String]) -> Result<Vec<SanType>, Failure> {
    let mut names: Vec<SanType> = Vec::new();
    for host in LOCAL.into_iter().chain(hosts.iter().map(String::as_str)) {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let name = match bare.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(dns_name(host)?.try_into().map_err(Failure::usage)?),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

fn dns_name(host: &str) -> Result<String, Failure> {
    let labels = host.strip_prefix("*.").unwrap_or(host);
    let fits = |label: &str| {
        let inside = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        inside && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    match labels.len() <= 253 && labels.split('.').all(fits) {
        true => Ok(host.to_ascii_lowercase()),
        false => Err(Failure::usage(format!(
            "--host {host}: is neither a host name nor an address; leave out scheme and port, and write others than ASCII in punycode (xn--...)"
        ))),
    }
}

fn name_of(name: &SanType) -> String {
    match name {
        SanType::DnsName(name) => name.to_string(),
        SanType::IpAddress(address) => address.to_string(),
        other => format!("{other:?}"),
    }
}

fn issue(
    authority: &Authority,
    key: &KeyPair,
    name: &str,
    names: &[SanType],
    purpose: ExtendedKeyUsagePurpose,
    days: u32,
) -> Result<String, rcgen::Error> {
    let mut params = params(name, days);
    params.subject_alt_names = names.to_vec();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    params.use_authority_key_identifier_extension = true;
    Ok(params.signed_by(key, authority)?.pem())
}

fn params(name: &str, days: u32) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(CLOCK_SKEW);
    params.not_after = epoch + now + DAY * days;
    params
}

/// The files, and what is said of them.
struct Folder {
    path: PathBuf,
    force: bool,
    said: String,
}

impl Folder {
    /// The certificate and its key.
    fn pair(&self, name: &str) -> (PathBuf, PathBuf) {
        (self.path.join(format!("{name}.pem")), self.path.join(format!("{name}-key.pem")))
    }

    fn holds(&self, name: &str) -> bool {
        let (certificate, key) = self.pair(name);
        certificate.exists() && key.exists()
    }

    /// Half a pair is somebody's, and says nothing to us.
    fn check(&self, name: &str) -> Result<(), Failure> {
        let (certificate, key) = self.pair(name);
        let (there, missing) = match (certificate.exists(), key.exists()) {
            (true, false) => (certificate, key),
            (false, true) => (key, certificate),
            _ => return Ok(()),
        };
        let message = format!("{} is there and {} is not; move it away", there.display(), missing.display());
        if self.force && name != AUTHORITY { Ok(()) } else { Err(Failure::usage(message)) }
    }

    fn make(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path)
    }

    /// The one that is there, or a new one.
    fn authority(&mut self) -> Result<Authority, Failure> {
        let (certificate, key) = self.pair(AUTHORITY);
        if self.holds(AUTHORITY) {
            self.say("kept", &certificate, "the authority");
            return read_authority(&certificate, &key);
        }
        let pair = KeyPair::generate().map_err(Failure::unavailable)?;
        // A name of its own, so that nobody takes two authorities for one.
        let id = pair.public_key_raw().iter().rev().take(4).map(|byte| format!("{byte:02x}")).collect::<String>();
        let mut params = params(&format!("Codemode development authority {id}"), AUTHORITY_DAYS);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let signed = params.self_signed(&pair).map_err(Failure::unavailable)?;
        self.write(&certificate, 0o644, &signed.pem())?;
        self.say("wrote", &certificate, "the authority: what the other side must trust");
        self.write(&key, 0o600, &pair.serialize_pem())?;
        self.say("wrote", &key, "its key: whoever has it can vouch for anybody");
        Ok(Issuer::new(params, pair))
    }

    fn put(
        &mut self,
        name: &str,
        what: &str,
        issue: impl FnOnce(KeyPair) -> Result<String, rcgen::Error>,
    ) -> Result<(), Failure> {
        let (certificate, key) = self.pair(name);
        if self.holds(name) && !self.force {
            self.say("kept", &certificate, "as it was");
            return Ok(());
        }
        let pair = KeyPair::generate().map_err(Failure::unavailable)?;
        let secret = pair.serialize_pem();
        let issued = issue(pair).map_err(Failure::unavailable)?;
        self.write(&certificate, 0o644, &issued)?;
        self.say("wrote", &certificate, what);
        self.write(&key, 0o600, &secret)?;
        self.say("wrote", &key, "its key");
        Ok(())
    }

    /// Whole or not at all, and never through a link that waits there.
    fn write(&self, path: &Path, mode: u32, text: &str) -> Result<(), Failure> {
        let beside = path.with_extension("pem.new");
        let _ = fs::remove_file(&beside);
        let written = File::options()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&beside)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .and_then(|()| fs::rename(&beside, path));
        written.map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))
    }

    fn unwritable(&self, error: &io::Error) -> Failure {
        Failure::usage(format!("cannot create {}: {error}", self.path.display()))
    }

    fn say(&mut self, what: &str, path: &Path, of: &str) {
        self.said.push_str(&format!("{what} {}  {of}\n", path.display()));
    }
}

fn read_authority(certificate: &Path, key: &Path) -> Result<Authority, Failure> {
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))
    };
    let unusable = |path: &Path, error: rcgen::Error| {
        Failure::usage(format!("{} cannot be used: {error}; move both files away", path.display()))
    };
    let (text, secret) = (read(certificate)?, read(key)?);
    let pair = KeyPair::from_pem(&secret).map_err(|error| unusable(key, error))?;
    Issuer::from_ca_cert_pem(&text, pair).map_err(|error| unusable(certificate, error))
}

/// The lines to use them with.
fn usage(folder: &Folder, clients: &[String]) -> String {
    let shown = |path: PathBuf| std::path::absolute(&path).unwrap_or(path).display().to_string();
    let pair = |name: &str| {
        let (certificate, key) = folder.pair(name);
        (shown(certificate), shown(key))
    };
    let ((authority, _), (certificate, key)) = (pair(AUTHORITY), pair(SERVER));
    let client = clients.first().map(|client| pair(client));
    let (mut server, mut python, mut options) = (String::new(), String::new(), String::new());
    if let Some((certificate, key)) = client {
        server = format!("    ca_file: {authority}    # each client must show a certificate\n");
        python = format!("          \"client_cert_file\": {certificate:?},\n          \"client_key_file\": {key:?},\n");
        options = format!(" --tls-cert {certificate} --tls-key {key}");
    }
    format!(
        "\
The executor's configuration:

  tls:
    cert_file: {certificate}
    key_file: {key}
{server}
A client, in Python:

  Codemode.from_client_config({{
      \"executor_url\": \"https://localhost:8001\",
      \"tls\": {{
          \"ca_file\": {authority:?},
{python}      }},
  }})

or on the command line:

  codemode run job.py --url https://localhost:8001 --tls-ca {authority}{options}

For development only: do not use them where it matters.
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_hosts_and_clients() {
        let names = |host: &str| server_names(&[host.to_owned()]);
        for host in ["executor", "a.b-c.example", "*.example.com", "10.0.0.1", "fe80::1", "[::2]", "_x.y"] {
            assert_eq!(names(host).unwrap().len(), LOCAL.len() + 1, "{host}");
        }
        assert_eq!(names("LocalHost").unwrap().len(), LOCAL.len());
        for host in ["", "a b", "https://x", "x:80", "-a", "a..b", "bücher.example", "a\n", "*"] {
            assert!(names(host).unwrap_err().message.contains("neither a host name nor an address"), "{host}");
        }
        assert_eq!(client_name("alice-1"), Ok("alice-1".into()));
        for name in ["", "../x", "a/b", "ca", "server", ".x", "-x", "a b"] {
            assert!(client_name(name).is_err(), "{name}");
        }
    }
}
