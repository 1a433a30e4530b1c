"""Exceptions, exits and the end of a run."""

from __future__ import annotations

import sys

import pytest
from guest.harness import run


def test_syntax_error_runs_nothing():
    got = run("print('before')\nx = (1,\ny = ]\n")
    assert (got.kind, got.exit_code, got.stdout) == ("error", 1, "")
    assert (got.error["error_type"], got.error["line"]) == ("SyntaxError", 3)
    assert '  File "main.py", line 3\n    y = ]\n        ^\n' in got.error["traceback"]
    assert "_codemode" not in got.error["traceback"]


@pytest.mark.parametrize(
    "code",
    [
        "(" * 5000 + ")" * 5000,
        "-" * 100_000 + "1",
        "a" + "[0]" * 30_000,
        "\0",
        "x = 1\n\0",
        "1" * 5000,
        "f'{" + "f'{" * 200 + "1",
        "return 1",
        "def f():\n    await x()",
        "if True:\nx",
        "\ufeff\ufeff",
    ],
)
def test_parser_bombs_are_user_errors(code):
    got = run(code)
    assert got.kind == "error", got
    assert got.error["error_type"] in ("SyntaxError", "RecursionError", "MemoryError", "ValueError", "IndentationError")


def test_a_byte_order_mark_is_dropped_as_in_a_file():
    got = run("\ufeff1 + 1\n")
    assert (got.kind, got.value) == ("ok", 2)
    got = run("\ufeffx = 1\n1 / 0\n")
    assert 'File "main.py", line 2, in <module>\n    1 / 0' in got.error["traceback"]


def test_traceback_shows_user_frames_only():
    got = run("""\
        import json
        def parse(text):
            return json.loads(text)

        print('kept')
        parse('{')
    """)
    assert (got.kind, got.exit_code, got.stdout) == ("error", 1, "kept\n")
    error = got.error
    assert (error["error_type"], error["line"]) == ("JSONDecodeError", 3)
    text = error["traceback"]
    assert "File \"main.py\", line 6, in <module>\n    parse('{')" in text
    assert 'File "main.py", line 3, in parse\n    return json.loads(text)' in text
    assert "decoder.py" not in text
    assert "_codemode" not in text
    assert text.endswith(f"JSONDecodeError: {error['message']}\n")


def test_chains():
    got = run("""\
        try:
            {}['missing']
        except KeyError as e:
            raise ValueError('bad') from e
    """)
    assert "KeyError: 'missing'" in got.error["traceback"]
    assert "direct cause" in got.error["traceback"]
    got = run("try:\n    1/0\nexcept ZeroDivisionError:\n    undefined")
    assert "During handling" in got.error["traceback"]
    assert got.error["error_type"] == "NameError"


def test_chain_that_loops():
    got = run("a = ValueError('a'); b = ValueError('b')\na.__cause__ = b; b.__cause__ = a\nraise a")
    assert got.error["message"] == "a"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups are new in 3.11")
def test_exception_group():
    got = run("def f():\n    raise KeyError('inner')\ntry: f()\nexcept Exception as e: raise ExceptionGroup('g', [e])")
    assert got.error["error_type"] == "ExceptionGroup"
    assert 'File "main.py", line 2, in f' in got.error["traceback"]
    assert "runner.py" not in got.error["traceback"]


@pytest.mark.parametrize("raised", ["ValueError('no')", "SystemExit(9)", "KeyboardInterrupt()"])
def test_str_that_raises(raised):
    got = run(f"class E(Exception):\n    def __str__(self): raise {raised}\nraise E")
    assert (got.kind, got.error["error_type"], got.error["line"]) == ("error", "E", 3)
    assert "str() raised" in got.error["message"]


def test_odd_messages():
    got = run("raise ValueError('\\ud800' + 'x' * 1_000_000)")
    assert got.error["message"].startswith("\\ud800xxx")
    assert len(got.error["message"]) < 20_000


def test_recursion():
    got = run("def f(): return f()\nf()")
    assert (got.error["error_type"], got.error["line"]) == ("RecursionError", 1)
    assert len(got.error["traceback"]) < 5000


@pytest.mark.parametrize(
    ("code", "exit_code", "stderr"),
    [
        ("raise SystemExit", 0, ""),
        ("exit_code = 0; import sys; sys.exit(0)", 0, ""),
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit(True)", 1, ""),
        ("import sys; sys.exit(256)", 0, ""),
        ("import sys; sys.exit(-1)", 255, ""),
        ("import sys; sys.exit(10**30)", 255, ""),
        ("import sys; sys.exit('bye')", 1, "bye\n"),
        ("import sys; sys.exit([1])", 1, "[1]\n"),
        ("import sys\nasync def f(): sys.exit(4)\nawait f()", 4, ""),
    ],
)
def test_exits(code, exit_code, stderr):
    got = run(code)
    assert (got.exit_code, got.returncode, got.stderr) == (exit_code, exit_code, stderr)
    assert got.kind == ("error" if exit_code else "ok")
    assert (got.error or {}).get("error_type") == ("SystemExit" if exit_code else None)


@pytest.mark.parametrize(("name", "exit_code"), [("KeyboardInterrupt", 1), ("GeneratorExit", 1)])
def test_base_exceptions(name, exit_code):
    got = run(f"raise {name}")
    assert (got.kind, got.exit_code, got.error["error_type"]) == ("error", exit_code, name)


def test_end_is_cpythons():
    got = run("""
        import atexit, threading, sys
        go = threading.Event()
        def late():
            go.wait()
            rows.append(1)
            print("thread")
        rows = []
        threading.Thread(target=late).start()
        atexit.register(lambda: print("atexit", end=""))
        go.set()
        result = rows
    """)
    assert got.stdout == "thread\natexit"
    assert got.value == [1]


def test_errors_at_the_end_do_not_change_the_outcome():
    got = run("import atexit\natexit.register(lambda: 1/0)\nresult = 1")
    assert (got.kind, got.value) == ("ok", 1)
    assert "ZeroDivisionError" in got.stderr


def test_os_exit_sends_no_finish():
    got = run("import os\nprint('kept')\nos._exit(3)")
    assert (got.kind, got.returncode, got.stdout) == (None, 3, "kept\n")


def test_a_forked_copy_does_not_report():
    got = run("""
        import os
        pid = os.fork()
        if pid: os.waitpid(pid, 0)
        result = 'parent' if pid else 'child'
    """)
    assert (got.finishes, got.value) == (1, "parent")


def test_excepthook():
    got = run("import sys\nsys.excepthook = lambda *e: print('hook', e[0].__name__)\n1/0")
    assert got.stdout == "hook ZeroDivisionError\n"
    assert got.error["error_type"] == "ZeroDivisionError"


def test_closed_stdout():
    got = run("import sys\nsys.stdout.close(); sys.stdout = None\nresult = 1")
    assert got.value == 1


@pytest.mark.parametrize(
    "damage",
    [
        "sys.setrecursionlimit(60)",
        "sys.settrace(lambda *a: 1/0)",
        "sys.modules.clear()",
        "sys.stdout = sys.stderr = object()",
        "builtins.__dict__.pop('print')",
        "os.environ.clear(); os.chdir('/')",
        "threading._shutdown = atexit._run_exitfuncs = None",
        "globals().clear()",
    ],
)
def test_damage_is_survived(damage):
    got = run(f"import atexit, builtins, json, os, sys, threading\n{damage}\nresult = 5")
    assert (got.finishes, got.exit_code, got.returncode) == (1, got.exit_code, got.exit_code)
    assert got.kind == "ok" or got.error["message"]


@pytest.mark.parametrize("damage", ["builtins.__dict__.clear()", "os.getpid = lambda: 1 / 0"])
def test_worse_damage_is_reported_or_ends_the_process(damage):
    got = run(f"import builtins, os\n{damage}\nresult = 5")
    assert got.kind != "ok" or got.value == 5
    assert got.returncode is not None


def test_context_that_cannot_be_read():
    got = run("print('ran')", context='{"$codemode":"nope"}')
    assert (got.kind, got.exit_code, got.error["error_type"], got.stdout) == ("error", 1, "Rejected", "")


def test_multiprocessing():
    got = run("""
        import multiprocessing
        def work(n): return n * n
        with multiprocessing.get_context("fork").Pool(2) as pool:
            result = pool.map(work, range(4))
    """)
    assert (got.error, got.value, got.finishes) == (None, [0, 1, 4, 9], 1)
