//! What we and the process of the tools say to each other: a line of JSON, then as many bytes as its `bytes` says.
//! `python/codemode/_tools_serve.py` is the other side.

use std::{io, time::Duration};

use codemode_client::{ToolCall, ToolFailure, ToolSpec};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ToPython<'a> {
    /// Its bytes: the arguments.
    Call { execution_id: &'a str, call_id: u64, name: &'a str, value_bytes: u64 },
    /// Nobody waits for the answer any more.
    Abandon { call_id: u64, timed_out: bool },
}

impl<'a> ToPython<'a> {
    pub(super) fn of(call: &'a ToolCall) -> Self {
        Self::Call {
            execution_id: call.execution_id.as_str(),
            call_id: call.call_id,
            name: &call.name,
            value_bytes: call.value_bytes,
        }
    }
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum FromPython {
    /// First, and once.
    Ready(Ready),
    /// Its bytes: the value, or where it is not ok the failure.
    Answer { call_id: u64, ok: bool },
    /// Last: nothing runs any more.
    Closed { warnings: Vec<String> },
}

#[derive(Deserialize)]
pub(super) struct Ready {
    pub(super) tools: Vec<Spec>,
    /// Tagged JSON, as the next one.
    pub(super) context: String,
    pub(super) config: String,
}

/// As `RawToolSpec` in Python.
#[derive(Deserialize)]
pub(super) struct Spec {
    name: String,
    description: String,
    input_schema: Option<String>,
    output_schema: Option<String>,
    is_async: bool,
    has_context: bool,
    timeout: Option<f64>,
}

impl From<Spec> for ToolSpec {
    fn from(spec: Spec) -> Self {
        Self {
            name: spec.name,
            description: spec.description,
            input_schema: spec.input_schema.map(String::into_bytes),
            output_schema: spec.output_schema.map(String::into_bytes),
            is_async: spec.is_async,
            has_context: spec.has_context,
            // Python has checked it.
            timeout: spec.timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Line<M> {
    bytes: u64,
    #[serde(flatten)]
    message: M,
}

pub(super) fn frame(message: &ToPython<'_>, body: &[u8]) -> Vec<u8> {
    // Text and numbers always have JSON.
    let mut frame = serde_json::to_vec(&Line { bytes: body.len() as u64, message }).unwrap_or_default();
    frame.push(b'\n');
    frame.extend_from_slice(body);
    frame
}

/// `None` at the end.
pub(super) async fn read(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<(FromPython, Vec<u8>)>> {
    let mut line = Vec::new();
    if from.read_until(b'\n', &mut line).await? == 0 {
        return Ok(None);
    }
    let Line { bytes, message } = serde_json::from_slice(&line)?;
    let mut body = Vec::new();
    from.take(bytes).read_to_end(&mut body).await?;
    match body.len() as u64 == bytes {
        true => Ok(Some((message, body))),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

pub(super) fn failure(json: &[u8]) -> ToolFailure {
    #[derive(Deserialize)]
    struct Failure {
        r#type: String,
        message: String,
        valid_parameters: Vec<String>,
        suggestions: Vec<String>,
    }
    match serde_json::from_slice(json) {
        Ok(Failure { r#type, message, valid_parameters, suggestions }) => {
            ToolFailure { kind: r#type, message, valid_parameters, suggestions }
        }
        Err(_) => ToolFailure::new("RuntimeError", "the tool failed, and what it said is no text"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_is_a_line_and_its_bytes() {
        let abandon = frame(&ToPython::Abandon { call_id: 7, timed_out: true }, b"");
        assert_eq!(abandon, b"{\"bytes\":0,\"type\":\"abandon\",\"call_id\":7,\"timed_out\":true}\n");
        let mut said: &[u8] = b"{\"type\":\"answer\",\"call_id\":7,\"ok\":true,\"bytes\":4}\n[\n1]{\"type\":\"closed\",\"warnings\":[],\"bytes\":0}\n";
        let (message, body) = read(&mut said).await.unwrap().unwrap();
        assert!(matches!(message, FromPython::Answer { call_id: 7, ok: true }));
        assert_eq!(body, b"[\n1]");
        assert!(matches!(read(&mut said).await.unwrap(), Some((FromPython::Closed { .. }, _))));
        assert!(read(&mut said).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_is_cut_or_no_message_is_an_error() {
        for said in
            ["{\"type\":\"closed\",\"warnings\":[],\"bytes\":9}\nshort", "{\"type\":\"other\",\"bytes\":0}\n", "x"]
        {
            assert!(read(&mut said.as_bytes()).await.is_err(), "{said}");
        }
    }
}
