//! Names to addresses: the daemon's own resolver. What it answers is not trusted before `dial` has checked it.

use std::{
    fmt, fs,
    future::Future,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use codemode_types::domain::DomainName;
use hickory_resolver::{
    Hosts, TokioResolver,
    config::{NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::Query,
        rr::{Name, RecordType},
    },
    system_conf::parse_resolv_conf,
};
use tokio::time::timeout;

const RESOLV_CONF: &str = "/etc/resolv.conf";
const HOSTS: &str = "/etc/hosts";
/// For one lookup, all its queries, CNAMEs and repetitions.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// For one query to one server, so that a second attempt fits.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);
const RETRIES: usize = 1;
const CACHED_RESPONSES: u64 = 1024;
/// A changed record counts after this, whatever its TTL was.
const LONGEST_TTL: Duration = Duration::from_secs(300);
/// A name that was missing is asked for again after this.
const LONGEST_NEGATIVE_TTL: Duration = Duration::from_secs(10);

/// A future that owns all it needs.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// Finds the addresses of a name.
pub trait Resolve: Send + Sync + fmt::Debug {
    /// All addresses of `name`, as they stand: the caller checks every one. The implementation bounds its own time.
    fn resolve(&self, name: &DomainName) -> BoxFuture<Result<Vec<IpAddr>, ResolveError>>;
}

/// Why a name has no addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The name does not exist, or has no address.
    #[error("the name does not exist or has no address")]
    NoSuchName,
    /// No server gave an answer.
    #[error("{0}")]
    Failed(String),
    /// No server gave an answer in time.
    #[error("no name server answered within {} s", LOOKUP_TIMEOUT.as_secs())]
    TimedOut,
}

/// The system's resolver: `/etc/hosts`, then the name servers of `/etc/resolv.conf`.
///
/// Names are asked for as they are: `search`, `domain` and `ndots` do not apply. A name that the hosts file has, in
/// either family, is not asked for. A change of one of the two files counts from the next lookup on. Answers are kept
/// for as long as their TTL says, and five minutes at most.
#[derive(Clone)]
pub struct Resolver {
    inner: Arc<Inner>,
}

struct Inner {
    source: Source,
    loaded: Mutex<Option<(Stamps, Loaded)>>,
}

enum Source {
    Files { resolv_conf: PathBuf, hosts: PathBuf },
    Servers(Vec<SocketAddr>),
}

#[derive(Clone)]
struct Loaded {
    hosts: Arc<Hosts>,
    servers: Result<TokioResolver, ResolveError>,
}

impl Resolver {
    /// With the system's configuration. It is read at the first lookup.
    #[must_use]
    pub fn system() -> Self {
        Self::with_files(RESOLV_CONF, HOSTS)
    }

    /// With files in the formats of `/etc/resolv.conf` and `/etc/hosts`.
    pub fn with_files(resolv_conf: impl Into<PathBuf>, hosts: impl Into<PathBuf>) -> Self {
        Self::new(Source::Files { resolv_conf: resolv_conf.into(), hosts: hosts.into() })
    }

    /// With these name servers, over UDP and TCP, and no hosts file.
    #[must_use]
    pub fn with_servers(servers: &[SocketAddr]) -> Self {
        Self::new(Source::Servers(servers.to_vec()))
    }

    fn new(source: Source) -> Self {
        Self { inner: Arc::new(Inner { source, loaded: Mutex::new(None) }) }
    }

    async fn addresses(self, name: DomainName) -> Result<Vec<IpAddr>, ResolveError> {
        let loaded = self.inner.current();
        let name = absolute(&name)?;
        let listed = loaded.in_hosts_file(&name);
        if !listed.is_empty() {
            return Ok(listed);
        }
        let servers = loaded.servers?;
        // Each family has the whole time, so that servers which ignore one of them cost time but not the answer.
        let (v6, v4) =
            tokio::join!(family(&servers, name.clone(), RecordType::AAAA), family(&servers, name, RecordType::A));
        match (v6, v4) {
            (Ok(v6), Ok(v4)) => Ok(v6.into_iter().chain(v4).collect()),
            (Ok(found), Err(_)) | (Err(_), Ok(found)) => Ok(found),
            (Err(ResolveError::NoSuchName), Err(error)) | (Err(error), Err(_)) => Err(error),
        }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: &DomainName) -> BoxFuture<Result<Vec<IpAddr>, ResolveError>> {
        Box::pin(self.clone().addresses(name.clone()))
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inner.source {
            Source::Files { resolv_conf, hosts } => write!(f, "Resolver({resolv_conf:?}, {hosts:?})"),
            Source::Servers(servers) => write!(f, "Resolver({servers:?})"),
        }
    }
}

impl Inner {
    /// The configuration as it is now. Two `stat` calls on local files are cheaper than a trip to another thread.
    fn current(&self) -> Loaded {
        let stamps = self.source.stamps();
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        match &*loaded {
            Some((of, loaded)) if *of == stamps => loaded.clone(),
            _ => loaded.insert((stamps, self.source.load())).1.clone(),
        }
    }
}

/// What tells one state of a file from the next.
type Stamp = Option<(SystemTime, u64, u64)>;
type Stamps = [Stamp; 2];

impl Source {
    fn stamps(&self) -> Stamps {
        match self {
            Self::Files { resolv_conf, hosts } => [stamp(resolv_conf), stamp(hosts)],
            Self::Servers(_) => [None, None],
        }
    }

    fn load(&self) -> Loaded {
        match self {
            Self::Files { resolv_conf, hosts } => {
                Loaded { hosts: Arc::new(read_hosts(hosts)), servers: read_servers(resolv_conf) }
            }
            Self::Servers(servers) => {
                let servers = servers.iter().map(|server| {
                    let mut config = NameServerConfig::udp_and_tcp(server.ip());
                    config.connections.iter_mut().for_each(|connection| connection.port = server.port());
                    config
                });
                Loaded { hosts: Arc::default(), servers: build(servers.collect(), ResolverOpts::default()) }
            }
        }
    }
}

impl Loaded {
    fn in_hosts_file(&self, name: &Name) -> Vec<IpAddr> {
        let lookups = [RecordType::AAAA, RecordType::A]
            .map(|family| self.hosts.lookup_static_host(&Query::query(name.clone(), family)));
        lookups
            .iter()
            .flatten()
            .flat_map(|lookup| lookup.answers())
            .filter_map(|record| record.data.ip_addr())
            .collect()
    }
}

fn stamp(path: &Path) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}

/// A machine without a hosts file has no entries.
fn read_hosts(path: &Path) -> Hosts {
    let mut hosts = Hosts::default();
    let read = fs::File::open(path).and_then(|file| hosts.read_hosts_conf(file));
    if let Err(error) = read {
        tracing::warn!(path = %path.display(), %error, "cannot read the hosts file; names come from DNS alone");
    }
    hosts
}

fn read_servers(path: &Path) -> Result<TokioResolver, ResolveError> {
    let failed = |error: &dyn fmt::Display| {
        ResolveError::Failed(format!("no name server to ask: {}: {error}; add a `nameserver` line", path.display()))
    };
    let text = fs::read(path).map_err(|error| failed(&error))?;
    let (config, options) = parse_resolv_conf(text).map_err(|error| failed(&error))?;
    let (_, _, servers) = config.into_parts();
    build(servers, options)
}

fn build(servers: Vec<NameServerConfig>, options: ResolverOpts) -> Result<TokioResolver, ResolveError> {
    // No search list: the name that was checked is the name that is asked for.
    let config = ResolverConfig::from_name_servers(servers);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let ours = builder.options_mut();
    ours.edns0 = options.edns0;
    ours.timeout = options.timeout.min(QUERY_TIMEOUT);
    ours.attempts = options.attempts.min(RETRIES);
    ours.use_hosts_file = ResolveHosts::Never;
    ours.cache_size = CACHED_RESPONSES;
    ours.positive_max_ttl = Some(LONGEST_TTL);
    ours.negative_max_ttl = Some(LONGEST_NEGATIVE_TTL);
    builder.build().map_err(|error| ResolveError::Failed(format!("cannot set up the resolver: {error}")))
}

/// With its trailing dot, so that nothing is ever appended.
fn absolute(name: &DomainName) -> Result<Name, ResolveError> {
    let mut absolute = Name::from_ascii(name.as_str())
        .map_err(|error| ResolveError::Failed(format!("{name} cannot be asked for: {error}")))?;
    absolute.set_fqdn(true);
    Ok(absolute)
}

async fn family(servers: &TokioResolver, name: Name, family: RecordType) -> Result<Vec<IpAddr>, ResolveError> {
    let lookup = timeout(LOOKUP_TIMEOUT, servers.lookup(name, family)).await;
    match lookup.map_err(|_| ResolveError::TimedOut)? {
        Ok(lookup) => {
            let addresses: Vec<_> = lookup.answers().iter().filter_map(|record| record.data.ip_addr()).collect();
            Some(addresses).filter(|addresses| !addresses.is_empty()).ok_or(ResolveError::NoSuchName)
        }
        Err(error) if error.is_no_records_found() => Err(ResolveError::NoSuchName),
        Err(NetError::Timeout) => Err(ResolveError::TimedOut),
        Err(error) => Err(ResolveError::Failed(format!("the name servers failed: {error}"))),
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
