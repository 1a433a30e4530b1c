//! docs/reference/cli.md: the tree of commands.

use clap::{Arg, ArgAction, Command};

use super::{Page, code};

const INTRODUCTION: &str = "\
# Command line

`codemode COMMAND --help` shows the same in a terminal.
";

pub(crate) fn page() -> Page {
    let mut root = codemode_cli::command_line();
    root.build();
    let mut sections = vec![INTRODUCTION.to_owned()];
    describe(&root, &mut sections);
    Page::new("reference/cli.md", &sections.join("\n"))
}

/// A command and those below it, in the order of the help.
fn describe(command: &Command, sections: &mut Vec<String>) {
    sections.push(section(command));
    let below = command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help");
    below.for_each(|below| describe(below, sections));
}

fn section(command: &Command) -> String {
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let mut text = format!("## `{name}`\n\n{}\n\n{}", paragraphs(&about), block(&usage(command)));
    let shown = |is_option: bool| {
        let wanted = move |argument: &&Arg| !argument.is_hide_set() && argument.is_positional() != is_option;
        let plain = |argument: &&Arg| !matches!(argument.get_action(), ArgAction::Help | ArgAction::Version);
        command.get_arguments().filter(wanted).filter(plain).map(row).collect::<String>()
    };
    for (title, rows) in [("Arguments", shown(false)), ("Options", shown(true))] {
        if !rows.is_empty() {
            text += &format!("\n| {title} | |\n|---|---|\n{rows}");
        }
    }
    if let Some(more) = command.get_after_help() {
        text += &format!("\n{}", block(&more.to_string()));
    }
    text
}

fn usage(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    usage.strip_prefix("Usage: ").unwrap_or(&usage).to_owned()
}

fn row(argument: &Arg) -> String {
    let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
    let mut about = sentence(&help.replace('|', "\\|").replace('\n', " "));
    let words: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|_| takes_a_word(argument))
        .map(|word| code(word.get_name()))
        .collect();
    if !words.is_empty() {
        about += &format!(" One of {}.", words.join(", "));
    }
    let defaults: Vec<String> =
        argument.get_default_values().iter().map(|value| code(&value.to_string_lossy())).collect();
    if !defaults.is_empty() && takes_a_word(argument) {
        about += &format!(" Default: {}.", defaults.join(", "));
    }
    format!("| {} | {about} |\n", names(argument))
}

fn takes_a_word(argument: &Arg) -> bool {
    argument.get_action().takes_values()
}

/// `-o, --output <FILE>`, or the name of what stands in a place.
fn names(argument: &Arg) -> String {
    let value = match argument.get_value_names() {
        Some(names) if takes_a_word(argument) => names.iter().map(|name| format!(" <{name}>")).collect(),
        _ => String::new(),
    };
    let short = argument.get_short().map(|letter| format!("-{letter}"));
    let long = argument.get_long().map(|name| format!("--{name}"));
    let also = argument.get_visible_aliases().unwrap_or_default().into_iter().map(|name| format!("--{name}"));
    let names: Vec<String> = short.into_iter().chain(long).chain(also).collect();
    code(format!("{}{value}", names.join(", ")).trim()).replace('|', "\\|")
}

fn paragraphs(text: &str) -> String {
    text.split("\n\n").map(sentence).collect::<Vec<_>>().join("\n\n")
}

/// What the help says without its last dot.
fn sentence(text: &str) -> String {
    let text = text.trim_end();
    if text.is_empty() || text.ends_with(['.', ']']) { text.to_owned() } else { format!("{text}.") }
}

fn block(text: &str) -> String {
    format!("```text\n{}\n```\n", text.trim_end())
}
