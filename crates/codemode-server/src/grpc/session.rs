//! One `Connect` stream: any number of executions, told apart by id. Its end is theirs.

use std::{collections::HashMap, sync::Arc};

use codemode_engine::ExecutionRequest;
use codemode_proto::{tool_answer, v1};
use codemode_types::{ErrorCode, ExecutionId, Policy, Rejection, ToolFailure};
use futures_util::FutureExt as _;
use tokio::{sync::mpsc, task::JoinSet};
use tonic::{Status, Streaming};
use v1::client_message::Message;

use super::{
    Outgoing,
    pump::{Command, pump},
    request::{credit, narrowed, request},
    stopped::Stopped,
};
use crate::{
    audit::Origin,
    executions::{Executions, invalid},
    refusal,
};

/// Commands under way to one execution.
const COMMANDS: usize = 64;

pub(super) async fn run(
    executions: Executions,
    origin: Origin,
    incoming: Streaming<v1::ClientMessage>,
    outgoing: Outgoing,
) {
    let gone = outgoing.clone();
    let audit = executions.audit().clone();
    let session = async {
        if let Err(stopped) = converse(executions, &origin, incoming, &outgoing).await {
            let _ = outgoing.send(Err(stopped.told(&audit, &origin).await)).await;
        }
    };
    // The client going away ends everything at once, whatever is being waited for.
    tokio::select! {
        () = session => {}
        () = gone.closed() => tracing::debug!("a client went away"),
    }
}

async fn converse(
    executions: Executions,
    origin: &Origin,
    mut incoming: Streaming<v1::ClientMessage>,
    outgoing: &Outgoing,
) -> Result<(), Stopped> {
    let policy = welcome(&executions, origin, &mut incoming, outgoing).await?;
    let closing = executions.closing().clone();
    let mut session = Session { executions, origin, policy, outgoing, live: HashMap::new(), pumps: JoinSet::new() };
    let mut open = true;
    while open || !session.pumps.is_empty() {
        tokio::select! {
            message = incoming.message(), if open => match message? {
                Some(message) => session.take(message).await?,
                // Half-closed: what runs may finish, nothing new will come.
                None => open = false,
            },
            Some(ended) = session.pumps.join_next() => session.forget(ended),
            () = closing.cancelled(), if session.pumps.is_empty() => {
                return Err(Status::unavailable("the executor is stopping").into());
            }
        }
    }
    Ok(())
}

/// `Hello` in, `Welcome` out, or the refusal of a policy that asks for too much.
async fn welcome(
    executions: &Executions,
    origin: &Origin,
    incoming: &mut Streaming<v1::ClientMessage>,
    outgoing: &Outgoing,
) -> Result<Arc<Policy>, Stopped> {
    let hello = match incoming.message().await? {
        Some(v1::ClientMessage { message: Some(Message::Hello(hello)), .. }) => hello,
        _ => return Err(Status::invalid_argument("the first message of Connect must be Hello").into()),
    };
    let client: String = hello.client.chars().take(100).collect();
    match narrowed(executions.policy(), &executions.isolation(), &hello.policy) {
        Ok(policy) => {
            tracing::debug!(client, "a client connected");
            let info = v1::Info::from(executions.info(&policy));
            send(outgoing, "", info).await;
            Ok(policy)
        }
        Err(rejection) => {
            tracing::info!(client, reason = rejection.message, "refused a client's policy");
            executions.refused(origin, None, &rejection).await;
            send(outgoing, "", v1::Rejected::from(rejection.clone())).await;
            Err(Stopped::Recorded(refusal::status(&rejection)))
        }
    }
}

async fn send(outgoing: &Outgoing, id: &str, message: impl Into<v1::server_message::Message>) {
    // A client that is gone is noticed where `closed` is awaited.
    let _ = outgoing.send(Ok(v1::ServerMessage::new(id, message))).await;
}

struct Session<'a> {
    executions: Executions,
    origin: &'a Origin,
    policy: Arc<Policy>,
    outgoing: &'a Outgoing,
    live: HashMap<String, mpsc::Sender<Command>>,
    /// Dropping the set drops the executions in it, which kills their sandboxes.
    pumps: JoinSet<String>,
}

impl Session<'_> {
    /// An error ends the stream: the peer does not speak the protocol.
    async fn take(&mut self, message: v1::ClientMessage) -> Result<(), Status> {
        let id = message.execution_id;
        match message.message {
            Some(Message::Start(start)) => self.start(&id, start).await,
            Some(Message::ToolResult(result)) => {
                let call_id = result.call_id;
                let (call_id, answer) = tool_answer(result)
                    .unwrap_or_else(|error| (call_id, Err(ToolFailure::new("BadAnswer", error.to_string()))));
                self.command(&id, Command::Answer(call_id, answer)).await;
            }
            Some(Message::ToolResultPart(part)) => self.command(&id, Command::Part(part)).await,
            Some(Message::ToolHeld(v1::ToolHeld { call_id, held })) => {
                self.command(&id, Command::Held(call_id, held)).await;
            }
            Some(Message::Cancel(_)) => self.command(&id, Command::Cancel).await,
            Some(Message::Credit(credit)) => self.command(&id, Command::Credit(credit.bytes)).await,
            Some(Message::Hello(_)) => return Err(Status::invalid_argument("Hello comes once, at the beginning")),
            None => return Err(Status::invalid_argument("a message without content, or of a kind not known here")),
        }
        Ok(())
    }

    async fn start(&mut self, id: &str, start: v1::Start) {
        if let Err(rejection) = self.try_start(id, start).await {
            send(self.outgoing, id, v1::Rejected::from(rejection)).await;
        }
    }

    async fn try_start(&mut self, id: &str, start: v1::Start) -> Result<(), Rejection> {
        self.tidy();
        let credit = credit(&start);
        let request = match self.request(id, start) {
            Ok(request) => request,
            Err(rejection) => {
                let id = ExecutionId::parse(id).ok();
                self.executions.refused(self.origin, id.as_ref(), &rejection).await;
                return Err(rejection);
            }
        };
        let execution_id = request.id.clone();
        let admitted = self.executions.admit(request, self.origin).await?;
        let (commands, taken) = mpsc::channel(COMMANDS);
        self.live.insert(id.to_owned(), commands);
        let (name, outgoing) = (id.to_owned(), self.outgoing.clone());
        self.pumps.spawn(pump(execution_id, admitted, taken, outgoing, credit).map(|()| name));
        Ok(())
    }

    fn request(&self, id: &str, start: v1::Start) -> Result<ExecutionRequest, Rejection> {
        let execution_id = ExecutionId::parse(id).map_err(invalid)?;
        if self.live.contains_key(id) {
            return Err(Rejection::new(ErrorCode::InvalidRequest, format!("execution `{id}` is under way already")));
        }
        request(execution_id, start, Arc::clone(&self.policy))
    }

    /// Commands for an execution that is over crossed its end on the wire; they are nobody's mistake.
    async fn command(&mut self, id: &str, command: Command) {
        if let Some(commands) = self.live.get(id) {
            let _ = commands.send(command).await;
        }
    }

    /// Forgets what has ended since, so that a client that saw `Finished` may use the id again at once.
    fn tidy(&mut self) {
        while let Some(ended) = self.pumps.try_join_next() {
            self.forget(ended);
        }
        self.live.retain(|_, commands| !commands.is_closed());
    }

    fn forget(&mut self, ended: Result<String, tokio::task::JoinError>) {
        match ended {
            Ok(id) => {
                if self.live.get(&id).is_some_and(mpsc::Sender::is_closed) {
                    self.live.remove(&id);
                }
            }
            Err(error) => tracing::error!(%error, "the task of an execution failed"),
        }
    }
}
