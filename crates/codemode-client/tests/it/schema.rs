//! What a schema refuses and in which words; what is wrong with a schema; hostile values.

use codemode_client::{
    Value, json,
    schema::{ToolSchema, read_value},
};

fn schema(schema: &Value) -> ToolSchema {
    ToolSchema::new(schema).unwrap()
}

fn told(by: &ToolSchema, value: &Value) -> Vec<String> {
    by.check(value).iter().map(ToString::to_string).collect()
}

fn refused(schema: &Value) -> Vec<String> {
    ToolSchema::new(schema).unwrap_err().problems
}

fn arguments() -> ToolSchema {
    schema(&json!({
        "type": "object",
        "properties": {
            "channel": {"enum": ["email", "slack"]},
            "count": {"type": "integer", "minimum": 1},
            "price": {"type": "number", "multipleOf": 0.1},
            "items": {"type": "array", "items": {"$ref": "#/$defs/item"}, "minItems": 1, "uniqueItems": true},
            "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "one": {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 5}]},
            "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "boolean"}], "maxItems": 2},
            "code": {"type": "string", "pattern": "^[A-Z]+$", "maxLength": 3},
            "not_zero": {"not": {"const": 0}}
        },
        "required": ["channel"],
        "additionalProperties": false,
        "$defs": {"item": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}}
    }))
}

#[test]
fn each_problem_is_told_in_pythons_words() {
    let arguments = arguments();
    for (given, expected) in [
        (json!({}), "channel: required, but missing ('email' or 'slack')"),
        (json!({"channel": "fax"}), "channel: expected 'email' or 'slack', got str 'fax'"),
        (json!({"count": true}), "count: expected int >= 1, got bool True"),
        (json!({"count": 1.5}), "count: expected int >= 1, got float 1.5"),
        (json!({"count": 0}), "count: expected int >= 1, got int 0"),
        (json!({"price": 0.25}), "price: expected float multiple of 0.1, got float 0.25"),
        (json!({"items": [{"id": 1}, {"id": "x"}]}), "items[1].id: expected int, got str 'x'"),
        (json!({"items": [{}]}), "items[0].id: required, but missing (int)"),
        (json!({"items": []}), "items: expected list of dict with at least 1 items, got list of 0"),
        (json!({"items": [{"id": 1}, {"id": 1}]}), "items: expected list of dict with at least 1 items, got list of 2"),
        (json!({"either": 1}), "either: expected str or None, got int 1"),
        (json!({"one": 7}), "one: expected int or float >= 5, got int 7"),
        (json!({"one": 4.5}), "one: expected float >= 5, got float 4.5"),
        (json!({"pair": ["a", 1]}), "pair[1]: expected bool, got int 1"),
        (json!({"code": "ab"}), "code: expected str matching '^[A-Z]+$' with at most 3 characters, got str 'ab'"),
        (json!({"not_zero": 0}), "not_zero: expected anything, got int 0"),
        (json!({"chanel": 1}), "chanel: no such parameter, did you mean 'channel'?"),
        (
            json!({"zip": 1}),
            "zip: no such parameter; valid: channel, count, price, items, either, one, pair, code, not_zero",
        ),
        (json!([]), "expected dict, got list of 0"),
    ] {
        let mut given = given;
        if let Some(members) = given.as_object_mut().filter(|members| !members.is_empty()) {
            members.entry("channel").or_insert("email".into());
        }
        assert_eq!(told(&arguments, &given), [expected], "{given}");
    }
}

#[test]
fn every_problem_is_told_at_once() {
    let given = json!({"count": 0, "code": 5, "either": [1], "items": [{"id": 1.5}, 2], "colour": "red"});
    insta::assert_snapshot!(told(&arguments(), &given).join("\n"), @r"
    channel: required, but missing ('email' or 'slack')
    count: expected int >= 1, got int 0
    code: expected str matching '^[A-Z]+$' with at most 3 characters, got int 5
    either: expected str or None, got list of 1
    items[0].id: expected int, got float 1.5
    items[1]: expected dict, got int 2
    colour: no such parameter; valid: channel, count, price, items, either, one, pair, code, not_zero
    ");
}

#[test]
fn the_alternative_that_was_meant_is_told_alone() {
    let address =
        json!({"type": "object", "properties": {"number": {"type": "integer"}}, "additionalProperties": false});
    let optional = schema(&json!({"properties": {"to": {"anyOf": [address, {"type": "null"}]}}}));
    assert_eq!(told(&optional, &json!({"to": {"number": "x"}})), ["to.number: expected int, got str 'x'"]);
    assert_eq!(told(&optional, &json!({"to": {"numbr": 1}})), ["to.numbr: no such field, did you mean 'number'?"]);
    assert_eq!(told(&optional, &json!({"to": 1})), ["to: expected dict or None, got int 1"]);

    let shape = |kind: &str, size: &str| {
        json!({"type": "object", "required": ["kind", size], "properties": {
            "kind": {"const": kind}, size: {"type": "number"}}})
    };
    let shapes = schema(&json!({"oneOf": [shape("circle", "radius"), shape("square", "side")]}));
    assert_eq!(told(&shapes, &json!({"kind": "square"})), ["side: required, but missing (float)"]);
    assert_eq!(told(&shapes, &json!({"kind": "star"})), ["expected dict, got dict of 1"]);
}

#[test]
fn keywords_that_the_words_do_not_cover_are_enforced_too() {
    for (keywords, given, expected) in [
        (
            json!({"propertyNames": {"pattern": "^a"}}),
            json!({"b": 1}),
            "expected anything matching '^a' as a name, got str 'b'",
        ),
        (json!({"contains": {"const": 1}}), json!([2]), "expected a list with 1 in it, got list of 1"),
        (json!({"dependentRequired": {"a": ["b"]}}), json!({"a": 1}), "b: required, but missing (anything)"),
        (json!({"prefixItems": [true], "items": false}), json!([1, 2]), "[1]: not allowed"),
        (
            json!({"if": {"type": "string"}, "then": {"minLength": 2}}),
            json!("a"),
            "expected anything with at least 2 characters, got str 'a'",
        ),
        (json!({"properties": {"a": false}}), json!({"a": 1}), "a: not allowed"),
        (
            json!({"unevaluatedProperties": false, "allOf": [{"properties": {"name": {}}}]}),
            json!({"nam": 1}),
            "nam: no such parameter, did you mean 'name'?",
        ),
        (
            json!({"patternProperties": {"^n_": {"type": "integer"}}}),
            json!({"n_x": "1"}),
            "n_x: expected int, got str '1'",
        ),
    ] {
        let found = told(&schema(&keywords), &given);
        assert!(found.contains(&expected.to_owned()), "{keywords}: {found:?}");
    }
    let draft_7 = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "properties": {"a": {"items": [{"type": "string"}], "additionalItems": false}},
    });
    assert_eq!(
        told(&schema(&draft_7), &json!({"a": ["x", 1]})),
        ["a: expected a list with at most 1 items, got list of 2"]
    );
    let draft_4 = json!({"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 3, "exclusiveMinimum": true});
    assert_eq!(told(&schema(&draft_4), &json!(3)), ["expected anything >= 3, got int 3"]);
}

#[test]
fn references_lead_through_the_schema_only() {
    let embedded = json!({
        "$id": "https://example.com/root",
        "properties": {"a": {"$ref": "item"}, "b": {"$ref": "#there"}},
        "$defs": {
            "item": {"$id": "https://example.com/item", "required": ["id"], "properties": {"id": {"type": "integer"}}},
            "anchored": {"$anchor": "there", "type": "string"}
        }
    });
    let embedded = schema(&embedded);
    assert_eq!(told(&embedded, &json!({"a": {}})), ["a.id: required, but missing (int)"]);
    assert_eq!(told(&embedded, &json!({"b": 1})), ["b: expected str, got int 1"]);
    let tree = schema(&json!({"$ref": "#/$defs/tree", "$defs": {"tree": {
        "type": "object", "required": ["name"],
        "properties": {"name": {"type": "string"}, "children": {"items": {"$ref": "#/$defs/tree"}}}}}}));
    let given = json!({"name": "a", "children": [{"name": "b", "children": [{"name": 1}]}]});
    assert_eq!(told(&tree, &given), ["children[0].children[0].name: expected str, got int 1"]);
    assert_eq!(told(&schema(&json!({"$ref": "#"})), &json!(1)), [""; 0]);
}

#[test]
fn what_is_no_json_schema_is_named_with_its_place() {
    let problems = refused(&json!({
        "type": "objct",
        "properties": {"days": {"minimum": "one", "enum": 3}, "type": 7, "tags": {"items": {"pattern": []}}},
        "required": ["days", "days", 1],
        "anyOf": [{"maxLength": -1}]
    }));
    insta::assert_snapshot!(problems.join("\n"), @r"
    `minimum` at #/properties/days must be a number, not str 'one'
    `enum` at #/properties/days must be a list of values, not int 3
    #/properties/type must be a schema (an object, true or false), not int 7
    `pattern` at #/properties/tags/items must be a regular expression without look-around and backreferences, not list of 0
    `maxLength` at #/anyOf/0 must be a whole number that is not below 0, not int -1
    `type` at # must be one of array, boolean, integer, null, number, object and string, or a list of these, not str 'objct'
    `required` at # must be a list of names, each once, not list of 3
    `required` at # must be a list of names, each once, not list of 3 with int 1 in it
    ");
    for (schema, expected) in [
        (json!([1]), "# must be a schema (an object, true or false), not list of 1"),
        (
            json!({"$ref": "#/$defs/nope", "properties": {"a": {"$ref": "#/properties/b"}, "b": {}}}),
            "`$ref` at # leads to '#/$defs/nope', which is not in this schema, and nothing is fetched; put what it means \
             under $defs",
        ),
        (
            json!({"properties": {"a/b": {"$ref": "other.json#/x"}}}),
            "`$ref` at #/properties/a~1b leads to 'other.json#/x', which is not in this schema, and nothing is fetched; \
             put what it means under $defs",
        ),
        (
            json!({"items": {"$ref": "file:///etc/passwd"}}),
            "`$ref` at #/items leads to 'file:///etc/passwd', which is not in this schema, and nothing is fetched; put \
             what it means under $defs",
        ),
        (
            json!({"items": {"$dynamicRef": "#nope"}}),
            "`$dynamicRef` at #/items leads to '#nope', which is not in this schema, and nothing is fetched; put what it \
             means under $defs",
        ),
        (
            json!({"$schema": "https://example.com/mine"}),
            "`$schema` names \"https://example.com/mine\", which is no draft that is known here; leave it out for 2020-12",
        ),
        (
            json!({"properties": {"code": {"pattern": "(?=a)b"}}}),
            "`pattern` at #/properties/code must be a regular expression without look-around and backreferences, not \
             str '(?=a)b'",
        ),
        (
            json!({"patternProperties": {"(": {}}}),
            "`patternProperties` at # must be an object whose names are regular expressions, and '(' is none",
        ),
    ] {
        assert_eq!(refused(&schema), [expected]);
    }
}

#[test]
fn formats_describe_and_do_not_refuse() {
    for draft in ["https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema#"] {
        let dated = schema(&json!({"$schema": draft, "type": "string", "format": "date"}));
        assert_eq!(told(&dated, &json!("yesterday")), [""; 0]);
        assert_eq!(told(&dated, &json!(1)), ["expected str (date), got int 1"]);
    }
}

#[test]
fn tagged_values_count_as_what_they_stand_for() {
    let tag = |tag: &str, value: Value| json!({"$codemode": tag, "v": value});
    let fits = |kind: &str, value: &Value| schema(&json!({"type": kind})).check(value).is_empty();
    for (value, kind) in [
        (tag("tuple", json!([1])), "array"),
        (json!({"$codemode": "namedtuple", "type": "P", "fields": ["x"], "v": [1]}), "array"),
        (tag("dict", json!([[1, 2]])), "object"),
        (json!({"$codemode": "dataclass", "type": "P", "v": {"x": 1}}), "object"),
        (tag("float", json!("nan")), "number"),
        (tag("float", json!("-inf")), "number"),
        (tag("decimal", json!("1.50")), "number"),
        (read_value(b"340282366920938463463374607431768211456").unwrap(), "integer"),
    ] {
        for other in ["array", "object", "number", "string", "null", "boolean"] {
            let expected = other == kind || (other, kind) == ("number", "integer");
            assert_eq!(fits(other, &value), expected, "{value} as {other}");
        }
    }
    let foreign =
        ["bytes", "date", "datetime", "uuid", "set", "frozenset", "ndarray", "repr", "str", "nosuch", "tuple"];
    for value in foreign.map(|name| tag(name, json!("x"))).into_iter().chain([json!({"$codemode": 1})]) {
        for kind in ["array", "object", "number", "integer", "string", "null", "boolean"] {
            assert!(!fits(kind, &value), "{value} as {kind}");
            let several =
                json!({"anyOf": [{"type": kind}, {"type": "null"}], "type": ["object", "array", "number", "string"]});
            assert!(!schema(&several).check(&value).is_empty(), "{value} as {kind} or null");
        }
        assert!(schema(&json!({"properties": {"v": false}})).check(&value).is_empty(), "{value}");
    }
}

#[test]
fn a_tag_does_not_get_a_value_past_its_schema() {
    let members = schema(&json!({"type": "object", "properties": {"a": {"type": "integer"}, "1": {"type": "string"}},
        "additionalProperties": {"type": "integer"}}));
    let dict = |pairs: Value| json!({"$codemode": "dict", "v": pairs});
    // The last of two equal keys counts in Python, and a number is not the text that it prints as.
    assert_eq!(told(&members, &dict(json!([["a", 1], ["a", "x"]]))), ["a: expected int, got str 'x'"]);
    assert_eq!(told(&members, &dict(json!([["1", 5], [1, 2]]))), ["1: expected str, got int 5"]);
    assert_eq!(told(&members, &dict(json!([[1, "x"]]))), ["1: expected int, got str 'x'"]);
    assert_eq!(told(&members, &dict(json!([["a", 1], [2, 3]]))), [""; 0]);

    let bounded = schema(&json!({"items": {"type": "number", "minimum": 0, "maximum": 9, "multipleOf": 0.5}}));
    let number = |tag: &str, text: &str| json!({"$codemode": tag, "v": text});
    let numbers = json!([
        number("decimal", "1.5"),
        number("float", "nan"),
        number("decimal", "9.5"),
        number("float", "inf"),
        number("decimal", "sNaN")
    ]);
    let paths: Vec<_> = told(&bounded, &numbers).iter().map(|told| told[..3].to_owned()).collect();
    assert_eq!(paths, ["[1]", "[2]", "[3]", "[4]"]);
    let tuple = json!({"$codemode": "tuple", "v": [1, {"$codemode": "date", "v": "2024-02-29"}]});
    for (multiple, text, fits) in [
        (json!(0.5), "1.5", true),
        (json!(0.5), "1.6", false),
        (json!(0.5), "inf", false),
        (json!(2), "nan", false),
        (json!(2), "-inf", false),
        (json!(2), "+9007199254740994", true),
        (json!(2), "1e300", true),
        (json!(2), "1e999", false),
        (json!(2), "0.2e1", true),
    ] {
        let found = schema(&json!({"multipleOf": multiple})).check(&number("decimal", text));
        assert_eq!(found.is_empty(), fits, "{text} is a multiple of {multiple}");
    }
    for text in ["+1", "", "-", "1e5", "abc"] {
        assert!(!schema(&json!({"type": "number", "multipleOf": 2})).check(&number("int", text)).is_empty(), "{text}");
    }
    let up = schema(&json!({"minimum": 5}));
    assert!(up.check(&number("float", "inf")).is_empty() && !up.check(&number("float", "-inf")).is_empty());
    assert_eq!(told(&bounded, &tuple), ["[1]: expected float from 0 to 9 multiple of 0.5, got date"]);
}

/// Expressions whose alternatives all lead deeper: every level multiplies the work of a validator that tells all. Without
/// a bound, the first value below takes longer than anybody waits.
fn expressions_over(leaf: &Value) -> Value {
    let node = |name: &str| {
        json!({"type": "object", "required": ["op", "left", "right"], "properties": {
            "op": {"enum": [name]}, "left": {"$ref": "#/$defs/e"}, "right": {"$ref": "#/$defs/e"}}})
    };
    let branches = ["add", "sub", "mul", "div", "pow"].map(node);
    let [add, sub, mul, div, pow] = branches;
    json!({"$ref": "#/$defs/e", "$defs": {"e": {"anyOf": [leaf, add, sub, mul, div, pow]}}})
}

#[test]
fn the_work_on_a_hostile_value_is_bounded() {
    let mut deep = r#"{"op":"add","left":1,"right":"#.repeat(150);
    deep += "\"x\"";
    deep += &"}".repeat(150);
    let long_names = format!("{}{}{}", format!("{{\"{}\":", "k".repeat(20_000)).repeat(300), "1", "}".repeat(300));
    let names = schema(&json!({"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "required": ["x"],
        "additionalProperties": {"$ref": "#/$defs/n"}}}}));
    let wide = format!("[{}1]", "\"x\",".repeat(500_000));
    let integers = schema(&json!({"items": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}));
    // Alternatives that each read all of a long text, and one that reads long names.
    let long_text =
        format!("{}\"{}!\"{}", r#"{"op":"add","left":1,"right":"#.repeat(12), "a".repeat(1 << 20), "}".repeat(12));
    let mut texts = expressions_over(&json!({"type": "string", "pattern": "^(a|aa)*$", "maxLength": 9_999_999}));
    texts["$defs"]["e"]["propertyNames"] = json!({"pattern": "^(o|p|k)*|left|right$"});
    let nested = |inner: &str| format!("{}{inner}{}", r#"{"op":"add","left":1,"right":"#.repeat(12), "}".repeat(12));
    let long_list = nested(&format!("[{}1]", "1,".repeat(100_000)));
    let long_number = nested(&"9".repeat(200_000));
    for (schema, text, count) in [
        (schema(&expressions_over(&json!({"type": "number"}))), &deep, 1),
        (names, &long_names, 1),
        (integers, &wide, 100),
        (schema(&texts), &long_text, 100),
        (schema(&expressions_over(&json!({"type": "array", "uniqueItems": true}))), &long_list, 1),
        (schema(&expressions_over(&json!({"type": "number", "maximum": 1}))), &long_number, 1),
    ] {
        let value = read_value(text.as_bytes()).unwrap();
        let problems = schema.check(&value);
        assert!(!problems.is_empty() && problems.len() <= count, "{}", problems.len());
        assert!(told(&schema, &value).iter().map(String::len).sum::<usize>() < 100_000);
    }
}

#[test]
fn values_as_deep_as_they_travel_are_checked() {
    let lists = schema(&json!({"$ref": "#/$defs/l", "$defs": {"l": {
        "anyOf": [{"type": "array", "items": {"$ref": "#/$defs/l"}}, {"type": "integer"}]}}}));
    let nested = |inner: &str| format!("{}{inner}{}", "[".repeat(320), "]".repeat(320));
    assert_eq!(told(&lists, &read_value(nested("1").as_bytes()).unwrap()), [""; 0]);
    assert!(!told(&lists, &read_value(nested("\"x\"").as_bytes()).unwrap()).is_empty());
    // Many frames for each level: more than the stack of a thread of Rust's or Python's has.
    let through =
        (0..12).fold(json!({"$ref": "#/$defs/e"}), |inner, _| json!({"allOf": [{"anyOf": [{"oneOf": [inner]}]}]}));
    let frames = schema(&json!({"$ref": "#/$defs/e", "$defs": {"e": {"items": through}}}));
    assert_eq!(told(&frames, &read_value(nested("1").as_bytes()).unwrap()), [""; 0]);
    let deeper = (0..1000).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(told(&lists, &deeper), ["is too large or too deeply nested to be checked"]);
}

#[test]
fn what_a_value_says_is_cut_short() {
    let named = schema(&json!({"additionalProperties": false, "properties": {"a": {"type": "integer"}}}));
    let given = json!({"k".repeat(10_000): 1, "a": "v\u{202e}\n".repeat(10_000)});
    for told in told(&named, &given) {
        assert!(told.len() < 200 && !told.contains(['\n', '\u{202e}']), "{told}");
    }
}
