/// What a value of the policy is, and how far it may go. The bounds are those that the reader refuses beyond.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PolicyKind {
    Switch,
    /// Above 0, to [`PolicyKind::LONGEST`].
    Seconds,
    /// From the first to the second.
    Whole(u64, u64),
    /// Above 0, to this.
    Number(f64),
    /// In bytes, from the first to the second.
    Size(u64, u64),
    Path,
    Word(&'static [&'static str]),
    Commands,
    Domains,
    Ports,
    Networks,
    Layers,
    Modules,
    /// Mappings of `name`, `interpreter` and `preload`.
    Environments,
}

impl PolicyKind {
    /// Seconds: one year.
    pub const LONGEST: u64 = 31_536_000;

    /// For people.
    pub fn describe(self) -> String {
        match self {
            Self::Switch => "true or false",
            Self::Seconds => "seconds",
            Self::Whole(..) => "whole number",
            Self::Number(_) => "number",
            Self::Size(..) => "size",
            Self::Path => "path",
            Self::Word([first @ .., last]) if !first.is_empty() => return format!("{} or {last}", first.join(", ")),
            Self::Word(_) => "word",
            Self::Commands => "list of names",
            Self::Domains => "list of domains",
            Self::Ports => "list of ports",
            Self::Networks => "list of networks",
            Self::Layers => "list of layers",
            Self::Modules => "list of modules",
            Self::Environments => "list of environments",
        }
        .to_owned()
    }
}
