//! Which calls of a tool may run, which never may, and which a person decides. One implementation for Rust and Python.

mod ask;
mod check;
mod glob;
mod read;
mod text;

use std::fmt;

use regex::Regex;
use serde_json::Value;

pub use ask::{ApprovalDecision, ApprovalRequest};
pub(crate) use ask::{Approver, consult, denial};
pub use check::ApprovalError;

use crate::python::quoted;
use check::Parameters;
use text::{Comparison, Found};

/// What becomes of a call. A stronger one stands before a weaker one.
///
/// ```
/// use codemode_client::ApprovalAction;
///
/// assert_eq!(ApprovalAction::Ask.as_str(), "ask");
/// assert!(ApprovalAction::Deny < ApprovalAction::Ask && ApprovalAction::Ask < ApprovalAction::Allow);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ApprovalAction {
    /// It does not run.
    Deny,
    /// A person decides; where nobody can be asked, it does not run.
    Ask,
    /// It runs.
    Allow,
}

impl ApprovalAction {
    /// The word in rules that are written down.
    ///
    /// ```
    /// assert_eq!(codemode_client::ApprovalAction::Deny.as_str(), "deny");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Ask => "ask",
            Self::Allow => "allow",
        }
    }

    const ALL: [Self; 3] = [Self::Deny, Self::Ask, Self::Allow];
}

impl fmt::Display for ApprovalAction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Rules on the arguments of a tool, and what becomes of calls that no rule is about.
///
/// `deny` beats `ask`, and `ask` beats `allow`, whatever the order of the rules; all of them beat the default.
///
/// A pattern is a glob on the whole text of an argument: `*`, `?`, `[…]`, `[!…]`, case-sensitive. Text is compared as
/// it is, any other value as compact JSON with sorted keys. Of a list, an `ask` or `deny` rule matches the whole or any
/// member, an `allow` rule every member. What the code left out has its default of the schema. A value that cannot be
/// shown completely is allowed by no rule, and met by every other. To an `ask` or `deny` rule 5 and 5.0 are the same.
///
/// ```
/// use codemode_client::{Approval, ApprovalAction, json};
///
/// let approval = Approval::ask()
///     .rule("path", "/workspace/*", ApprovalAction::Allow)
///     .rule("path", "*.key", ApprovalAction::Deny);
/// let action = |path: &str| approval.judge(&json!({"path": path}), None).action;
/// assert_eq!(action("/workspace/a.txt"), ApprovalAction::Allow);
/// assert_eq!(action("/workspace/a.key"), ApprovalAction::Deny);
/// assert_eq!(action("/etc/passwd"), ApprovalAction::Ask);
/// ```
#[derive(Clone, Debug)]
pub struct Approval {
    default: ApprovalAction,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    argument: String,
    pattern: String,
    action: ApprovalAction,
    /// `None`: the pattern is too long, which `check` refuses.
    glob: Option<Regex>,
}

/// What becomes of one call, and why.
///
/// ```
/// use codemode_client::{Approval, ApprovalAction, json};
///
/// let approval = Approval::allow().rule("city", "O*", ApprovalAction::Ask);
/// let verdict = approval.judge(&json!({"city": "Oslo"}), None);
/// assert_eq!(verdict.action, ApprovalAction::Ask);
/// assert_eq!(verdict.reason, "argument 'city' matches 'O*'");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Of the strongest rule that is about the call, or the default.
    pub action: ApprovalAction,
    /// For the person who is asked, and for the code whose call is denied.
    pub reason: String,
}

impl Approval {
    /// Every call runs, but for those that a rule is about.
    ///
    /// ```
    /// use codemode_client::{Approval, ApprovalAction, json};
    ///
    /// assert_eq!(Approval::allow().judge(&json!({}), None).action, ApprovalAction::Allow);
    /// ```
    pub fn allow() -> Self {
        Self { default: ApprovalAction::Allow, rules: Vec::new() }
    }

    /// A person decides about every call, but for those that a rule is about.
    ///
    /// ```
    /// use codemode_client::{Approval, json};
    ///
    /// assert_eq!(Approval::ask().judge(&json!({}), None).reason, "this call needs approval");
    /// ```
    pub fn ask() -> Self {
        Self { default: ApprovalAction::Ask, rules: Vec::new() }
    }

    /// No call runs, but for those that a rule is about.
    ///
    /// ```
    /// use codemode_client::{Approval, json};
    ///
    /// assert_eq!(Approval::deny().judge(&json!({}), None).reason, "this call is not allowed");
    /// ```
    pub fn deny() -> Self {
        Self { default: ApprovalAction::Deny, rules: Vec::new() }
    }

    /// Adds a rule about the calls whose `argument` matches the `pattern`.
    ///
    /// ```
    /// use codemode_client::{Approval, ApprovalAction, json};
    ///
    /// let approval = Approval::allow().rule("amount", "[5-9][0-9][0-9]", ApprovalAction::Ask);
    /// assert_eq!(approval.judge(&json!({"amount": 750}), None).action, ApprovalAction::Ask);
    /// assert_eq!(approval.judge(&json!({"amount": 75}), None).action, ApprovalAction::Allow);
    /// ```
    #[must_use]
    pub fn rule(mut self, argument: impl Into<String>, pattern: impl Into<String>, action: ApprovalAction) -> Self {
        let (argument, pattern) = (argument.into(), pattern.into());
        let glob = glob::compile(&pattern);
        self.rules.push(Rule { argument, pattern, action, glob });
        self
    }

    /// What becomes of a call with these arguments, an object of tagged JSON. With the tool's schema, an argument that
    /// was left out has its default.
    ///
    /// ```
    /// use codemode_client::{Approval, ApprovalAction, json};
    ///
    /// let approval = Approval::allow().rule("force", "true", ApprovalAction::Deny);
    /// let schema = json!({"properties": {"force": {"type": "boolean", "default": true}}});
    /// assert_eq!(approval.judge(&json!({}), None).action, ApprovalAction::Allow);
    /// assert_eq!(approval.judge(&json!({}), Some(&schema)).action, ApprovalAction::Deny);
    /// ```
    pub fn judge(&self, arguments: &Value, schema: Option<&Value>) -> Verdict {
        let parameters = schema.map(Parameters::of);
        for action in ApprovalAction::ALL {
            for rule in self.rules.iter().filter(|rule| rule.action == action) {
                let given = arguments.get(&rule.argument).or_else(|| parameters.as_ref()?.default(&rule.argument));
                if let Some(reason) = given.and_then(|value| rule.met_by(value)) {
                    return Verdict { action, reason };
                }
            }
        }
        let reason = match self.default {
            ApprovalAction::Deny => "this call is not allowed",
            ApprovalAction::Ask => "this call needs approval",
            ApprovalAction::Allow => "every other call is allowed",
        };
        Verdict { action: self.default, reason: reason.into() }
    }
}

impl Rule {
    /// Why the rule is about a call with this argument.
    fn met_by(&self, value: &Value) -> Option<String> {
        let found = match (&self.glob, self.action) {
            (None, _) => Found::Unknown,
            (Some(glob), ApprovalAction::Allow) => Comparison::new(glob).all(value),
            (Some(glob), _) => Comparison::new(glob).any(value),
        };
        let verb = match (found, self.action) {
            (Found::Match, _) => "matches",
            (Found::Unknown, ApprovalAction::Deny | ApprovalAction::Ask) => "cannot be compared with",
            (Found::Unknown, ApprovalAction::Allow) | (Found::No, _) => return None,
        };
        Some(format!("argument {} {verb} {}", quoted(&self.argument), quoted(&self.pattern)))
    }
}
