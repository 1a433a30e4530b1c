//! Runs Python with Rust functions as tools, in an executor of this program's own, and shows what happens meanwhile.
//!
//! ```text
//! cargo build -p codemode-cli && cargo run -p codemode-example
//! ```
#![forbid(unsafe_code)]

use std::{error::Error, io::Write, path::PathBuf, process::ExitCode, sync::Arc};

use codemode_client::{
    Approval, ApprovalAction, ApprovalDecision, ApprovalRequest, Call, Client, EmbeddedOptions, Event,
    ExecutionOutcome, RegistrationError, Request, Tool, ToolFailure, Tools, json,
};
use serde::{Deserialize, Serialize};

const CODE: &str = r#"
cities = ['Oslo', 'Cairo']
reports = tools['weather'].map([{'location': city} for city in cities])
for report in reports:
    print(f"{report['location']}: {report['celsius']} degrees")
for city in cities:
    try:
        print(tools['book'].run(location=city))
    except ToolError as error:
        print(error)
sum(report['celsius'] for report in reports) / len(reports)
"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let client = Client::embedded(EmbeddedOptions::new(executable()?))?;
    let request = Request::new(CODE).context(&json!({ "user": "ada" }))?;
    let mut events = client.stream(request, Arc::new(tools()?));
    let mut ended = None;
    while let Some(event) = events.next().await {
        match event {
            Event::Stdout(bytes) => std::io::stdout().write_all(&bytes)?,
            Event::Stderr(bytes) => std::io::stderr().write_all(&bytes)?,
            Event::ToolProgress { name, message, .. } => println!("  {name}: {message}"),
            Event::ToolCallFinished { name, status, .. } => println!("  {name}: {status}"),
            Event::Finished(outcome) => ended = Some(outcome?),
            _ => {}
        }
    }
    client.close().await;
    show(&ended.ok_or("the execution has no end")?)
}

#[derive(Deserialize)]
struct Place {
    location: String,
}

#[derive(Serialize)]
struct Report {
    location: String,
    celsius: f64,
}

/// What the code may call.
fn tools() -> Result<Tools, RegistrationError> {
    let place = json!({
        "type": "object",
        "properties": { "location": { "type": "string", "description": "A city" } },
        "required": ["location"],
        "additionalProperties": false,
    });
    let weather =
        Tool::new("weather", "The temperature at a place", weather).input_schema(&place).output_schema(&json!({
            "type": "object",
            "properties": { "location": { "type": "string" }, "celsius": { "type": "number" } },
            "required": ["location", "celsius"],
        }));
    let book = Tool::with_call("book", "Books a journey", book).input_schema(&place).approval(Approval::ask().rule(
        "location",
        "Oslo",
        ApprovalAction::Allow,
    ));
    Ok(Tools::of([weather, book])?.on_approval(decide))
}

async fn weather(place: Place) -> Result<Report, ToolFailure> {
    let celsius = match place.location.as_str() {
        "Oslo" => 4.0,
        "Cairo" => 31.0,
        other => return Err(ToolFailure::new("ValueError", format!("no weather for {other:?}"))),
    };
    Ok(Report { location: place.location, celsius })
}

async fn book(place: Place, call: Call) -> Result<String, ToolFailure> {
    call.progress("asking the airline", 0.5);
    let user = call.context()["user"].as_str().unwrap_or("nobody");
    Ok(format!("{user} flies to {}", place.location))
}

/// An application would ask a person here.
async fn decide(request: ApprovalRequest) -> ApprovalDecision {
    ApprovalDecision::deny(format!("nobody is here to approve {}", request.arguments["location"]))
}

fn show(outcome: &ExecutionOutcome) -> Result<ExitCode, Box<dyn Error>> {
    let report = &outcome.report;
    if let Some(failure) = &report.failure {
        eprintln!("{}{}: {}", failure.traceback, failure.error_type, failure.message);
    }
    println!("result: {:?}", outcome.result::<f64>()?);
    println!("{} in {:.1?}, {} tool calls", report.outcome, report.duration, report.tool_calls.len());
    println!("isolation: tier {}, {}", report.isolation.tier, report.isolation.layers.join(", "));
    Ok(ExitCode::from(u8::try_from(report.exit_code).unwrap_or(1)))
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
