/// What an execution finds in `__main__` beside `tools`, `context` and `config`, and what of it is handed back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Globals {
    /// Names and their values, as tagged JSON; empty: none.
    pub variables: Vec<u8>,
    /// Whether the names at the top come back as the code left them.
    pub keep_variables: bool,
    /// Whether each tool is a function of its name as well.
    pub bare_tools: bool,
}
