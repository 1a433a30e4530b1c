//! Rules that cannot be meant as they are written.

use std::collections::HashMap;

use codemode_types::nearest;
use serde_json::Value;
use thiserror::Error;

use super::{Approval, ApprovalAction};
use crate::{python::quoted, schema::resolve};

/// Alternatives of one schema that are looked into; a schema that refers to itself has no end.
const MAX_BRANCHES: usize = 1000;

/// Why rules cannot be used.
///
/// ```
/// use codemode_client::{Approval, ApprovalAction};
///
/// let error = Approval::allow().rule("city", "*", ApprovalAction::Allow).check(None).unwrap_err();
/// assert!(error.to_string().starts_with("the rule for argument 'city' and pattern '*' allows what"), "{error}");
/// ```
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}")]
pub struct ApprovalError {
    message: String,
}

impl ApprovalError {
    pub(super) fn form(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl Approval {
    /// Refuses what cannot be meant: a rule that allows what the default allows already, two actions for one pattern, a
    /// rule about a parameter that the tool's schema does not have, a pattern of unreasonable length.
    ///
    /// ```
    /// use codemode_client::{Approval, ApprovalAction, json};
    ///
    /// let approval = Approval::allow().rule("pth", "/etc/*", ApprovalAction::Deny);
    /// let schema = json!({"type": "object", "properties": {"path": {"type": "string"}}});
    /// assert_eq!(
    ///     approval.check(Some(&schema)).unwrap_err().to_string(),
    ///     "the tool has no parameter 'pth', did you mean 'path'? (parameters: path)",
    /// );
    /// ```
    pub fn check(&self, schema: Option<&Value>) -> Result<(), ApprovalError> {
        let parameters = schema.map(Parameters::of);
        let mut known: HashMap<(&str, &str), ApprovalAction> = HashMap::new();
        for rule in &self.rules {
            let place = format!("argument {} and pattern {}", quoted(&rule.argument), quoted(&rule.pattern));
            if rule.action == ApprovalAction::Allow && self.default == ApprovalAction::Allow {
                return Err(ApprovalError::form(format!(
                    "the rule for {place} allows what the default allows already; \
                     with the default 'ask' a person decides about the rest"
                )));
            }
            if *known.entry((&rule.argument, &rule.pattern)).or_insert(rule.action) != rule.action {
                return Err(ApprovalError::form(format!("there are two actions for {place}")));
            }
            if rule.glob.is_none() {
                return Err(ApprovalError::form("the pattern of a rule is too long"));
            }
            if let Some(parameters) = &parameters {
                parameters.expect(&rule.argument)?;
            }
        }
        Ok(())
    }
}

/// The parameters that a schema names, in all its alternatives.
pub(super) struct Parameters<'a> {
    root: &'a Value,
    named: Vec<(&'a str, &'a Value)>,
    /// Whether it says that there may be others.
    is_open: bool,
}

impl<'a> Parameters<'a> {
    pub(super) fn of(root: &'a Value) -> Self {
        let (mut named, mut is_open) = (Vec::new(), false);
        let mut pending = vec![root];
        for _ in 0..MAX_BRANCHES {
            let Some(shape) = pending.pop() else { break };
            let shape = resolve(shape, root);
            named.extend(shape["properties"].as_object().into_iter().flatten().map(|(name, it)| (name.as_str(), it)));
            let more = &shape["additionalProperties"];
            is_open |= !matches!(more, Value::Null | Value::Bool(false)) || shape.get("patternProperties").is_some();
            let branches = ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|key| shape[key].as_array());
            pending.extend(branches.flatten());
        }
        Self { root, named, is_open }
    }

    /// What the argument is where the code leaves it out.
    pub(super) fn default(&self, name: &str) -> Option<&'a Value> {
        let mut schemas = self.named.iter().filter(|(known, _)| *known == name).map(|(_, schema)| *schema);
        schemas.find_map(|schema| schema.get("default").or_else(|| resolve(schema, self.root).get("default")))
    }

    fn expect(&self, name: &str) -> Result<(), ApprovalError> {
        let names = || self.named.iter().map(|(known, _)| *known);
        if self.is_open || names().any(|known| known == name) {
            return Ok(());
        }
        let near = nearest(name, names());
        let hint = near.map_or(String::new(), |near| format!(", did you mean {}?", quoted(near)));
        let mut all: Vec<&str> = Vec::new();
        names().for_each(|name| {
            if !all.contains(&name) {
                all.push(name);
            }
        });
        let all = if all.is_empty() { "none".into() } else { all.join(", ") };
        Err(ApprovalError::form(format!("the tool has no parameter {}{hint} (parameters: {all})", quoted(name))))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(approval: Value, schema: Option<Value>) -> String {
        match Approval::from_value(&approval) {
            Ok(approval) => approval.check(schema.as_ref()).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        }
    }

    fn rule(argument: &str, action: &str) -> Value {
        json!({"argument": argument, "pattern": "*", "action": action})
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let schema = || Some(json!({"properties": {"city": {}}}));
        for (approval, schema, words) in [
            (json!("often"), None, "must be 'allow', 'ask' or 'deny', got 'often'"),
            (json!(3), None, "got 3"),
            (json!(["ask"]), None, "got 'ask'"),
            (json!({"rule": []}), None, "an approval has no 'rule'; it has default, rules"),
            (json!({"rules": "ask"}), None, "'rules' must be a list, got 'ask'"),
            (
                json!([{"argument": "a", "pattern": 5, "action": "ask"}]),
                None,
                "'pattern' of a rule must be text, got 5",
            ),
            (json!([{"argument": "a", "pattern": "*"}]), None, "must be 'allow', 'ask' or 'deny', got None"),
            (json!([rule("a", "allow")]), None, "allows what the default allows already"),
            (json!([rule("a", "ask"), rule("a", "deny")]), None, "two actions for argument 'a' and pattern '*'"),
            (json!([rule("cty", "ask")]), schema(), "no parameter 'cty', did you mean 'city'? (parameters: city)"),
            (json!([rule("x", "ask")]), Some(json!({"type": "object"})), "no parameter 'x' (parameters: none)"),
        ] {
            let message = refused(approval, schema);
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn parameters_are_found_wherever_the_schema_has_them() {
        let approval = Approval::allow().rule("a", "*", ApprovalAction::Deny);
        for schema in [
            json!({"$ref": "#/$defs/A", "$defs": {"A": {"properties": {"a": {}}}}}),
            json!({"anyOf": [{"properties": {"b": {}}}, {"allOf": [{"properties": {"a": {}}}]}]}),
            json!({"additionalProperties": {"type": "string"}}),
            json!({"properties": {"b": {}}, "additionalProperties": true}),
            json!({"patternProperties": {"^a": {}}}),
        ] {
            assert_eq!(approval.check(Some(&schema)), Ok(()), "{schema}");
        }
        let endless = json!({"anyOf": [{"$ref": "#"}, {"$ref": "#"}]});
        assert!(approval.check(Some(&endless)).is_err());
    }
}
