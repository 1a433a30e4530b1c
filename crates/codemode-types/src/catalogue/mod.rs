//! Every code that a caller or executed code can meet: what it means, and what helps. The pages of the error catalogue
//! and `codemode explain` are made of it; tests compare it with the places that the codes come from.

mod client;
mod outcomes;
mod python;
mod refusals;
mod tls;
mod tools;
mod violations;

use std::fmt;

use crate::ErrorCode;

/// One code. Texts are plain English with code in backticks.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The stable word.
    pub code: &'static str,
    pub kind: Kind,
    /// One line.
    pub title: &'static str,
    /// What a result says instead of, or besides, the code.
    pub error_type: Option<&'static str>,
    /// The exception of the Python package.
    pub python: Option<&'static str>,
    /// The name of the status.
    pub grpc: Option<&'static str>,
    pub http: Option<u16>,
    /// Of `codemode run`.
    pub exit: Option<&'static str>,
    pub happened: &'static str,
    pub causes: &'static [&'static str],
    pub remedies: &'static [&'static str],
    /// Whether nothing ran and the same request may succeed later, unchanged.
    pub retryable: bool,
}

/// Where a code comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The executor would not run the request.
    Refusal,
    /// A client, of whatever language.
    Client,
    /// The Python package alone.
    Python,
    /// How an execution ended.
    Outcome,
    /// A call of a tool, as executed code sees it.
    Tool,
    /// Something that executed code tried and may not.
    Violation,
}

impl Kind {
    pub const ALL: [Self; 6] = [Self::Refusal, Self::Client, Self::Python, Self::Outcome, Self::Tool, Self::Violation];

    /// For people, in the singular.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refusal => "refusal",
            Self::Client => "error of the client",
            Self::Python => "error of the Python package",
            Self::Outcome => "outcome",
            Self::Tool => "failure of a tool call",
            Self::Violation => "violation",
        }
    }

    /// What all of them have in common.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Refusal => "The executor would not run the request. Nothing ran.",
            Self::Client => "A client could not get an answer from an executor.",
            Self::Python => "The Python package was asked for something that it cannot do.",
            Self::Outcome => "How an execution ended: `outcome` of the result.",
            Self::Tool => {
                "A call of a tool failed. The code sees a `ToolError` with this `error_type`, and can catch it."
            }
            Self::Violation => {
                "Executed code tried what it may not. The result lists it under `violations`, and goes on."
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What a table of entries begins with.
const fn entry(kind: Kind) -> Entry {
    Entry {
        code: "",
        kind,
        title: "",
        error_type: None,
        python: None,
        grpc: None,
        http: None,
        exit: None,
        happened: "",
        causes: &[],
        remedies: &[],
        retryable: false,
    }
}

/// All of them, by kind.
pub fn entries() -> impl Iterator<Item = &'static Entry> {
    let tables = [
        refusals::ENTRIES,
        client::ENTRIES,
        tls::ENTRIES,
        python::ENTRIES,
        outcomes::ENTRIES,
        tools::ENTRIES,
        violations::ENTRIES,
    ];
    tables.into_iter().flatten()
}

/// Those that a word is about: a code, else the `error_type` of a result, else an exception of the Python package.
/// Letters may be small or large.
pub fn find(word: &str) -> Vec<&'static Entry> {
    let by = |name: fn(&Entry) -> Option<&'static str>| -> Vec<&'static Entry> {
        entries().filter(|entry| name(entry).is_some_and(|name| name.eq_ignore_ascii_case(word))).collect()
    };
    [by(|entry| Some(entry.code)), by(|entry| entry.error_type), by(|entry| entry.python)]
        .into_iter()
        .find(|found| !found.is_empty())
        .unwrap_or_default()
}

/// Every word that `find` knows, each once.
pub fn words() -> Vec<&'static str> {
    let mut words: Vec<&str> =
        entries().flat_map(|entry| [Some(entry.code), entry.error_type, entry.python].into_iter().flatten()).collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// The entry of a refusal.
pub fn refusal(code: ErrorCode) -> Option<&'static Entry> {
    refusals::ENTRIES.iter().find(|entry| entry.code == code.as_str())
}

impl Entry {
    /// Where it can be met, and as what.
    pub fn places(&self) -> Vec<(&'static str, String)> {
        let code = self.code;
        let result = match (self.kind, self.error_type) {
            (Kind::Refusal, Some(error_type)) => Some(format!("`outcome` `rejected`, `error_type` `{error_type}`")),
            (Kind::Outcome, Some(error_type)) => Some(format!("`outcome` `{code}`, `error_type` `{error_type}`")),
            (Kind::Outcome, None) => Some(format!("`outcome` `{code}`")),
            (Kind::Violation, Some(error_type)) => {
                Some(format!("an entry of `violations` with the kind `{code}`, or `error_type` `{error_type}`"))
            }
            (Kind::Violation, None) => Some(format!("an entry of `violations` with the kind `{code}`")),
            (_, Some(error_type)) => Some(format!("`outcome` `error`, `error_type` `{error_type}`")),
            (_, None) => None,
        };
        let is_caught = self.kind == Kind::Tool && self.error_type.is_none();
        let in_code = is_caught.then(|| format!("`ToolError` with `error_type` `{code}`"));
        let python = self.python.map(|exception| format!("`{exception}` with `code` `{code}`"));
        let places = [
            ("In executed code", in_code),
            ("In a result", result),
            ("In Python", python),
            ("Over gRPC", self.grpc.map(|status| format!("status `{status}`"))),
            ("Over HTTP", self.http.map(|status| format!("status {status}"))),
            ("Exit code of `codemode run`", self.exit.map(str::to_owned)),
        ];
        places.into_iter().filter_map(|(place, what)| Some((place, what?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Outcome;

    #[test]
    fn each_refusal_has_one_entry() {
        let known: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(refusals::ENTRIES.iter().map(|entry| entry.code).collect::<Vec<_>>(), known);
        for code in ErrorCode::ALL {
            let entry = refusal(code).unwrap();
            assert_eq!(entry.retryable, code.retryable(), "{code}");
            assert!(entry.error_type.is_none() || code.outcome() == Some("rejected"), "{code}");
        }
    }

    #[test]
    fn each_outcome_has_one_entry() {
        // Two more are words of refusals alone; one of them has the name of its refusal.
        let of_refusals: BTreeSet<&str> = ErrorCode::ALL.iter().filter_map(|code| code.outcome()).collect();
        let more = of_refusals.iter().copied().filter(|word| find(word).iter().all(|it| it.kind != Kind::Refusal));
        let known: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.as_str()).chain(more).collect();
        assert_eq!(outcomes::ENTRIES.iter().map(|entry| entry.code).collect::<Vec<_>>(), known);
        for outcome in Outcome::ALL {
            let entry = find(outcome.as_str()).into_iter().find(|entry| entry.kind == Kind::Outcome).unwrap();
            assert_eq!(entry.error_type, outcome.error_type(), "{outcome}");
            assert!(entry.exit.unwrap().contains(&outcome.exit_code().to_string()), "{outcome}");
        }
    }

    #[test]
    fn no_code_has_two_entries_of_one_kind_and_none_lacks_words() {
        let mut known = BTreeSet::new();
        for entry in entries() {
            assert!(known.insert((entry.code, entry.kind.as_str())), "{} twice", entry.code);
            let said = [entry.title, entry.happened].into_iter().chain(entry.causes.iter().copied());
            for text in said.chain(entry.remedies.iter().copied()) {
                assert!(!text.is_empty() && !text.contains('|') && !text.contains("  "), "{}: {text:?}", entry.code);
            }
            assert!(!entry.title.ends_with('.') && entry.happened.ends_with('.'), "{}", entry.code);
            assert!(entry.remedies.iter().chain(entry.causes).all(|text| text.ends_with('.')), "{}", entry.code);
            assert!(!entry.remedies.is_empty() || entry.code == "ok", "{} says no remedy", entry.code);
            assert!(entry.code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{}", entry.code);
        }
    }

    #[test]
    fn a_word_is_a_code_or_an_error_type_or_an_exception() {
        let codes = |word: &str| find(word).iter().map(|entry| entry.code).collect::<Vec<_>>();
        assert_eq!(codes("Overloaded"), ["overloaded"]);
        assert_eq!(codes("MemoryLimitExceeded"), ["memory_limit"]);
        assert_eq!(codes("toolnotfound"), ["ToolNotFound"]);
        assert_eq!(codes("timeout"), ["timeout", "timeout"]);
        assert!(codes("ConfigError").contains(&"config"));
        assert!(codes("nonsense").is_empty() && words().contains(&"ExecutorConnectionError"));
    }
}
