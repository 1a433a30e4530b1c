//! Runs Python with one Rust closure as a tool, in an executor of this program's own.
//!
//! ```text
//! cargo build -p codemode-cli && cargo run -p codemode-example
//! ```
#![forbid(unsafe_code)]

use std::{error::Error, io::Write, path::PathBuf, process::ExitCode, sync::Arc};

use codemode_client::{Client, EmbeddedOptions, Request, Tools, Value, json};
use codemode_types::{OutputStream, ToolFailure};

const CODE: &str = r#"
cities = ['Oslo', 'Cairo']
reports = [tools['weather'].run(location=city) for city in cities]
for report in reports:
    print(f"{report['location']}: {report['celsius']} degrees")
sum(report['celsius'] for report in reports) / len(reports)
"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let client = Client::embedded(EmbeddedOptions::new(executable()?))?;
    let tools = Tools::new().tool("weather", "The temperature at a place", weather).input_schema(&json!({
        "type": "object",
        "properties": { "location": { "type": "string" } },
        "required": ["location"],
    }));
    let outcome = client.execute(Request::new(CODE), Arc::new(tools), forward).await?;
    client.close().await;

    let report = outcome.report;
    if let Some(failure) = &report.failure {
        eprintln!("{}{}: {}", failure.traceback, failure.error_type, failure.message);
    }
    let result = report.result.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    println!("result: {result}");
    println!("{} in {:.1?}, {} tool calls", report.outcome, report.duration, report.tool_calls.len());
    println!("isolation: tier {}, {}", report.isolation.tier, report.isolation.layers.join(", "));
    Ok(ExitCode::from(u8::try_from(report.exit_code).unwrap_or(1)))
}

async fn weather(arguments: Value) -> Result<Value, ToolFailure> {
    let location = arguments["location"].as_str().unwrap_or_default();
    match location {
        "Oslo" => Ok(json!({ "location": location, "celsius": 4 })),
        "Cairo" => Ok(json!({ "location": location, "celsius": 31 })),
        _ => Err(ToolFailure::new("ValueError", format!("no weather for {location:?}"))),
    }
}

/// Output as it comes.
fn forward(stream: OutputStream, data: &[u8]) {
    // Nobody can be told that the terminal is gone.
    let _ = match stream {
        OutputStream::Stdout => std::io::stdout().write_all(data),
        OutputStream::Stderr => std::io::stderr().write_all(data),
    };
}

/// `CODEMODE_EXECUTABLE`, or the binary that cargo built beside this one.
fn executable() -> Result<PathBuf, Box<dyn Error>> {
    if let Some(named) = std::env::var_os("CODEMODE_EXECUTABLE") {
        return Ok(named.into());
    }
    let beside = std::env::current_exe()?.with_file_name("codemode");
    match beside.is_file() {
        true => Ok(beside),
        false => Err(format!("{} is missing; run `cargo build -p codemode-cli` first", beside.display()).into()),
    }
}
