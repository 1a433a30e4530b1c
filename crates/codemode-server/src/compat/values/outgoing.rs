//! From the arguments of a tool call to a Struct. What would arrive as something else is refused, with its name.

use codemode_proto::compat::google::{ListValue, Struct, Value, value::Kind};
use codemode_types::ToolFailure;

use super::{super::clipped, EXACT, Node};

/// What the published package's ToolService reads of one message, less room for the rest of it.
const MOST_BYTES: usize = (4 << 20) - (64 << 10);
/// Messages in messages that protobuf's readers take are a hundred.
const MOST_DEPTH: usize = 90;
/// Of each name on the way to an argument that is refused.
const MOST_SHOWN: usize = 100;

/// Why arguments cannot be sent.
enum Unsendable {
    TooLarge,
    /// And where it stands: `order.lines[2].id`, from the inside out.
    At {
        path: Vec<String>,
        why: String,
    },
}

/// Of one call, as the code wrote them.
pub fn arguments(text: &[u8]) -> Result<Struct, ToolFailure> {
    if text.len() > MOST_BYTES {
        return Err(Unsendable::TooLarge.into());
    }
    let Some(Node::Map(members)) = Node::read(text) else {
        return Err(ToolFailure::new("InvalidArguments", "the arguments cannot be read."));
    };
    Ok(Writer { bytes: 0 }.mapping(&members, 2)?)
}

impl From<Unsendable> for ToolFailure {
    fn from(error: Unsendable) -> Self {
        match error {
            Unsendable::TooLarge => {
                let message = format!("the arguments are too large: a call carries {MOST_BYTES} bytes at most");
                Self::new("ToolArgumentsTooLarge", message)
            }
            Unsendable::At { path, why } => {
                let path: String = path.into_iter().rev().collect();
                Self::new("InvalidArguments", format!("argument '{}': {why}", path.trim_start_matches('.')))
            }
        }
    }
}

struct Writer {
    /// Of the message so far, at least.
    bytes: usize,
}

impl Writer {
    fn mapping(
        &mut self,
        members: &[(std::borrow::Cow<'_, str>, Node<'_>)],
        depth: usize,
    ) -> Result<Struct, Unsendable> {
        let mut sent = Struct::default();
        for (name, member) in members {
            self.take(name.len() + 6)?;
            let step = || format!(".{}", clipped(name, MOST_SHOWN));
            let value = self.value(member, depth).map_err(|error| error.within(step()))?;
            sent.fields.insert(name.to_string(), value);
        }
        Ok(sent)
    }

    fn value(&mut self, node: &Node<'_>, depth: usize) -> Result<Value, Unsendable> {
        if depth > MOST_DEPTH {
            return Err(Unsendable::new("it is nested too deeply for this protocol"));
        }
        self.take(4)?;
        let kind = match node {
            Node::Null => Kind::NullValue(0),
            Node::Bool(value) => Kind::BoolValue(*value),
            Node::Number(digits) => {
                self.take(7)?;
                Kind::NumberValue(double(digits)?)
            }
            Node::Text(text) => {
                self.take(text.len())?;
                Kind::StringValue(text.to_string())
            }
            Node::List(items) => self.list(items, depth)?,
            Node::Map(members) => match node.tagged() {
                None => Kind::StructValue(self.mapping(members, depth + 3)?),
                Some(("tuple" | "namedtuple", Node::List(items))) => self.list(items, depth)?,
                Some((tag, _)) => return Err(Unsendable::new(format!("{}; send text or numbers", formless(tag)))),
            },
        };
        Ok(Value { kind: Some(kind) })
    }

    fn take(&mut self, bytes: usize) -> Result<(), Unsendable> {
        self.bytes += bytes;
        match self.bytes > MOST_BYTES {
            true => Err(Unsendable::TooLarge),
            false => Ok(()),
        }
    }

    fn list(&mut self, items: &[Node<'_>], depth: usize) -> Result<Kind, Unsendable> {
        let values = items
            .iter()
            .enumerate()
            .map(|(at, item)| self.value(item, depth + 2).map_err(|error| error.within(format!("[{at}]"))));
        Ok(Kind::ListValue(ListValue { values: values.collect::<Result<_, _>>()? }))
    }
}

impl Unsendable {
    fn new(why: impl Into<String>) -> Self {
        Self::At { path: Vec::new(), why: why.into() }
    }

    fn within(mut self, step: String) -> Self {
        if let Self::At { path, .. } = &mut self {
            path.push(step);
        }
        self
    }
}

/// The tag is the code's own text.
fn formless(tag: &str) -> String {
    let name: String = tag.chars().filter(char::is_ascii_alphanumeric).take(20).collect();
    match tag {
        "float" => "a number that is not finite has no form in this protocol".into(),
        "dict" => "the keys of a mapping must be text in this protocol".into(),
        _ => format!("a value of type {name} has no form in this protocol"),
    }
}

fn double(digits: &str) -> Result<f64, Unsendable> {
    let is_integer = !digits.contains(['.', 'e', 'E']);
    let number = digits.parse::<f64>().unwrap_or(f64::NAN);
    if !is_integer {
        return match number.is_finite() {
            true => Ok(number),
            false => Err(Unsendable::new(formless("float"))),
        };
    }
    match digits.parse::<i64>().is_ok_and(|integer| integer.unsigned_abs() <= EXACT.unsigned_abs()) {
        true => Ok(number),
        false => {
            let shown = match digits.len() {
                0..=40 => digits.to_owned(),
                length => format!("of {length} digits"),
            };
            Err(Unsendable::new(format!(
                "the integer {shown} is beyond 2**53, and this protocol's numbers are doubles, which would round it; \
                 send it as text"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    fn refusal(text: &str) -> String {
        arguments(text.as_bytes()).unwrap_err().message
    }

    fn number(text: &str) -> Option<f64> {
        match arguments(format!(r#"{{"a":{text}}}"#).as_bytes()).unwrap().fields["a"].kind {
            Some(Kind::NumberValue(number)) => Some(number),
            _ => None,
        }
    }

    #[test]
    fn integers_are_exact_or_refused_by_name() {
        for integer in ["0", "-7", "9007199254740992", "-9007199254740992"] {
            assert_eq!(number(integer), integer.parse().ok(), "{integer}");
        }
        assert_eq!(number("0.1"), Some(0.1));
        assert_eq!(
            refusal(r#"{"a": 1, "order": {"lines": [0, {"id": 9007199254740993}]}}"#),
            "argument 'order.lines[1].id': the integer 9007199254740993 is beyond 2**53, and this protocol's numbers are \
             doubles, which would round it; send it as text",
        );
        // One that a double happens to hold is refused as its neighbours are.
        assert!(refusal(&format!(r#"{{"a":{}}}"#, 1_u64 << 60)).contains("beyond 2**53"));
        assert!(refusal(&format!(r#"{{"a":-{}}}"#, "9".repeat(5000))).contains("the integer of 5001 digits"));
    }

    #[test]
    fn what_has_no_form_is_refused() {
        let sent = arguments(br#"{"a":{"$codemode":"tuple","v":[1,null]}}"#).unwrap();
        assert!(matches!(&sent.fields["a"].kind, Some(Kind::ListValue(list)) if list.values.len() == 2));
        for (value, word) in [
            (r#"{"$codemode":"datetime","v":"2026-01-01T00:00:00"}"#, "a value of type datetime"),
            (r#"{"$codemode":"set","v":[1]}"#, "a value of type set"),
            (r#"{"$codemode":"float","v":"nan"}"#, "not finite"),
            (r#"{"$codemode":"dict","v":[[1,2]]}"#, "keys of a mapping must be text"),
            (r#"{"$codemode":["odd"]}"#, "a value of type object"),
            (r#"{"$codemode":"tuple","v":"odd"}"#, "a value of type tuple"),
            ("1e400", "not finite"),
        ] {
            let refused = refusal(&format!(r#"{{"when":{value}}}"#));
            assert!(refused.starts_with("argument 'when': ") && refused.contains(word), "{value}: {refused}");
        }
        assert_eq!(refusal("[]"), "the arguments cannot be read.");
    }

    #[test]
    fn whatever_is_sent_can_be_read() {
        let nested = |open: &str, close: &str, depth: usize| {
            format!(r#"{{"a":{}1{}}}"#, open.repeat(depth), close.repeat(depth))
        };
        for (open, close) in [("[", "]"), (r#"{"b":"#, "}")] {
            let deepest =
                (1..100).take_while(|depth| arguments(nested(open, close, *depth).as_bytes()).is_ok()).count();
            assert!(deepest > 25, "{open}: {deepest}");
            let sent = arguments(nested(open, close, deepest).as_bytes()).unwrap();
            let request = codemode_proto::compat::ToolCallRequest { arguments: Some(sent), ..Default::default() };
            assert!(codemode_proto::compat::ToolCallRequest::decode(&*request.encode_to_vec()).is_ok());
            assert!(refusal(&nested(open, close, deepest + 1)).contains("nested too deeply"));
        }
    }

    #[test]
    fn the_size_of_a_message_is_bounded_before_it_is_built_whole() {
        let small = format!(r#"{{"a":[{}0]}}"#, "0,".repeat(1_000_000));
        assert!(refusal(&small).contains("too large"));
        assert!(refusal(&format!(r#"{{"a":"{}"}}"#, "x".repeat(MOST_BYTES))).contains("too large"));
    }
}
