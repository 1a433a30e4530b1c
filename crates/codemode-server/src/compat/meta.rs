//! What the meta-tools may say: nothing of tools that this execution does not have.

use std::collections::HashSet;

use codemode_proto::compat::{
    ToolCallResponse,
    google::{Struct, Value, value::Kind},
};
use codemode_types::ToolFailure;

use super::clipped;

/// Of a name that is no tool's, in an error.
const MOST_SHOWN: usize = 100;

/// Before the application is asked: it answers whatever is no name of a tool with the names of all that it has.
pub(super) fn check(name: &str, arguments: &Struct, offered: &HashSet<String>) -> Result<(), ToolFailure> {
    if name != "__schema__" {
        return Ok(());
    }
    let asked = match arguments.fields.get("name").and_then(|value| value.kind.as_ref()) {
        Some(Kind::StringValue(asked)) if offered.contains(asked) => return Ok(()),
        Some(Kind::StringValue(asked)) => {
            format!("there is no tool '{}'", clipped(asked, MOST_SHOWN).escape_debug())
        }
        _ => "there is no tool without a name; `name` must be the text that it is called by".to_owned(),
    };
    Err(ToolFailure::new("ToolNotFound", asked))
}

/// Its list covers all that the application has.
pub(super) fn reduced(name: &str, mut answer: ToolCallResponse, offered: &HashSet<String>) -> ToolCallResponse {
    answer.result.iter_mut().for_each(|result| reduce(name, result, offered));
    answer
}

fn reduce(name: &str, answer: &mut Struct, offered: &HashSet<String>) {
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

#[cfg(test)]
mod tests {
    use codemode_proto::compat::google::ListValue;

    use super::{super::values::arguments, *};

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
        let told = Struct { fields: [("tools".to_owned(), list)].into() };
        let told = ToolCallResponse { result: Some(told), ..ToolCallResponse::default() };
        let left = reduced("__list__", told, &offered).result.unwrap().fields;
        let Some(Kind::ListValue(tools)) = &left["tools"].kind else { panic!("a list") };
        assert_eq!((tools.values.len(), &left["count"].kind), (1, &Some(Kind::NumberValue(1.0))));

        let check = |given: &str| check("__schema__", &arguments(given.as_bytes()).unwrap(), &offered);
        assert!(check(r#"{"name": "weather"}"#).is_ok());
        assert!(check(r#"{"n\u0061me": "weather"}"#).is_ok());
        // Of two, the last one is what would be sent.
        for other in [r#"{"name": "weather", "name": "pay"}"#, r#"{"name": "pay"}"#, r#"{"name": 5}"#, "{}"] {
            assert_eq!(check(other).unwrap_err().kind, "ToolNotFound", "{other}");
        }
    }
}
