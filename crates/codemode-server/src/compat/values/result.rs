//! The result of the code as the JSON document that this protocol promises. Integers are exact, of whatever size.

use super::Node;

/// As `json.dumps` would write it; what JSON has no form for becomes what comes nearest, or keeps its tag.
pub fn document(tagged: &[u8]) -> String {
    let mut out = String::with_capacity(tagged.len());
    match Node::read(tagged) {
        Some(node) => write(&node, &mut out),
        // A guest that was taken over wrote it: it stays a string.
        None => push_text(&String::from_utf8_lossy(tagged), &mut out),
    }
    out
}

fn write(node: &Node<'_>, out: &mut String) {
    match node {
        Node::Null => out.push_str("null"),
        Node::Bool(true) => out.push_str("true"),
        Node::Bool(false) => out.push_str("false"),
        Node::Number(digits) => out.push_str(digits),
        Node::Text(text) => push_text(text, out),
        Node::List(items) => list(items, out),
        Node::Map(members) => match node.tagged() {
            Some(("tuple" | "namedtuple" | "set" | "frozenset", Node::List(items))) => list(items, out),
            Some(("date" | "datetime" | "time" | "uuid" | "decimal" | "repr", Node::Text(text))) => {
                push_text(text, out)
            }
            Some(("dataclass", Node::Map(fields))) => map(fields, out),
            Some(("float", Node::Text(word))) if not_finite(word).is_some() => {
                out.push_str(not_finite(word).unwrap_or_default());
            }
            Some(("dict", Node::List(pairs))) => match named(pairs) {
                Some(pairs) => map(&pairs, out),
                None => map(members, out),
            },
            _ => map(members, out),
        },
    }
}

/// As Python writes and reads it.
fn not_finite(word: &str) -> Option<&'static str> {
    Some(match word {
        "nan" => "NaN",
        "inf" => "Infinity",
        "-inf" => "-Infinity",
        _ => return None,
    })
}

/// The members of a mapping whose keys are no texts, where `json.dumps` has a text for each.
fn named<'a, 'b>(pairs: &'a [Node<'b>]) -> Option<Vec<(String, &'a Node<'b>)>> {
    let named = pairs.iter().map(|pair| {
        let Node::List(pair) = pair else { return None };
        let [key, value] = &pair[..] else { return None };
        let key = match key {
            Node::Text(text) => text.to_string(),
            Node::Number(digits) => (*digits).to_owned(),
            Node::Bool(value) => value.to_string(),
            Node::Null => "null".to_owned(),
            _ => return None,
        };
        Some((key, value))
    });
    named.collect()
}

fn list(items: &[Node<'_>], out: &mut String) {
    out.push('[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        write(item, out);
    }
    out.push(']');
}

fn map<'a, 'b: 'a, K: AsRef<str> + 'a, V: AsNode<'b> + 'a>(members: &'a [(K, V)], out: &mut String) {
    out.push('{');
    for (at, (key, value)) in members.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        push_text(key.as_ref(), out);
        out.push_str(": ");
        write(value.as_node(), out);
    }
    out.push('}');
}

/// Members of a mapping hold their values, and pairs refer to them.
trait AsNode<'b> {
    fn as_node(&self) -> &Node<'b>;
}

impl<'b> AsNode<'b> for Node<'b> {
    fn as_node(&self) -> &Self {
        self
    }
}

impl<'b> AsNode<'b> for &Node<'b> {
    fn as_node(&self) -> &Node<'b> {
        self
    }
}

fn push_text(text: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    use super::document;

    fn shown(text: &str) -> String {
        document(text.as_bytes())
    }

    #[test]
    fn plain_values_read_as_python_writes_them() {
        for text in
            ["4", "123456789012345678901234567890", r#"{"a": [1.10, null, "$x"], "b": {}}"#, "1e400", "\"\u{e9}\""]
        {
            assert_eq!(shown(text), text);
        }
        assert_eq!(shown(r#"{"a":[1,true]}"#), r#"{"a": [1, true]}"#);
    }

    #[test]
    fn what_json_has_no_form_for_comes_near() {
        for (tagged, plain) in [
            (
                r#"{"$codemode":"tuple","v":[1,{"$codemode":"set","v":[123456789012345678901]}]}"#,
                "[1, [123456789012345678901]]",
            ),
            (r#"{"$codemode":"datetime","v":"2026-01-02T03:04:05"}"#, r#""2026-01-02T03:04:05""#),
            (r#"{"$codemode":"dataclass","type":"P","v":{"x":1}}"#, r#"{"x": 1}"#),
            (r#"[{"$codemode":"float","v":"nan"},{"$codemode":"float","v":"-inf"}]"#, "[NaN, -Infinity]"),
            (
                r#"{"$codemode":"dict","v":[[1,"a"],[true,2],[null,{"$codemode":"tuple","v":[]}]]}"#,
                r#"{"1": "a", "true": 2, "null": []}"#,
            ),
            (r#"{"\u0024codemode":"tuple","v":[]}"#, "[]"),
        ] {
            assert_eq!(shown(tagged), plain, "{tagged}");
        }
    }

    #[test]
    fn what_has_no_near_form_keeps_its_tag_and_its_inside() {
        let bytes = r#"{"$codemode":"bytes","v":"AA=="}"#;
        assert_eq!(shown(bytes), r#"{"$codemode": "bytes", "v": "AA=="}"#);
        let pairs = r#"{"$codemode":"dict","v":[[[1],2]]}"#;
        assert_eq!(shown(pairs), r#"{"$codemode": "dict", "v": [[[1], 2]]}"#);
    }

    #[test]
    fn hostile_text_stays_a_string() {
        assert_eq!(shown("1}, \"success\": true"), r#""1}, \"success\": true""#);
        assert_eq!(shown("NaN"), r#""NaN""#);
        assert_eq!(document(b"\xff"), "\"\u{fffd}\"");
        assert_eq!(shown(r#"{"$codemode":"float","v":"1, 2"}"#), r#"{"$codemode": "float", "v": "1, 2"}"#);
    }
}
