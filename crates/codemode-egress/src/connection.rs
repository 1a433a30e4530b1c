//! One connection from the sandbox: what it asks for is judged, recorded and only then opened, in that order, here.

use std::{
    io::ErrorKind,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use codemode_types::domain::Host;
use tokio::net::TcpStream;

use crate::{
    decision::{Decision, Refusal, Via},
    dial::{Checked, DialError, Dialed},
    limits::Activity,
    metered::Metered,
    session::Shared,
};

/// Where a request or a connection wants to go, and how it said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) via: Via,
}

impl Target {
    fn about(&self) -> About {
        About { host: self.host.to_string(), port: self.port, via: self.via, address: self.host.address() }
    }
}

/// What a decision is about.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) via: Via,
    pub(crate) address: Option<IpAddr>,
}

impl About {
    /// A request that could not be read as far as its host.
    pub(crate) fn unknown(via: Via) -> Self {
        Self { host: String::new(), port: 0, via, address: None }
    }

    /// A host that is none. What is not plain ASCII is escaped.
    pub(crate) fn text(host: &str, port: u16, via: Via) -> Self {
        const SHOWN: usize = 80;
        let host = host.chars().take(SHOWN).flat_map(char::escape_default).collect();
        Self { host, port, via, address: None }
    }
}

impl From<&Target> for About {
    fn from(target: &Target) -> Self {
        target.about()
    }
}

#[derive(Debug)]
pub(crate) struct Connection {
    session: Arc<Shared>,
    pub(crate) activity: Arc<Activity>,
    /// What it was last about, for a decision that ends it.
    last: Mutex<About>,
}

impl Connection {
    pub(crate) fn new(session: Arc<Shared>) -> Self {
        let activity = Arc::new(Activity::new(session.idle));
        Self { session, activity, last: Mutex::new(About::unknown(Via::Http)) }
    }

    pub(crate) fn session(&self) -> &Shared {
        &self.session
    }

    /// Serves it until that ends or a limit is met, which is a decision of its own. By then its sockets are closed. What
    /// was not `admitted` is only told so, which costs no bytes.
    pub(crate) async fn run(&self, admitted: bool, serve: impl Future<Output = ()>) {
        let budget = &self.session.budget;
        let refusal = tokio::select! {
            biased;
            () = budget.spent(), if admitted => Refusal::TooManyBytes(budget.limit()),
            // Whose last byte it was sees a broken connection first.
            () = serve => match admitted && budget.is_spent() {
                true => Refusal::TooManyBytes(budget.limit()),
                false => return,
            },
            () = self.activity.idle() => Refusal::Idle(self.session.idle),
        };
        let about = self.last().clone();
        self.session.send(decision(about, Err(refusal))).await;
    }

    /// A connection to the target, if it may be: judged, looked up, recorded, then made.
    pub(crate) async fn open(&self, target: &Target) -> Result<Dialed, Refusal> {
        let checked = match self.checked(target).await {
            Ok(checked) => checked,
            Err(refusal) => return Err(self.refuse(target, refusal).await),
        };
        // The first that is tried; which one answers is only known when something has left the machine.
        let address = checked.addresses().first().copied();
        self.record(About { address, ..target.about() }, Ok(())).await;
        match checked.connect(target.port).await {
            Ok(dialed) => Ok(dialed),
            Err(error) => Err(self.refuse(target, error.into()).await),
        }
    }

    /// A request over a connection that is open already, if it may be.
    pub(crate) async fn reuse(&self, target: &Target, address: IpAddr) -> Result<(), Refusal> {
        match self.session.judge_target(&target.host, target.port) {
            Ok(()) => self.record(About { address: Some(address), ..target.about() }, Ok(())).await,
            Err(refusal) => return Err(self.refuse(target, refusal).await),
        }
        Ok(())
    }

    async fn checked(&self, target: &Target) -> Result<Checked, Refusal> {
        let session = &self.session;
        session.judge_target(&target.host, target.port)?;
        if session.is_over() {
            return std::future::pending().await;
        }
        let checked = session.dialer.lookup(&target.host, &session.networks).await?;
        match checked.addresses().iter().any(|address| session.blocks(*address)) {
            true => Err(Refusal::Blocked),
            false => Ok(checked),
        }
    }

    /// Hands the refusal over and back, for the answer.
    pub(crate) async fn refuse(&self, about: impl Into<About>, refusal: Refusal) -> Refusal {
        self.record(about.into(), Err(refusal.clone())).await;
        refusal
    }

    async fn record(&self, about: About, verdict: Result<(), Refusal>) {
        self.last().clone_from(&about);
        if !self.session.send(decision(about, verdict)).await {
            // The session is over and with it this task, at its next turn. Until then nothing may follow.
            std::future::pending::<()>().await;
        }
    }

    fn last(&self) -> std::sync::MutexGuard<'_, About> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sentence that goes to the program.
    pub(crate) fn explain(&self, about: impl Into<About>, refusal: &Refusal) -> String {
        format!("codemode: {}", decision(about.into(), Err(refusal.clone())))
    }

    pub(crate) fn metered(&self, stream: TcpStream) -> Metered {
        Metered::new(stream, Arc::clone(&self.session.budget), Arc::clone(&self.activity))
    }
}

fn decision(About { host, port, via, address }: About, verdict: Result<(), Refusal>) -> Decision {
    Decision { host, port, via, address, verdict }
}

impl From<DialError> for Refusal {
    fn from(error: DialError) -> Self {
        match error {
            DialError::NoSuchName => Self::NoSuchName,
            DialError::Special { address, class } => Self::SpecialAddress { address, class },
            DialError::Unreachable(error) => Self::Unreachable(error.kind()),
            DialError::TimedOut => Self::Unreachable(ErrorKind::TimedOut),
            // What these say is about the executor's machine: for its log, not for the program.
            DialError::Resolve(_) => {
                tracing::warn!(%error, "cannot resolve a name for an execution");
                Self::NoAnswer
            }
            DialError::OtherPeer { .. } => {
                tracing::error!(%error, "a connection of an execution was closed");
                Self::Unreachable(ErrorKind::Other)
            }
        }
    }
}
