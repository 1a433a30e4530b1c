//! A private executor as a child of this process.

mod child;
mod launch;

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use codemode_proto::v1;
use serde_json::Value;

use crate::{
    ClientError, DEFAULT_TIMEOUT,
    address::Address,
    dial::{Dial, bearer},
    options::default_client_name,
    status::Peer,
};
use child::Child;

/// How to start an executor of one's own.
///
/// ```
/// use codemode_client::{EmbeddedOptions, json};
///
/// let options = EmbeddedOptions {
///     policy: Some(json!({"limits": {"memory_limit": "256Mi"}, "execution": {"allowed_commands": ["git"]}})),
///     ..EmbeddedOptions::new("/usr/bin/codemode")
/// };
/// # drop(options);
/// ```
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// The `codemode` binary.
    pub executable: PathBuf,
    /// The Python that runs the code; `None`: the executor's default.
    pub interpreter: Option<PathBuf>,
    /// In the shape of the YAML file.
    pub policy: Option<Value>,
    /// A YAML file instead.
    pub policy_path: Option<PathBuf>,
    /// Where the policy's relative paths begin; `None`: the current directory.
    pub base_dir: Option<PathBuf>,
    /// As `ClientOptions.timeout`.
    pub timeout: Duration,
}

impl EmbeddedOptions {
    /// The defaults for this binary.
    ///
    /// ```
    /// use codemode_client::EmbeddedOptions;
    ///
    /// let options = EmbeddedOptions::new("/usr/bin/codemode");
    /// assert!(options.policy.is_none() && options.interpreter.is_none());
    /// ```
    pub fn new(executable: impl Into<PathBuf>) -> Self {
        Self {
            executable: executable.into(),
            interpreter: None,
            policy: None,
            policy_path: None,
            base_dir: None,
            timeout: DEFAULT_TIMEOUT,
        }
    }
}

/// Where a running embedded executor answers.
#[derive(Clone)]
pub(crate) struct Location {
    socket: String,
    key: String,
}

impl Location {
    pub(crate) fn dial(&self, timeout: Duration) -> Result<Dial, ClientError> {
        Ok(Dial {
            address: Address::Unix(self.socket.clone()),
            tls: None,
            key: Some(bearer(&self.key)?),
            peer: Peer { url: format!("unix:{}", self.socket), timeout, key_given: true },
            // Its own policy is ours already.
            hello: v1::Hello { client: default_client_name(), policy: Vec::new() },
        })
    }
}

/// Holds at most one executor.
pub(crate) struct Host {
    options: EmbeddedOptions,
    /// Held for the moment of a copy only: a forked child must be able to read it.
    location: Mutex<Option<Location>>,
    /// Held during a start. `None` also where the executor is the parent process's.
    child: Mutex<Option<Child>>,
}

impl Host {
    pub(crate) fn new(options: EmbeddedOptions, location: Option<Location>) -> Self {
        Self { options, location: Mutex::new(location), child: Mutex::new(None) }
    }

    /// Never blocks: the thread that held a lock does not exist in the child.
    pub(crate) fn for_forked_child(&self) -> Self {
        let location = self.location.try_lock().ok().and_then(|location| location.clone());
        Self::new(self.options.clone(), location)
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.options.timeout
    }

    pub(crate) fn location(&self) -> Option<Location> {
        lock(&self.location).clone()
    }

    /// It is gone.
    pub(crate) fn forget(&self) {
        *lock(&self.location) = None;
    }

    /// Blocks until the executor is ready; ends what is left of an earlier one first.
    pub(crate) fn start(&self) -> Result<Location, ClientError> {
        let mut slot = lock(&self.child);
        // Another caller was faster.
        if let Some(location) = self.location() {
            return Ok(location);
        }
        *slot = None;
        let (child, location) = launch::launch(&self.options)?;
        *slot = Some(child);
        *lock(&self.location) = Some(location.clone());
        Ok(location)
    }

    /// Blocks until it has ended. What a parent process started goes on.
    pub(crate) fn end(&self) {
        self.forget();
        *lock(&self.child) = None;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Both hold a whole value at any time.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
