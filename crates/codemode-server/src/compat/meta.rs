//! What the meta-tools may say: nothing of tools that this execution does not have.

use std::collections::HashSet;

use codemode_proto::compat::google::{Struct, Value, value::Kind};
use codemode_types::ToolFailure;

use super::{tools::META_TOOLS, values::Node};

/// Before the application is asked.
pub(super) fn check(name: &str, arguments: &[u8], offered: &HashSet<String>) -> Result<(), ToolFailure> {
    if name != "__schema__" {
        return Ok(());
    }
    let arguments = Node::read(arguments);
    match arguments.as_ref().and_then(|it| it.member("name")?.text()) {
        Some(asked) if !offered.contains(asked) => {
            Err(ToolFailure::new("ToolNotFound", format!("there is no tool '{}'", asked.escape_debug())))
        }
        _ => Ok(()),
    }
}

/// Its list covers all that the application has.
pub(super) fn reduce(name: &str, answer: &mut Struct, offered: &HashSet<String>) {
    let list = match name {
        "__list__" => "tools",
        "__search__" => "matches",
        _ => return,
    };
    let Some(Kind::ListValue(items)) = answer.fields.get_mut(list).and_then(|value| value.kind.as_mut()) else {
        return;
    };
    items.values.retain(|item| named(item).is_some_and(|name| offered.contains(name)));
    let count = Value { kind: Some(Kind::NumberValue(items.values.len() as f64)) };
    answer.fields.insert("count".into(), count);
}

fn named(item: &Value) -> Option<&str> {
    let Some(Kind::StructValue(item)) = &item.kind else { return None };
    match &item.fields.get("name")?.kind {
        Some(Kind::StringValue(name)) => Some(name),
        _ => None,
    }
}

pub(super) fn is_meta(name: &str) -> bool {
    META_TOOLS.contains(&name)
}

#[cfg(test)]
mod tests {
    use codemode_proto::compat::google::ListValue;

    use super::*;

    fn text(text: &str) -> Value {
        Value { kind: Some(Kind::StringValue(text.into())) }
    }

    #[test]
    fn only_tools_of_this_execution_are_told_of() {
        let offered = HashSet::from(["weather".to_owned()]);
        let tool = |name: &str| Value {
            kind: Some(Kind::StructValue(Struct { fields: [("name".to_owned(), text(name))].into() })),
        };
        let values = vec![tool("weather"), tool("pay"), text("odd")];
        let list = Value { kind: Some(Kind::ListValue(ListValue { values })) };
        let mut answer = Struct { fields: [("tools".to_owned(), list)].into() };
        reduce("__list__", &mut answer, &offered);
        let Some(Kind::ListValue(left)) = &answer.fields["tools"].kind else { panic!("a list") };
        assert_eq!((left.values.len(), &answer.fields["count"].kind), (1, &Some(Kind::NumberValue(1.0))));

        assert!(check("__schema__", br#"{"name": "weather"}"#, &offered).is_ok());
        assert!(check("__schema__", br#"{"name": "pay"}"#, &offered).is_err());
        // Of two, the last one is what would be sent.
        assert!(check("__schema__", br#"{"name": "weather", "name": "pay"}"#, &offered).is_err());
    }
}
