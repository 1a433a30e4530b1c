use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ByteSize;

/// Bounds of one execution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Seconds of wall time less the time with at least one tool call pending.
    #[serde(with = "seconds")]
    pub code_timeout: Duration,
    /// Seconds per tool call.
    #[serde(with = "seconds")]
    pub tool_timeout: Duration,
    /// Seconds of wall time, whatever happens.
    #[serde(with = "seconds")]
    pub total_timeout: Duration,
    /// Characters.
    pub max_code_length: u64,
    pub memory_limit: ByteSize,
    /// Cores' worth of CPU time; also scales the CPU time budget, `code_timeout` × `cpus`.
    pub cpus: f64,
    /// Processes and threads together.
    pub processes: u64,
    pub open_files: u64,
    /// One file.
    pub file_size: ByteSize,
    /// Per stream.
    pub output_bytes: ByteSize,
    pub result_bytes: ByteSize,
    /// One tool value, either way.
    pub value_bytes: ByteSize,
    pub max_tool_calls: u64,
}

impl Default for Limits {
    /// The table in reference.md, which the documentation repeats.
    fn default() -> Self {
        Self {
            code_timeout: Duration::from_secs(30),
            tool_timeout: Duration::from_secs(60),
            total_timeout: Duration::from_secs(300),
            max_code_length: 50_000,
            memory_limit: ByteSize::mib(512),
            cpus: 1.0,
            processes: 64,
            open_files: 256,
            file_size: ByteSize::mib(256),
            output_bytes: ByteSize::mib(10),
            result_bytes: ByteSize::mib(16),
            value_bytes: ByteSize::mib(16),
            max_tool_calls: 1_000,
        }
    }
}

/// What one request asks of the limits. Asking for more than the executor allows is clamped, and the result says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitOverrides {
    pub code_timeout: Option<Duration>,
    pub tool_timeout: Option<Duration>,
    pub total_timeout: Option<Duration>,
    pub max_code_length: Option<u64>,
    pub max_tool_calls: Option<u64>,
}

impl Limits {
    /// These limits with the overrides applied, and a warning for each that was clamped.
    pub fn overridden(&self, overrides: &LimitOverrides) -> (Self, Vec<String>) {
        let mut limits = self.clone();
        let mut warnings = Vec::new();
        let mut lower = |name: &str, slot: &mut Duration, asked: Option<Duration>| {
            let Some(asked) = asked else { return };
            if asked > *slot {
                warnings.push(format!(
                    "{name}: {} s is more than this executor allows; {} s holds",
                    asked.as_secs_f64(),
                    slot.as_secs_f64()
                ));
            }
            *slot = asked.min(*slot);
        };
        lower("code_timeout", &mut limits.code_timeout, overrides.code_timeout);
        lower("tool_timeout", &mut limits.tool_timeout, overrides.tool_timeout);
        lower("total_timeout", &mut limits.total_timeout, overrides.total_timeout);
        let mut fewer = |name: &str, what: &str, slot: &mut u64, asked: Option<u64>| {
            let Some(asked) = asked else { return };
            if asked > *slot {
                warnings.push(format!("{name}: {asked} {what} are more than this executor allows; {slot} hold"));
            }
            *slot = asked.min(*slot);
        };
        fewer("max_code_length", "characters", &mut limits.max_code_length, overrides.max_code_length);
        fewer("max_tool_calls", "calls", &mut limits.max_tool_calls, overrides.max_tool_calls);
        (limits, warnings)
    }

    /// The CPU time budget: `code_timeout` × `cpus`.
    pub fn cpu_time(&self) -> Duration {
        self.code_timeout.mul_f64(self.cpus.clamp(0.01, 1024.0))
    }
}

/// Durations as seconds, whole or fractional.
pub(crate) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        match value.subsec_nanos() {
            0 => serializer.serialize_u64(value.as_secs()),
            _ => serializer.serialize_f64(value.as_secs_f64()),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        match Duration::try_from_secs_f64(seconds) {
            Ok(duration) if !duration.is_zero() && seconds <= 31_536_000.0 => Ok(duration),
            _ => Err(de::Error::custom("must be a number of seconds above 0 and at most one year")),
        }
    }
}
