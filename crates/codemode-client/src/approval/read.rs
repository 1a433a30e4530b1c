//! Rules as somebody wrote them down: JSON, YAML, Python.

use serde_json::{Map, Value};

use super::{Approval, ApprovalAction, ApprovalError};
use crate::python::{literal, quoted};

const FORMS: &str =
    "'allow', 'ask', 'deny', a list of rules, or {'default': …, 'rules': [{'argument': …, 'pattern': …, 'action': …}]}";

impl Approval {
    /// From what somebody wrote: `"allow"`, `"ask"` or `true`, `"deny"`; a list of rules, which has the default `allow`;
    /// or an object with `default` (`ask` if it is left out) and `rules`. A rule is `{argument, pattern, action}`.
    ///
    /// ```
    /// use codemode_client::{Approval, ApprovalAction, json};
    ///
    /// let approval = Approval::from_value(&json!([{"argument": "to", "pattern": "*@example.com", "action": "ask"}]))?;
    /// assert_eq!(approval.judge(&json!({"to": "a@example.com"}), None).action, ApprovalAction::Ask);
    /// assert_eq!(approval.judge(&json!({"to": "a@b.example"}), None).action, ApprovalAction::Allow);
    ///
    /// let error = Approval::from_value(&json!("maybe")).unwrap_err();
    /// assert!(error.to_string().ends_with("got 'maybe'"), "{error}");
    /// # Ok::<(), codemode_client::ApprovalError>(())
    /// ```
    pub fn from_value(value: &Value) -> Result<Self, ApprovalError> {
        match value {
            Value::Null | Value::Bool(false) => Ok(Self::allow()),
            Value::Bool(true) => Ok(Self::ask()),
            Value::String(_) => Ok(Self { default: action(value)?, rules: Vec::new() }),
            Value::Array(rules) => with_rules(Self::allow(), rules),
            Value::Object(members) => of_object(members),
            Value::Number(_) => Err(wrong_form(value)),
        }
    }
}

fn of_object(members: &Map<String, Value>) -> Result<Approval, ApprovalError> {
    only(members, &["default", "rules"], "an approval")?;
    let default = members.get("default").map_or(Ok(ApprovalAction::Ask), action)?;
    let approval = Approval { default, rules: Vec::new() };
    match members.get("rules") {
        None => Ok(approval),
        Some(Value::Array(rules)) => with_rules(approval, rules),
        Some(other) => Err(ApprovalError::form(format!("'rules' must be a list, got {}", literal(other)))),
    }
}

fn with_rules(approval: Approval, rules: &[Value]) -> Result<Approval, ApprovalError> {
    rules.iter().try_fold(approval, |approval, rule| {
        let members = rule.as_object().ok_or_else(|| wrong_form(rule))?;
        only(members, &["argument", "pattern", "action"], "a rule")?;
        let text = |key: &str| match members.get(key) {
            Some(Value::String(text)) => Ok(text.clone()),
            other => Err(ApprovalError::form(format!(
                "{} of a rule must be text, got {}",
                quoted(key),
                other.map_or("nothing".into(), literal)
            ))),
        };
        let action = action(members.get("action").unwrap_or(&Value::Null))?;
        Ok(approval.rule(text("argument")?, text("pattern")?, action))
    })
}

fn only(members: &Map<String, Value>, known: &[&str], what: &str) -> Result<(), ApprovalError> {
    match members.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(ApprovalError::form(format!("{what} has no {}; it has {}", quoted(key), known.join(", ")))),
    }
}

fn action(value: &Value) -> Result<ApprovalAction, ApprovalError> {
    let found = ApprovalAction::ALL.into_iter().find(|action| value == action.as_str());
    found.ok_or_else(|| {
        ApprovalError::form(format!("an action must be 'allow', 'ask' or 'deny', got {}", literal(value)))
    })
}

fn wrong_form(value: &Value) -> ApprovalError {
    ApprovalError::form(format!("it must be {FORMS}; got {}", literal(value)))
}
