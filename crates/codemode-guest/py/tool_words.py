"""Names that say what a program may do, wherever they stand in it."""

from __future__ import annotations

# fmt: off
# Ways to change what `tools` is without saying so: a program that knows one of them is not checked.
REFLECTION = frozenset((
    "exec", "eval", "globals", "locals", "vars", "setattr", "delattr", "modules", "gc", "ctypes", "mock", "monkeypatch",
    "runpy", "builtins", "_codemode", "currentframe", "_getframe", "_current_frames", "f_globals", "f_locals", "f_back",
    "f_builtins", "tb_frame", "gi_frame", "cr_frame", "__import__", "__builtins__", "__dict__", "__globals__",
    "__main__", "InteractiveInterpreter", "InteractiveConsole",
))
# Ways to ask what tools there are, how they are called, or what was set for this run.
QUESTIONS = frozenset((
    "hasattr", "getattr", "dir", "inspect", "input_schema", "output_schema", "description", "environ", "getenv",
))
# What the application set, unless the program has names like these of its own.
SETTINGS = frozenset(("context", "config"))
# Functions that `tools` itself may be given to: they only ask.
ASKING = frozenset((
    "len", "list", "sorted", "set", "frozenset", "tuple", "iter", "enumerate", "print", "repr", "str", "bool", "dir",
    "hasattr", "getattr",
))
# Ways to end a program well before its last line.
EXITS = frozenset((
    "exit", "quit", "_exit", "abort", "kill", "SystemExit", "execv", "execve", "execvp", "execl", "execlp",
))
# Ways for a failure to end nothing, besides `try` and `with`.
CATCHING = frozenset((
    "suppress", "return_exceptions", "create_task", "ensure_future", "run_coroutine_threadsafe", "run_in_executor",
    "submit", "apply_async", "map_async", "wait", "Thread", "Process", "Timer", "start_new_thread", "TaskGroup",
    "add_done_callback", "call_soon", "call_later", "call_at", "atexit", "finalize", "signal", "excepthook",
    "ExitStack", "AsyncExitStack", "__del__",
))
# A program that makes context managers of its own may give them any name.
MANAGERS = frozenset(("__exit__", "__aexit__", "contextmanager", "asynccontextmanager"))
# Context managers that let every exception through.
TRANSPARENT = frozenset((
    "open", "ThreadPoolExecutor", "ProcessPoolExecutor", "Pool", "TemporaryDirectory", "NamedTemporaryFile",
    "TemporaryFile", "ZipFile", "nullcontext", "redirect_stdout", "redirect_stderr",
))
# Functions and methods that call what they are given, or use it up, and let its exceptions through.
RUNNING = frozenset((
    "map", "filter", "sorted", "min", "max", "sum", "any", "all", "list", "tuple", "set", "frozenset", "dict",
))
RUNNING_METHODS = frozenset(("map", "sort", "join", "extend"))
# fmt: on
