use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use codemode_types::ToolFailure;

use super::{CallStatus, Event, Outlet};
use crate::Hold;

/// Of an error's text in an event, in characters.
const SHOWN: usize = 4000;

/// Tells a reader of [`Client::stream`](crate::Client::stream) about one call; where nobody reads it does nothing.
/// Clones are about the same call.
///
/// ```
/// use codemode_client::{ToolCall, ToolFuture};
///
/// /// Of a `ToolHost` that forwards calls.
/// fn forward(call: ToolCall) -> ToolFuture {
///     call.reporter.progress("forwarded", None);
///     Box::pin(async { Ok(b"null".to_vec()) })
/// }
/// # drop(forward(ToolCall::detached("x", &codemode_client::json!({})).unwrap()));
/// ```
#[derive(Clone)]
pub struct CallReporter(Option<Arc<Reports>>);

struct Reports {
    call_id: u64,
    name: String,
    outlet: Outlet,
    /// Nothing is told of a call that is over.
    over: Mutex<bool>,
}

impl CallReporter {
    pub(crate) fn silent() -> Self {
        Self(None)
    }

    /// Tells that the call has begun, as soon as the reader has room for it.
    pub(crate) async fn begin(outlet: &Outlet, call_id: u64, name: &str, arguments: &[u8]) -> Self {
        let event = Event::ToolCallStarted { call_id, name: name.into(), arguments: Bytes::copy_from_slice(arguments) };
        outlet.put(event, arguments.len()).await;
        let reports = Reports { call_id, name: name.into(), outlet: outlet.clone(), over: Mutex::new(false) };
        Self(Some(Arc::new(reports)))
    }

    /// How far the tool is, from 0 to 1 where that is known. Dropped where the reader is far behind.
    ///
    /// ```
    /// use codemode_client::{ToolCall, json};
    ///
    /// # fn main() -> Result<(), codemode_client::ClientError> {
    /// ToolCall::detached("load", &json!({}))?.reporter.progress("half of it", 0.5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn progress(&self, message: impl Into<String>, fraction: impl Into<Option<f64>>) {
        self.tell(|reports, _| {
            let message = message.into();
            let fraction =
                fraction.into().filter(|fraction| !fraction.is_nan()).map(|fraction| fraction.clamp(0.0, 1.0));
            let length = message.len();
            let event = Event::ToolProgress { call_id: reports.call_id, name: reports.name.clone(), message, fraction };
            reports.outlet.offer(event, length);
        });
    }

    /// That a person is asked about the call. [`Tools`](crate::Tools) tells it by itself.
    ///
    /// ```
    /// use codemode_client::{ToolCall, json};
    ///
    /// # fn main() -> Result<(), codemode_client::ClientError> {
    /// ToolCall::detached("pay", &json!({}))?.reporter.approval_requested("payments need approval");
    /// # Ok(())
    /// # }
    /// ```
    pub fn approval_requested(&self, reason: &str) {
        self.tell(|reports, _| {
            let (call_id, name) = (reports.call_id, reports.name.clone());
            reports.outlet.push(Event::ApprovalRequested { call_id, name, reason: shown(reason) });
        });
    }

    pub(crate) fn answered(&self, answer: &Result<Vec<u8>, ToolFailure>, hold: &Hold) {
        match answer {
            Ok(_) => self.finish(CallStatus::Ok, None, hold),
            Err(failure) if failure.kind == "ApprovalDenied" => {
                self.finish(CallStatus::Denied, Some(&failure.message), hold);
            }
            Err(failure) => self.finish(CallStatus::Error, Some(&failure.message), hold),
        }
    }

    /// The executor waits for it no more: its time is up, or the execution is over.
    pub(crate) fn abandoned(&self, timeout: Duration, hold: &Hold) {
        match hold.timed_out() {
            true => {
                let error = format!("the tool did not answer within {} s", timeout.as_secs_f64());
                self.finish(CallStatus::Timeout, Some(&error), hold);
            }
            false => {
                let error = "the execution ended before the tool answered";
                self.finish(CallStatus::Abandoned, Some(error), hold);
            }
        }
    }

    fn finish(&self, status: CallStatus, error: Option<&str>, hold: &Hold) {
        self.tell(|reports, over| {
            *over = true;
            reports.outlet.push(Event::ToolCallFinished {
                call_id: reports.call_id,
                name: reports.name.clone(),
                status,
                duration: hold.age(),
                error: error.map(shown),
            });
        });
    }

    fn tell(&self, what: impl FnOnce(&Reports, &mut bool)) {
        if let Some(reports) = &self.0 {
            let mut over = reports.over.lock().unwrap_or_else(PoisonError::into_inner);
            if !*over {
                what(reports, &mut over);
            }
        }
    }
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

impl fmt::Debug for CallReporter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("CallReporter").field(&self.0.as_ref().map(|reports| reports.call_id)).finish()
    }
}
