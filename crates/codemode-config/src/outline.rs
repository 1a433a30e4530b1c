//! Keys as a person reads them in YAML: sections, values, comments.

use std::{fmt::Write as _, net::Ipv4Addr};

use serde_json::Value;

/// One key and what is written about it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    /// Dotted. The keys of one section stand together.
    pub(crate) path: String,
    pub(crate) value: String,
    /// Behind a comment sign, so that it takes effect once that is removed.
    pub(crate) commented: bool,
    /// A line each, above the section.
    pub(crate) introduction: Vec<String>,
    /// A line each, above the key.
    pub(crate) about: Vec<String>,
    /// On the key's own line.
    pub(crate) origin: Option<String>,
}

pub(crate) fn outline(entries: &[Entry]) -> String {
    let mut writer = Writer { entries, text: String::new(), open: Vec::new() };
    entries.iter().for_each(|entry| writer.entry(entry));
    writer.text
}

struct Writer<'a> {
    entries: &'a [Entry],
    text: String,
    open: Vec<&'a str>,
}

impl<'a> Writer<'a> {
    fn entry(&mut self, entry: &'a Entry) {
        let mut sections: Vec<&str> = entry.path.split('.').collect();
        let name = sections.pop().unwrap_or_default();
        let common = self.open.iter().zip(&sections).take_while(|(open, section)| open == section).count();
        if !entry.about.is_empty() && common == 0 && !self.text.is_empty() {
            self.text.push('\n');
        }
        for line in &entry.introduction {
            self.line(0, Some(0), line);
        }
        if !entry.introduction.is_empty() {
            self.text.push('\n');
        }
        self.open.truncate(common);
        for section in sections.into_iter().skip(common) {
            let depth = self.open.len();
            self.open.push(section);
            let outermost = self.commented_section();
            self.line(depth, outermost, &format!("{section}:"));
        }
        let (depth, outermost) = (self.open.len(), self.commented_section());
        for about in &entry.about {
            self.line(depth, outermost, &format!("# {about}"));
        }
        let origin = entry.origin.as_ref().map_or_else(String::new, |origin| format!("  # {origin}"));
        let outermost = outermost.or(entry.commented.then_some(depth));
        self.line(depth, outermost, &format!("{name}: {}{origin}", entry.value));
    }

    /// How deep the outermost open section stands in which everything is commented.
    fn commented_section(&self) -> Option<usize> {
        (0..self.open.len()).find(|depth| {
            let section = format!("{}.", self.open[..=*depth].join("."));
            self.entries.iter().all(|entry| entry.commented || !entry.path.starts_with(&section))
        })
    }

    fn line(&mut self, depth: usize, outermost: Option<usize>, text: &str) {
        let indent = |levels: usize| "  ".repeat(levels);
        let _ = match outermost {
            Some(outermost) => writeln!(self.text, "{}# {}{text}", indent(outermost), indent(depth - outermost)),
            None => writeln!(self.text, "{}{text}", indent(depth)),
        };
    }
}

/// A value on one line of YAML.
pub(crate) fn inline(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        value => value.to_string(),
    }
}

/// Whether every reader of YAML takes it for this text and nothing else.
fn is_plain(text: &str) -> bool {
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let letters = |letter: char| letter.is_ascii_alphanumeric() || "_-./".contains(letter);
    let size = text.trim_start_matches(|digit: char| digit.is_ascii_digit());
    match text.chars().next() {
        Some(first) if first.is_ascii_digit() => ["Ki", "Mi", "Gi"].contains(&size) || text.parse::<Ipv4Addr>().is_ok(),
        Some('.') if !text.starts_with("./") => false,
        Some(first) if first.is_ascii_alphabetic() || "./".contains(first) => {
            text.chars().all(letters) && !words.contains(&text.to_ascii_lowercase().as_str())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_section_without_a_value_is_commented_as_a_whole() {
        let entry = |path: &str, commented: bool| Entry {
            path: path.into(),
            value: "1".into(),
            commented,
            about: vec![format!("of {path}")],
            ..Entry::default()
        };
        let entries = [
            entry("a", false),
            entry("b.x", true),
            entry("b.c.y", true),
            entry("d.e.x", true),
            entry("d.y", false),
            entry("d.z", true),
        ];
        let text = "\
# of a
a: 1

# b:
#   # of b.x
#   x: 1
#   c:
#     # of b.c.y
#     y: 1

d:
  # e:
  #   # of d.e.x
  #   x: 1
  # of d.y
  y: 1
  # of d.z
  # z: 1
";
        assert_eq!(outline(&entries), text);
    }

    #[test]
    fn values_read_as_they_are() {
        for value in [
            json!("text"),
            json!("./a.b"),
            json!("127.0.0.1"),
            json!("512Mi"),
            json!("1e5"),
            json!("on"),
            json!("a: b"),
            json!("inf"),
            json!(".inf"),
            json!(".5"),
            json!(""),
            json!("# x"),
            json!(5),
            json!(1.5),
            json!(true),
            json!(null),
            json!([]),
            json!([80, 443]),
            json!(["a", "b c"]),
            json!("~"),
            json!("é\n"),
            json!("${X}"),
        ] {
            let read: Value = serde_saphyr::from_str(&format!("key: {}", inline(&value))).unwrap();
            assert_eq!(read["key"], value);
        }
        assert_eq!(inline(&json!(["ls", "a b"])), "[ls, \"a b\"]");
    }
}
