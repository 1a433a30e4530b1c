//! Tagged values as serde sees them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{
    de::{
        self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
        VariantAccess, Visitor, value::SeqDeserializer,
    },
    forward_to_deserialize_any,
};
use serde_json::{Map, Value};

use super::ValueError;
use crate::schema::{TAG, WIDE_INTEGER};

/// A float holds every integer up to here.
const EXACT: u64 = 1 << f64::MANTISSA_DIGITS;
/// Digits of a wide integer that an error shows.
const SHOWN: usize = 40;

impl de::Error for ValueError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}

#[derive(Clone, Copy)]
pub(super) struct Tagged<'a>(pub(super) &'a Value);

/// What a value is to serde.
enum Shape<'a> {
    Plain(&'a Value),
    Items(&'a [Value]),
    Fields(&'a Map<String, Value>),
    Pairs(&'a [Value]),
    Text(&'a str),
    Float(f64),
    Wide(&'a str),
    Bytes(Vec<u8>),
    /// Its tag.
    Other(&'a str),
}

fn shape(value: &Value) -> Shape<'_> {
    let members = match value {
        Value::Array(items) => return Shape::Items(items),
        Value::Object(members) => members,
        plain => return Shape::Plain(plain),
    };
    let Some(tag) = members.get(TAG) else { return Shape::Fields(members) };
    let tag = tag.as_str().unwrap_or("object");
    match (tag, members.get("v")) {
        ("tuple" | "namedtuple" | "set" | "frozenset" | "timedelta", Some(Value::Array(items))) => Shape::Items(items),
        ("dict", Some(Value::Array(pairs))) => Shape::Pairs(pairs),
        ("dataclass", Some(Value::Object(fields))) => Shape::Fields(fields),
        ("date" | "datetime" | "time" | "uuid" | "decimal" | "repr", Some(Value::String(text))) => Shape::Text(text),
        (WIDE_INTEGER, Some(Value::String(digits))) => Shape::Wide(digits),
        ("float", Some(Value::String(text))) if ["nan", "inf", "-inf"].contains(&text.as_str()) => {
            Shape::Float(text.parse().unwrap_or(f64::NAN))
        }
        ("bytes" | "bytearray", Some(Value::String(text))) => {
            STANDARD.decode(text).map_or(Shape::Other(tag), Shape::Bytes)
        }
        _ => Shape::Other(tag),
    }
}

impl<'a> Tagged<'a> {
    fn float<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match shape(self.0) {
            Shape::Float(float) => visitor.visit_f64(float),
            Shape::Plain(Value::Number(number)) if !number.is_f64() => {
                let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
                match magnitude.is_some_and(is_exact) {
                    true => self.deserialize_any(visitor),
                    false => Err(ValueError::new(format!("the integer {number} is not exact as a float"))),
                }
            }
            _ => self.deserialize_any(visitor),
        }
    }
}

/// Whether a float holds the integer.
fn is_exact(integer: u64) -> bool {
    integer <= EXACT || integer.trailing_zeros() + f64::MANTISSA_DIGITS >= u64::BITS - integer.leading_zeros()
}

fn wide<'de, V: Visitor<'de>>(digits: &str, visitor: V) -> Result<V::Value, ValueError> {
    let refused = || {
        let shown: String = match digits.len() > SHOWN {
            true => format!("of {} digits", digits.trim_start_matches('-').len()),
            false => digits.into(),
        };
        ValueError::new(format!("the integer {shown} needs more than 64 bits, and would not be exact here"))
    };
    match (digits.parse::<i128>(), digits.parse::<u128>()) {
        (Ok(integer), _) => visitor.visit_i128(integer).map_err(|_: ValueError| refused()),
        (_, Ok(integer)) => visitor.visit_u128(integer).map_err(|_: ValueError| refused()),
        _ => Err(refused()),
    }
}

impl<'de> Deserializer<'de> for Tagged<'_> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match shape(self.0) {
            Shape::Plain(Value::Bool(value)) => visitor.visit_bool(*value),
            Shape::Plain(Value::Number(number)) => number.deserialize_any(visitor).map_err(de::Error::custom),
            Shape::Plain(Value::String(text)) => visitor.visit_str(text),
            Shape::Plain(_) => visitor.visit_unit(),
            Shape::Items(items) => visitor.visit_seq(Items { items, at: 0 }),
            Shape::Fields(fields) => visitor.visit_map(Fields { fields: fields.iter(), value: None }),
            Shape::Pairs(pairs) => visitor.visit_map(Pairs { pairs: pairs.iter(), value: None }),
            Shape::Text(text) => visitor.visit_str(text),
            // A receiver of anything may turn it into null.
            Shape::Float(float) => Err(de::Error::invalid_type(Unexpected::Float(float), &visitor)),
            Shape::Wide(digits) => wide(digits, visitor),
            Shape::Bytes(bytes) => visitor.visit_byte_buf(bytes),
            Shape::Other(tag) => Err(ValueError::new(format!("a value of type {} has no plain form", named(tag)))),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.float(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.float(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match shape(self.0) {
            Shape::Bytes(bytes) => visitor.visit_seq(SeqDeserializer::new(bytes.into_iter())),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match shape(self.0) {
            Shape::Text(text) => text.into_deserializer().deserialize_enum(name, variants, visitor),
            Shape::Plain(Value::String(text)) => {
                text.as_str().into_deserializer().deserialize_enum(name, variants, visitor)
            }
            Shape::Fields(fields) if fields.len() == 1 => visitor.visit_enum(Variant(fields)),
            _ => Err(ValueError::new("expected one of its names, or an object with one of them as its only key")),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 char str string bytes byte_buf unit unit_struct
        tuple tuple_struct map struct identifier ignored_any
    }
}

fn named(tag: &str) -> String {
    tag.chars().take(SHOWN).filter(|character| !character.is_control()).collect()
}

struct Items<'a> {
    items: &'a [Value],
    at: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = ValueError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ValueError> {
        let Some(item) = self.items.get(self.at) else { return Ok(None) };
        let step = self.at;
        self.at += 1;
        seed.deserialize(Tagged(item)).map(Some).map_err(|error| error.within(format!("[{step}]")))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len().saturating_sub(self.at))
    }
}

struct Fields<'a> {
    fields: serde_json::map::Iter<'a>,
    value: Option<(&'a str, &'a Value)>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = ValueError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ValueError> {
        let Some((name, value)) = self.fields.next() else { return Ok(None) };
        self.value = Some((name, value));
        seed.deserialize(name.as_str().into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ValueError> {
        let (name, value) = self.value.take().ok_or_else(|| ValueError::new("a value before its key"))?;
        seed.deserialize(Tagged(value)).map_err(|error| error.within(format!(".{name}")))
    }
}

struct Pairs<'a> {
    pairs: std::slice::Iter<'a, Value>,
    value: Option<(&'a Value, &'a Value)>,
}

impl<'de> MapAccess<'de> for Pairs<'_> {
    type Error = ValueError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ValueError> {
        let Some(pair) = self.pairs.next() else { return Ok(None) };
        let Some([key, value]) = pair.as_array().map(Vec::as_slice) else {
            return Err(ValueError::new("a dict whose members are no pairs"));
        };
        self.value = Some((key, value));
        seed.deserialize(Tagged(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ValueError> {
        let (key, value) = self.value.take().ok_or_else(|| ValueError::new("a value before its key"))?;
        seed.deserialize(Tagged(value)).map_err(|error| error.within(format!("[{key}]")))
    }
}

/// `{"Name": content}`.
struct Variant<'a>(&'a Map<String, Value>);

impl<'a, 'de> EnumAccess<'de> for Variant<'a> {
    type Error = ValueError;
    type Variant = Content<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content<'a>), ValueError> {
        let (name, content) = self.0.iter().next().ok_or_else(|| ValueError::new("an enum without a name"))?;
        Ok((seed.deserialize(name.as_str().into_deserializer())?, Content(content)))
    }
}

struct Content<'a>(&'a Value);

impl<'de> VariantAccess<'de> for Content<'_> {
    type Error = ValueError;

    fn unit_variant(self) -> Result<(), ValueError> {
        serde::Deserialize::deserialize(Tagged(self.0))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ValueError> {
        seed.deserialize(Tagged(self.0))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ValueError> {
        Tagged(self.0).deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, ValueError> {
        Tagged(self.0).deserialize_any(visitor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use serde::Deserialize;

    use crate::{Value, from_tagged, json};

    #[derive(Debug, Deserialize, PartialEq)]
    enum Sky {
        Clear,
        Rain { mm: f64 },
        Wind(u8, String),
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Report {
        city: String,
        celsius: Option<f64>,
        sky: Vec<Sky>,
    }

    fn error<T: serde::de::DeserializeOwned + std::fmt::Debug>(text: &str) -> String {
        from_tagged::<T>(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn types_are_read() {
        let text = r#"{"$codemode": "dataclass", "type": "Report", "v": {"city": "Oslo", "celsius": null,
            "sky": ["Clear", {"Rain": {"mm": 2}}, {"Wind": {"$codemode": "tuple", "v": [7, "NW"]}}]}}"#;
        let report: Report = from_tagged(text.as_bytes()).unwrap();
        let sky = vec![Sky::Clear, Sky::Rain { mm: 2.0 }, Sky::Wind(7, "NW".into())];
        assert_eq!(report, Report { city: "Oslo".into(), celsius: None, sky });
        let pairs: BTreeMap<(i64, i64), String> =
            from_tagged(br#"{"$codemode": "dict", "v": [[{"$codemode": "tuple", "v": [1, 2]}, "a"]]}"#).unwrap();
        assert_eq!(pairs[&(1, 2)], "a");
        let bytes = br#"{"$codemode": "bytes", "v": "AP8="}"#;
        assert_eq!(from_tagged::<Vec<u8>>(bytes).unwrap(), [0, 255]);
        let nan = br#"{"$codemode": "float", "v": "nan"}"#;
        assert!(from_tagged::<f64>(nan).unwrap().is_nan());
        let value: Value =
            from_tagged(br#"{"when": {"$codemode": "date", "v": "2024-02-29"}, "n": [1, 1.5]}"#).unwrap();
        assert_eq!(value, json!({"when": "2024-02-29", "n": [1, 1.5]}));
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_place() {
        assert_eq!(error::<Report>(r#"{"city": 5}"#), "city: invalid type: integer `5`, expected a string");
        assert_eq!(
            error::<HashMap<String, Vec<u8>>>(r#"{"a": [1, "x"]}"#),
            "a[1]: invalid type: string \"x\", expected u8"
        );
        assert_eq!(error::<Report>(r#"{"city": "Oslo"}"#), "missing field `sky`");
        assert!(error::<Value>(r#"{"$codemode": "float", "v": "nan"}"#).contains("invalid type: floating point"));
        assert_eq!(error::<Value>(r#"[{"$codemode": "ndarray"}]"#), "[0]: a value of type ndarray has no plain form");
    }

    #[test]
    fn integers_are_exact_or_refused() {
        for exact in ["9007199254740993", "18446744073709551615", "-9223372036854775808"] {
            assert_eq!(from_tagged::<Value>(exact.as_bytes()).unwrap().to_string(), exact);
        }
        assert_eq!(from_tagged::<i128>(b"-9223372036854775809").unwrap(), -9_223_372_036_854_775_809);
        assert_eq!(from_tagged::<f64>(b"9007199254740992").unwrap(), 9_007_199_254_740_992.0);
        assert_eq!(from_tagged::<f64>(b"9223372036854775808").unwrap(), 9_223_372_036_854_775_808.0);
        assert_eq!(error::<f64>("9007199254740993"), "the integer 9007199254740993 is not exact as a float");
        for wide in ["18446744073709551616", r#"{"a":[-9223372036854775809]}"#] {
            assert!(error::<Value>(wide).contains("needs more than 64 bits"), "{wide}");
        }
        assert!(error::<f64>("18446744073709551616").contains("needs more than 64 bits"));
        assert!(error::<u128>(&"9".repeat(50)).contains("of 50 digits needs more than"));
    }
}
