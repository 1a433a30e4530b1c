//! `codemode explain`

use clap::Args;

#[derive(Args, Debug)]
#[command(after_help = EXPLAIN_EXAMPLES)]
pub(crate) struct ExplainArgs {
    /// A code, the `error_type` of a result, or the name of an exception
    #[arg(value_name = "CODE", required_unless_present = "list")]
    pub(crate) code: Option<String>,
    /// List every code with its title
    #[arg(long, conflicts_with = "code")]
    pub(crate) list: bool,
}

const EXPLAIN_EXAMPLES: &str = "\
Needs no executor. Small and large letters are the same. The documentation has the same texts, a
page for each code.

Examples:
  codemode explain unauthenticated           the code of a refusal or of an exception
  codemode explain MemoryLimitExceeded       the error_type of a result
  codemode explain ExecutorConnectionError   the codes that the exception can have
  codemode explain --list

Exit codes: 64 where there is no such code.";
