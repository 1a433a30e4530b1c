"""The Python half of the guest: what runs around user code inside a sandbox.

The native half puts these files into `sys.modules` as the package `_codemode`, together with the value codec that
both ends share. `MODULES` is the whole list in an order that satisfies every import: (module, file it comes from).
It calls `runner.warm(...)` once in the zygote, `runner.rehearse(...)` in one child of it that ends then, and
`runner.main(bridge)` in each confined child.

Nothing here is a wall. Code in the sandbox can change any of it; what it must not do, the kernel refuses.
"""

MODULES = (
    ("_codemode._values_read", "python/codemode/_values_read.py"),
    ("_codemode._values_frames", "python/codemode/_values_frames.py"),
    ("_codemode.values", "python/codemode/_values.py"),
    ("_codemode.channel", "channel.py"),
    ("_codemode.calls", "calls.py"),
    ("_codemode.tools", "tools.py"),
    ("_codemode.awaiting", "awaiting.py"),
    ("_codemode.tool_schemas", "tool_schemas.py"),
    ("_codemode.tool_uses", "tool_uses.py"),
    ("_codemode.tool_words", "tool_words.py"),
    ("_codemode.tool_facts", "tool_facts.py"),
    ("_codemode.tool_paths", "tool_paths.py"),
    ("_codemode.tool_check", "tool_check.py"),
    ("_codemode.compiling", "compiling.py"),
    ("_codemode.limits", "limits.py"),
    ("_codemode.courtesy", "courtesy.py"),
    ("_codemode.namespace", "namespace.py"),
    ("_codemode.variables", "variables.py"),
    ("_codemode.tracebacks", "tracebacks.py"),
    ("_codemode.ending", "ending.py"),
    ("_codemode.runner", "runner.py"),
    ("_codemode.warming", "warming.py"),
)
