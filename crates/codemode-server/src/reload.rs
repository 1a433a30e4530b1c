//! Certificates and keys are read again while the daemon serves: when their files change, and at once on SIGHUP.

use std::{convert::Infallible, future::pending, path::PathBuf, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::spawn_blocking,
    time::sleep,
};

use crate::{
    auth::ApiKeys,
    config::{ConfigError, KeySource},
    run::SignalError,
    secret_file::Stamp,
    tls::Tls,
};

/// Between two looks at the files.
const PERIOD: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct Reloader {
    watches: Vec<Watch>,
    hangup: Signal,
    period: Duration,
}

/// Files that belong together, and what is made of them.
#[derive(Debug)]
struct Watch {
    what: What,
    /// When they were read last, whatever came of it.
    read: Vec<Stamp>,
    /// At the last look.
    seen: Vec<Stamp>,
}

#[derive(Debug)]
enum What {
    Certificates(Tls),
    Keys(ApiKeys, KeySource),
}

impl Reloader {
    /// From now on SIGHUP no longer ends the process. Must be called inside a tokio runtime.
    pub fn new(keys: &ApiKeys, source: KeySource, tls: Option<&Tls>) -> Result<Self, SignalError> {
        let keys = Watch::new(source.stamps(), What::Keys(keys.clone(), source));
        let certificates = tls.map(|tls| Watch::new(tls.stamps(), What::Certificates(tls.clone())));
        let watches = certificates.into_iter().chain([keys]).filter(|watch| !watch.read.is_empty()).collect();
        Ok(Self { watches, hangup: signal(SignalKind::hangup())?, period: PERIOD })
    }

    /// Looks at the files in another rhythm.
    pub fn every(self, period: Duration) -> Self {
        Self { period, ..self }
    }

    /// Until it is dropped.
    pub async fn run(mut self) -> Infallible {
        loop {
            let told = tokio::select! {
                _ = self.hangup.recv() => true,
                () = sleep(self.period), if !self.watches.is_empty() => false,
            };
            if told {
                tracing::info!(
                    files = self.watches.iter().map(|it| it.read.len()).sum::<usize>(),
                    "SIGHUP: reading again"
                );
            }
            let mut watches = std::mem::take(&mut self.watches);
            // A file may be on a disk that takes its time.
            let looked = spawn_blocking(move || {
                for watch in &mut watches {
                    watch.look(told);
                }
                watches
            });
            match looked.await {
                Ok(watches) => self.watches = watches,
                Err(error) => {
                    tracing::error!(%error, "certificates and keys are not read again any more");
                    pending::<()>().await;
                }
            }
        }
    }
}

impl Watch {
    fn new(stamps: Vec<Stamp>, what: What) -> Self {
        Self { what, read: stamps.clone(), seen: stamps }
    }

    /// Several files are rarely replaced in one moment: unless told, waits until they have been still for one look.
    /// Says whether they were read.
    fn look(&mut self, told: bool) -> bool {
        let now: Vec<_> = self.what.files().iter().map(|path| Stamp::of(path)).collect();
        let still = now == self.seen;
        self.seen.clone_from(&now);
        let due = told || (now != self.read && still);
        if due {
            self.read = now;
            self.what.read_again();
        }
        due
    }
}

impl What {
    fn files(&self) -> Vec<PathBuf> {
        match self {
            Self::Certificates(tls) => tls.files(),
            Self::Keys(_, source) => source.files(),
        }
    }

    /// What cannot be used leaves everything as it was.
    fn read_again(&self) {
        let (name, done) = match self {
            Self::Certificates(tls) => ("certificates", tls.reload()),
            Self::Keys(keys, source) => ("API keys", replaced(keys, source)),
        };
        match done {
            Ok(()) => tracing::info!("{name} were read again and hold from now on"),
            Err(error) => {
                let problems = error.to_string().replace('\n', "; ");
                tracing::error!("{name} were read again and cannot be used; those from before still hold: {problems}");
            }
        }
    }
}

fn replaced(keys: &ApiKeys, source: &KeySource) -> Result<(), ConfigError> {
    keys.replace(&source.read_again()?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::{ServerConfig, Sources};

    #[test]
    fn files_are_read_once_for_each_change_and_when_they_are_still() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "one").unwrap();
        let environment = [("CODEMODE_API_KEY_FILE".to_owned(), path.display().to_string())].into();
        let config = ServerConfig::load(&Sources { environment, ..Sources::default() }).unwrap();
        let keys = config.api_keys.clone();
        let mut watch = Watch::new(config.key_source.stamps(), What::Keys(keys.clone(), config.key_source));
        assert!(!watch.look(false) && !watch.look(false));
        fs::write(&path, "two and").unwrap();
        assert!(!watch.look(false));
        fs::write(&path, "three").unwrap();
        assert!(!watch.look(false) && watch.look(false));
        assert!(keys.permit(b"three") && !keys.permit(b"one"));
        // What cannot be used is complained of once, and not at each look.
        fs::remove_file(&path).unwrap();
        assert!(!watch.look(false) && watch.look(false) && !watch.look(false) && !watch.look(false));
        assert!(keys.permit(b"three"));
        assert!(watch.look(true));
    }
}
