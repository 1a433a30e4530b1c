//! One execution's traffic. Commands are always taken, even while the stream to the client is full, so that one
//! execution whose output nobody reads holds up no other.

use std::time::Duration;

use bytes::Bytes;
use codemode_engine::ExecutionEvent;
use codemode_proto::{TOOL_RESULT_CREDIT, v1};
use codemode_types::{ExecutionId, OutputStream, ToolFailure};
use tokio::{sync::mpsc, time::sleep};

use super::Outgoing;
use crate::executions::{Admitted, log_end};

/// How long `Accepted` waits for something to go along with: by itself it would wake a client for nothing, while its
/// execution wants the processor.
const ALONG: Duration = Duration::from_millis(5);

/// What the client says of a running execution.
#[derive(Debug)]
pub(super) enum Command {
    Answer(u64, Result<Vec<u8>, ToolFailure>),
    Part(v1::ToolResultPart),
    Held(u64, bool),
    Cancel,
    Credit(u64),
}

/// What waits for room in the stream, or for credit.
enum Waiting {
    Output(OutputStream, Bytes),
    Message(v1::server_message::Message),
    Last(v1::server_message::Message),
}

/// Runs until `Finished` is on its way, or until the stream's end has dropped `commands` or `outgoing`.
pub(super) async fn pump(
    id: ExecutionId,
    mut admitted: Admitted,
    mut commands: mpsc::Receiver<Command>,
    outgoing: Outgoing,
    mut credit: u64,
) {
    let warnings = std::mem::take(&mut admitted.execution.warnings);
    let mut accepted = Some(v1::Accepted { warnings });
    let accompanied = sleep(ALONG);
    tokio::pin!(accompanied);
    let mut is_due = false;
    let mut waiting: Option<Waiting> = None;
    let mut room = TOOL_RESULT_CREDIT;
    loop {
        let sendable = match &waiting {
            None => false,
            Some(Waiting::Output(..)) => credit > 0,
            Some(Waiting::Message(_) | Waiting::Last(_)) => true,
        };
        let (execution, trail) = (&mut admitted.execution, &mut admitted.trail);
        let recorded = trail.is_queued();
        tokio::select! {
            command = commands.recv() => match command {
                Some(Command::Answer(call_id, answer)) => execution.answer(call_id, answer),
                Some(Command::Part(v1::ToolResultPart { call_id, total_bytes, data })) => {
                    let Some(left) = room.checked_sub(data.len() as u64) else { return overdrawn(&id, &outgoing).await };
                    room = left;
                    execution.answer_part(call_id, total_bytes, data);
                }
                Some(Command::Held(call_id, held)) => execution.hold(call_id, held),
                Some(Command::Cancel) => execution.cancel(),
                Some(Command::Credit(bytes)) => credit = credit.saturating_add(bytes),
                None => return,
            },
            event = execution.events.recv(), if waiting.is_none() && recorded => match event {
                Some(event) => {
                    trail.hear(&event);
                    if let ExecutionEvent::AnswerTaken { bytes } = event {
                        room += bytes;
                    }
                    waiting = waiting_for(event);
                }
                // The engine promises a last event; without one the client must not wait for ever.
                None => return refuse(&id, &outgoing).await,
            },
            () = trail.queued(), if !recorded => {}
            () = &mut accompanied, if accepted.is_some() && !is_due => is_due = true,
            permit = outgoing.reserve(), if (sendable && recorded) || is_due => {
                let Ok(permit) = permit else { return };
                if let Some(accepted) = accepted.take() {
                    is_due = false;
                    permit.send(Ok(v1::ServerMessage::new(id.as_str(), accepted)));
                    continue;
                }
                let Some(unsent) = waiting.take() else { return };
                let message = match unsent {
                    Waiting::Output(stream, data) => {
                        let (now, later) = split(data, &mut credit);
                        waiting = later.map(|data| Waiting::Output(stream, data));
                        v1::Output::of(stream, now).into()
                    }
                    Waiting::Message(message) => message,
                    Waiting::Last(message) => {
                        // The id is free before the client can know that the execution is over.
                        drop(admitted);
                        permit.send(Ok(v1::ServerMessage::new(id.as_str(), message)));
                        return;
                    }
                };
                permit.send(Ok(v1::ServerMessage::new(id.as_str(), message)));
            }
        }
    }
}

/// `None`: nothing that the client hears of.
fn waiting_for(event: ExecutionEvent) -> Option<Waiting> {
    Some(match event {
        ExecutionEvent::Output { stream, data } => Waiting::Output(stream, data),
        ExecutionEvent::ToolCall { call_id, name, arguments, timeout } => {
            Waiting::Message(v1::ToolCall::of(call_id, name, arguments, timeout).into())
        }
        ExecutionEvent::ToolCallAbandoned { call_id, timed_out } => {
            Waiting::Message(v1::ToolCallAbandoned { call_id, timed_out }.into())
        }
        ExecutionEvent::AnswerTaken { bytes } => Waiting::Message(v1::ToolResultCredit { bytes }.into()),
        // The log's; of those refused the report lists the violations.
        ExecutionEvent::Network(_) => return None,
        ExecutionEvent::Finished(report) => {
            log_end(&report);
            Waiting::Last(v1::Finished::from(*report).into())
        }
    })
}

/// As much as the credit covers, and the rest.
fn split(mut data: Bytes, credit: &mut u64) -> (Bytes, Option<Bytes>) {
    let covered = usize::try_from(*credit).unwrap_or(usize::MAX).min(data.len());
    let rest = data.split_off(covered);
    *credit -= covered as u64;
    (data, Some(rest).filter(|rest| !rest.is_empty()))
}

async fn refuse(id: &ExecutionId, outgoing: &Outgoing) {
    tracing::error!(execution_id = %id, "the engine ended an execution without a report");
    let message = "the executor lost this execution; the code may have run in part";
    let status = tonic::Status::internal(format!("{id}: {message}"));
    let _ = outgoing.send(Err(status)).await;
}

/// More parts than there was credit for would be held here without a bound.
async fn overdrawn(id: &ExecutionId, outgoing: &Outgoing) {
    let message = format!("{id}: more bytes in ToolResultPart than ToolResultCredit allowed");
    let _ = outgoing.send(Err(tonic::Status::resource_exhausted(message))).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_split_at_the_credit() {
        let mut credit = 3;
        let (now, later) = split(Bytes::from_static(b"abcde"), &mut credit);
        assert_eq!((&now[..], later.as_deref(), credit), (&b"abc"[..], Some(&b"de"[..]), 0));
        let mut credit = 9;
        assert_eq!(split(Bytes::from_static(b"ab"), &mut credit), (Bytes::from_static(b"ab"), None));
        assert_eq!(credit, 7);
    }
}
