//! One `Execute` call: the first message is Start, the last answer Finished, or a status in its place.

use codemode_proto::{tool_answer, v1};
use codemode_types::{ExecutionId, Rejection, ToolFailure};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};
use v1::client_message::Message;

use super::{
    Outgoing,
    pump::{Command, pump},
    request::{credit, request},
    stopped::Stopped,
};
use crate::{
    audit::Origin,
    executions::{Executions, invalid, new_id},
    refusal,
};

pub(super) async fn run(
    executions: Executions,
    origin: Origin,
    incoming: Streaming<v1::ClientMessage>,
    outgoing: Outgoing,
) {
    let gone = outgoing.clone();
    let call = async {
        if let Err(stopped) = converse(&executions, &origin, incoming, &outgoing).await {
            let _ = outgoing.send(Err(stopped.told(executions.audit(), &origin).await)).await;
        }
    };
    tokio::select! {
        () = call => {}
        () = gone.closed() => tracing::debug!("a client went away"),
    }
}

async fn converse(
    executions: &Executions,
    origin: &Origin,
    mut incoming: Streaming<v1::ClientMessage>,
    outgoing: &Outgoing,
) -> Result<(), Stopped> {
    let (id, start) = match incoming.message().await? {
        Some(v1::ClientMessage { execution_id, message: Some(Message::Start(start)) }) => (execution_id, start),
        _ => return Err(Status::invalid_argument("the first message of Execute must be Start").into()),
    };
    let credit = credit(&start);
    let refused = |rejection: Rejection| Stopped::Recorded(refusal::status(&rejection));
    let request = match chosen(&id).and_then(|id| request(id, start, executions.policy())) {
        Ok(request) => request,
        Err(rejection) => {
            executions.refused(origin, ExecutionId::parse(&id).ok().as_ref(), &rejection).await;
            return Err(refused(rejection));
        }
    };
    let id = request.id.clone();
    let admitted = executions.admit(request, origin).await.map_err(refused)?;
    let (commands, taken) = mpsc::channel(1);
    let pumped = pump(id.clone(), admitted, taken, outgoing.clone(), credit);
    tokio::pin!(pumped);
    tokio::select! {
        () = &mut pumped => Ok(()),
        ended = relay(&id, &mut incoming, &commands) => {
            ended?;
            // Half-closed: the code may finish. `commands` lives on, because its end would end the execution.
            pumped.await;
            drop(commands);
            Ok(())
        }
    }
}

fn chosen(id: &str) -> Result<ExecutionId, Rejection> {
    match id.is_empty() {
        true => new_id(),
        false => ExecutionId::parse(id).map_err(invalid),
    }
}

/// Until the client half-closes. An error ends the call, and with it the execution.
async fn relay(
    id: &ExecutionId,
    incoming: &mut Streaming<v1::ClientMessage>,
    commands: &mpsc::Sender<Command>,
) -> Result<(), Status> {
    while let Some(message) = incoming.message().await? {
        if !message.execution_id.is_empty() && message.execution_id != id.as_str() {
            return Err(Status::invalid_argument("Execute carries one execution; use Connect for several"));
        }
        let command = match message.message {
            Some(Message::ToolResult(result)) => {
                let call_id = result.call_id;
                let (call_id, answer) = tool_answer(result)
                    .unwrap_or_else(|error| (call_id, Err(ToolFailure::new("BadAnswer", error.to_string()))));
                Command::Answer(call_id, answer)
            }
            Some(Message::ToolResultPart(part)) => Command::Part(part),
            Some(Message::ToolHeld(v1::ToolHeld { call_id, held })) => Command::Held(call_id, held),
            Some(Message::Cancel(_)) => Command::Cancel,
            Some(Message::Credit(credit)) => Command::Credit(credit.bytes),
            Some(Message::Start(_) | Message::Hello(_)) | None => {
                let message = "after Start come only ToolResult, ToolResultPart, ToolHeld, Cancel and Credit";
                return Err(Status::invalid_argument(message));
            }
        };
        let _ = commands.send(command).await;
    }
    Ok(())
}
