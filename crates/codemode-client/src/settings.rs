use std::time::{Duration, SystemTime, UNIX_EPOCH};

use codemode_config::ClientConfig;
use codemode_types::CorrelationId;

use crate::{ClientError, ExecutionOutcome, Request, request::fill_random};

/// What a configuration says of every execution of a client.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The first one counts.
    attempts: u64,
    backoff_base: Duration,
    backoff_max: Duration,
    max_code_length: Option<u64>,
    /// `None`: the executor makes the ids.
    correlation_prefix: Option<String>,
    traceback_limit: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            attempts: 1,
            backoff_base: Duration::ZERO,
            backoff_max: Duration::ZERO,
            max_code_length: None,
            correlation_prefix: None,
            traceback_limit: None,
        }
    }
}

impl Settings {
    pub(crate) fn of(config: &ClientConfig) -> Self {
        let (retry, seen) = (&config.retry, &config.observability);
        Self {
            attempts: if retry.enabled { retry.max_attempts } else { 1 },
            backoff_base: retry.backoff_base,
            backoff_max: retry.backoff_max,
            max_code_length: config.max_code_length,
            correlation_prefix: seen.include_correlation_id.then(|| seen.correlation_id_prefix.clone()),
            traceback_limit: seen.traceback_limit,
        }
    }

    /// What the request itself says stands above this, but for a limit, which is only lowered.
    pub(crate) fn applied(&self, mut request: Request) -> Result<Request, ClientError> {
        let lengths = [request.overrides.max_code_length, self.max_code_length];
        request.overrides.max_code_length = lengths.into_iter().flatten().min();
        if let (None, Some(prefix)) = (&request.correlation_id, &self.correlation_prefix) {
            request.correlation_id = Some(correlation_id(prefix)?);
        }
        Ok(request)
    }

    /// How long to wait after attempt number `attempt` failed; `None`: that was the last one. Half of it is random, or
    /// all clients that one outage hit would come back at once.
    pub(crate) fn pause(&self, attempt: u64, error: &ClientError) -> Option<Duration> {
        if attempt >= self.attempts || !error.retryable() {
            return None;
        }
        let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
        let pause = self.backoff_base.saturating_mul(1 << doublings).min(self.backoff_max);
        let mut random = [0];
        fill_random(&mut random).ok()?;
        Some(pause.mul_f64(0.5 + f64::from(random[0]) / 510.0))
    }

    pub(crate) fn trimmed(&self, mut outcome: ExecutionOutcome) -> ExecutionOutcome {
        if let (Some(limit), Some(failure)) = (self.traceback_limit, &mut outcome.report.failure) {
            failure.traceback = trimmed(&failure.traceback, usize::try_from(limit).unwrap_or(usize::MAX));
        }
        outcome
    }
}

fn correlation_id(prefix: &str) -> Result<CorrelationId, ClientError> {
    let mut random = [0; 4];
    fill_random(&mut random)?;
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let plain = CorrelationId::from_parts(millis, u32::from_le_bytes(random));
    let rest = plain.as_str().split_once('-').map_or("", |(_, rest)| rest);
    CorrelationId::parse(&format!("{prefix}-{rest}")).map_err(|error| ClientError::config(error.to_string()))
}

/// The traceback with its last `limit` frames; 0 leaves none of it.
fn trimmed(traceback: &str, limit: usize) -> String {
    const FRAME: &str = "\n  File ";
    let mut parts = traceback.split(FRAME);
    let (head, frames) = (parts.next().unwrap_or_default(), parts.collect::<Vec<_>>());
    match limit {
        0 => String::new(),
        limit if frames.len() <= limit => traceback.to_owned(),
        limit => [&[head], &frames[frames.len() - limit..]].concat().join(FRAME),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_frames_are_kept() {
        let text = "Traceback:\n  File \"a\", line 1\n    x\n  File \"b\", line 2\n    y\nValueError: z";
        assert_eq!(trimmed(text, 0), "");
        assert_eq!(trimmed(text, 1), "Traceback:\n  File \"b\", line 2\n    y\nValueError: z");
        assert_eq!(trimmed(text, 2), text);
        assert_eq!(trimmed("", 3), "");
    }

    #[test]
    fn pauses_double_up_to_a_bound_and_end() {
        let settings = Settings {
            attempts: 4,
            backoff_base: Duration::from_millis(100),
            backoff_max: Duration::from_millis(300),
            ..Settings::default()
        };
        let error = ClientError::Connection { url: String::new(), detail: String::new() };
        for (attempt, most) in [(1, 100), (2, 200), (3, 300)] {
            let pause = settings.pause(attempt, &error).unwrap().as_millis();
            assert!((most / 2..=most).contains(&pause), "{attempt}: {pause}");
        }
        assert_eq!(settings.pause(4, &error), None);
        assert_eq!(settings.pause(1, &ClientError::Closed { execution_id: None }), None);
    }

    #[test]
    fn a_limit_is_only_lowered() {
        let settings =
            Settings { max_code_length: Some(10), correlation_prefix: Some("app".into()), ..Settings::default() };
        let mut request = settings.applied(Request::new("1")).unwrap();
        assert_eq!(request.overrides.max_code_length, Some(10));
        assert!(request.correlation_id.as_ref().unwrap().as_str().starts_with("app-"));
        request.overrides.max_code_length = Some(5);
        request.correlation_id = Some(CorrelationId::parse("mine").unwrap());
        let request = settings.applied(request).unwrap();
        assert_eq!((request.overrides.max_code_length, request.correlation_id.unwrap().as_str()), (Some(5), "mine"));
    }
}
