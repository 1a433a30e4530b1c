//! The text that tells a model how to write code for an executor: from what the executor says of itself, so that it
//! cannot say anything else than what holds.

use std::time::Duration;

use codemode_proto::ExecutorInfo;
use codemode_types::{NetworkMode, Policy, ToolSpec};

use crate::{
    python::{push_visible, quoted},
    schema::parameters,
    stubs::{Body, StubError, duplicates, example, schema_of, unnameable},
};

/// Of the list of packages, in bytes.
const PACKAGES: usize = 600;
/// What code asks for most, first: the list of a large environment is cut.
const WELL_KNOWN: [&str; 24] = [
    "numpy",
    "pandas",
    "scipy",
    "matplotlib",
    "scikit-learn",
    "polars",
    "pyarrow",
    "statsmodels",
    "sympy",
    "seaborn",
    "plotly",
    "pillow",
    "requests",
    "httpx",
    "aiohttp",
    "beautifulsoup4",
    "lxml",
    "pyyaml",
    "openpyxl",
    "pydantic",
    "sqlalchemy",
    "duckdb",
    "networkx",
    "jinja2",
];
/// Tools for making environments.
const UNTOLD: [&str; 3] = ["pip", "setuptools", "wheel"];

/// How to write code for this executor and these tools, for a model to read. The same text for the same two.
///
/// Tools are shown as a stub, in their order. One whose name is no identifier is described below it.
///
/// ```
/// use codemode_client::{ExecutorInfo, Isolation, Policy, Tier, Tool, ToolHost, Tools, Value, json, prompt::prompt};
///
/// let info = ExecutorInfo {
///     version: "1.0.0".into(),
///     isolation: Isolation {
///         tier: Tier::Full,
///         layers: Vec::new(),
///         substitutes: Vec::new(),
///         not_promised: Vec::new(),
///     },
///     policy: Policy::default(),
///     max_concurrent_executions: 8,
///     python: "3.12.4".into(),
///     packages: vec!["numpy 2.1.0".into()],
///     environments: Vec::new(),
/// };
/// let tools = Tools::of([Tool::new("weather", "Weather at a place", |_: Value| async { Ok(json!(21)) })])?;
/// let text = prompt(&info, &tools.specs())?;
/// assert!(text.contains("CPython 3.12.4") && text.contains("numpy 2.1.0") && text.contains("def weather("), "{text}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Fails only if two tools have one name.
pub fn prompt(info: &ExecutorInfo, tools: &[ToolSpec]) -> Result<String, StubError> {
    let problems = duplicates(tools);
    if !problems.is_empty() {
        return Err(StubError { problems });
    }
    let policy = &info.policy;
    let python = if info.python.is_empty() { String::new() } else { format!(" {}", info.python) };
    let lines = [
        "The result is the value of the variable `result`, or of the last expression where there is no such variable. What \
         is printed is returned too. Top-level `await` works."
            .to_owned(),
        files(policy),
        programs(policy),
        network(policy),
        packages(&info.packages),
        limits(policy),
        "`context` and `config` are read-only dicts from the application.".to_owned(),
    ];
    let lines: String = lines.iter().map(|line| format!("- {line}\n")).collect();
    Ok(format!(
        "# Running Python\n\nThe code is run by CPython{python} in a sandbox of its own. Nothing is kept between two runs.\n\n\
         {lines}\n# Tools\n\n{}",
        calls(tools)
    ))
}

fn files(policy: &Policy) -> String {
    let files = &policy.filesystem;
    let workspace = match files.workspace.mount {
        Some(_) => " `/workspace` holds the project's files and is read-only.",
        None => "",
    };
    format!(
        "Files: the current folder is `/sandbox`, for up to {}.{workspace} Files put into `/outputs` are handed over, up \
         to {}. `/tmp` takes {}. The system's own folders are read-only. One file can have {}.",
        policy.sandbox_size(),
        files.outputs.max_size,
        files.tmp.max_size,
        policy.limits.file_size
    )
}

fn programs(policy: &Policy) -> String {
    let commands = &policy.execution.allowed_commands;
    if !policy.direct_execution() {
        return "Programs: none can be started, and `import subprocess` raises ModuleNotFoundError.".into();
    }
    match commands.is_empty() {
        true => "Programs: none can be started; `subprocess` raises PermissionError.".into(),
        false => format!(
            "Programs: `subprocess` can start {} and no others, nor can these. Another one raises PermissionError.",
            listed(commands)
        ),
    }
}

fn network(policy: &Policy) -> String {
    let network = &policy.network;
    match network.mode {
        NetworkMode::None => "Network: none.".into(),
        NetworkMode::All => "Network: open.".into(),
        NetworkMode::Restricted if network.allowed_domains.is_empty() => "Network: nothing can be reached.".into(),
        NetworkMode::Restricted => {
            let ports: Vec<String> = network.ports.iter().map(ToString::to_string).collect();
            let (noun, but) = (
                if ports.len() == 1 { "port" } else { "ports" },
                match network.blocked_domains.as_slice() {
                    [] => String::new(),
                    blocked => format!(", but not {}", listed(blocked)),
                },
            );
            let domains = listed(&network.allowed_domains);
            format!("Network: HTTP and TLS to {domains} on {noun} {}{but}; nothing else.", ports.join(", "))
        }
    }
}

fn packages(all: &[String]) -> String {
    let name = |package: &str| package.split(' ').next().unwrap_or_default().to_ascii_lowercase().replace('_', "-");
    let mut told: Vec<&String> = all.iter().filter(|package| !UNTOLD.contains(&name(package).as_str())).collect();
    if told.is_empty() {
        return "Packages: the standard library only.".into();
    }
    let rank = |package: &str| WELL_KNOWN.iter().position(|known| *known == name(package)).unwrap_or(WELL_KNOWN.len());
    // A list that is told whole keeps its order.
    if told.iter().map(|package| package.len() + 2).sum::<usize>() > PACKAGES {
        told.sort_by_key(|package| rank(package));
    }
    let mut length = 0;
    let fitting = told.iter().take_while(|package| {
        length += package.len() + 2;
        length <= PACKAGES
    });
    let shown: Vec<String> = fitting.map(|package| visible(package)).collect();
    let more = match told.len() - shown.len() {
        0 => String::new(),
        more => format!(", and {more} more that `importlib.metadata.distributions()` lists"),
    };
    format!("Packages besides the standard library: {}{more}.", shown.join(", "))
}

fn limits(policy: &Policy) -> String {
    let limits = &policy.limits;
    format!(
        "Limits: {} of running, not counting the time that tools take; {} for each tool call, {} in all. {} of memory, {} \
         processes and threads. {} on each of stdout and stderr, {} for the result, {} for each tool's arguments and for \
         its answer. {} tool calls. {} characters of code.",
        seconds(limits.code_timeout),
        seconds(limits.tool_timeout),
        seconds(limits.total_timeout),
        limits.memory_limit,
        limits.processes,
        limits.output_bytes,
        limits.result_bytes,
        limits.value_bytes,
        limits.max_tool_calls,
        limits.max_code_length
    )
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

fn calls(tools: &[ToolSpec]) -> String {
    let Some(first) = tools.first() else { return "There are none.\n".into() };
    let (named, unnamed): (Vec<ToolSpec>, Vec<ToolSpec>) =
        tools.iter().cloned().partition(|tool| unnameable(&tool.name).is_none());
    let tool = format!("tools[{}]", quoted(&first.name));
    let arguments = example(first);
    let attribute = named.first().map(|tool| format!(", or `tools.{}({})`", tool.name, example(tool)));
    let mut text = format!(
        "`tools` is there without an import. Arguments go by keyword; values are native Python both ways.\n\n\
         - `{tool}.run({arguments})` waits and returns the value{}. Or `await {tool}.arun({arguments})`.\n\
         - Many calls at once, results in order: `{tool}.map([{{...}}, {{...}}])` with a dict of arguments for each, and \
         `tools.gather(...)` of calls that `{tool}.call({arguments})` prepares.\n\
         - A call that fails raises `ToolError`, which needs no import. Its text says what is wrong with the arguments.\n",
        attribute.unwrap_or_default()
    );
    if !named.is_empty() {
        let body = Body::of(&named, false);
        let fence = fence(&body.classes);
        text += &format!("\n{fence}python\n{}{fence}\n", body.classes);
    }
    if !unnamed.is_empty() {
        text += "\nTools that are reached by `tools[...]` only:\n\n";
    }
    unnamed.iter().for_each(|tool| text += &in_words(tool));
    text
}

/// Longer than any run of backticks in the text, so that no description ends the block that it stands in.
fn fence(text: &str) -> String {
    let longest = text.split(|character| character != '`').map(str::len).max().unwrap_or(0);
    "`".repeat((longest + 1).max(3))
}

fn in_words(tool: &ToolSpec) -> String {
    let description: Vec<&str> = tool.description.split_whitespace().collect();
    let description = description.join(" ");
    let said = if description.is_empty() { String::new() } else { format!(" {}", visible(&description)) };
    let takes = match schema_of(tool.input_schema.as_deref()).map(|schema| parameters(&schema)) {
        None => "any arguments".to_owned(),
        Some(parameters) if parameters.is_empty() => "no arguments".to_owned(),
        Some(parameters) => visible(&parameters.join(", ")),
    };
    format!("- tools[{}]:{said} Takes {takes}.\n", quoted(&tool.name))
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| visible(name)).collect::<Vec<_>>().join(", ")
}

fn visible(text: &str) -> String {
    let mut shown = String::new();
    text.chars().for_each(|character| push_visible(&mut shown, character));
    shown
}
