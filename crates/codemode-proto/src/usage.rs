use std::time::Duration;

use codemode_types::Usage;

use crate::{limits::microseconds, v1};

impl From<Usage> for v1::Usage {
    fn from(usage: Usage) -> Self {
        Self {
            wall_us: microseconds(usage.wall),
            guest_us: microseconds(usage.guest),
            tool_us: microseconds(usage.tool),
            cpu_us: microseconds(usage.cpu),
            peak_memory_bytes: usage.peak_memory_bytes,
        }
    }
}

impl From<v1::Usage> for Usage {
    fn from(usage: v1::Usage) -> Self {
        Self {
            wall: Duration::from_micros(usage.wall_us),
            guest: Duration::from_micros(usage.guest_us),
            tool: Duration::from_micros(usage.tool_us),
            cpu: Duration::from_micros(usage.cpu_us),
            peak_memory_bytes: usage.peak_memory_bytes,
        }
    }
}
