"""What becomes of the code's value, and the namespace it runs in."""

from __future__ import annotations

import pytest
from guest.harness import run


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("2 + 2", 4),
        ("result = 5\n6", 5),
        ("def f():\n    global result\n    result = 7\nf()", 7),
        ("x = 1\n'text'", "text"),
        ("'only a docstring'", "only a docstring"),
        ("import datetime\n(datetime.date(2026, 1, 2), {1: b'x'}, 10**5000 > 1)", None),
        ("result = 1\nimport sys; sys.exit(0)", 1),
        ("class P:\n    pass\n__name__, P.__module__, __import__('sys').modules['__main__'].P is P", None),
    ],
)
def test_value(code, value):
    got = run(code)
    assert (got.kind, got.exit_code, got.error, got.finishes) == ("ok", 0, None, 1)
    assert got.has_value
    if value is not None:
        assert got.value == value


@pytest.mark.parametrize("code", ["x = 1", "print('hi')", "", "None"])
def test_no_value(code):
    got = run(code)
    assert (got.kind, got.has_value) == ("ok", False)


def test_explicit_none_is_a_value():
    got = run("result = None\n5")
    assert (got.has_value, got.value) == (True, None)


def test_the_real_main():
    got = run("""
        import pickle, sys, inspect, threading, dataclasses
        @dataclasses.dataclass
        class Point:
            x: int
        def source(): return 1
        result = {
            "name": __name__,
            "pickled": pickle.loads(pickle.dumps(Point(3))).x,
            "source": inspect.getsource(source),
            "argv": sys.argv,
            "file": "__file__" in globals(),
            "hidden": [n for n in globals() if n.startswith("__codemode")],
        }
    """)
    assert got.value == {
        "name": "__main__",
        "pickled": 3,
        "source": "def source(): return 1\n",
        "argv": ["main.py"],
        "file": False,
        "hidden": [],
    }


def test_warnings_name_the_member():
    got = run("result = {'rows': [1, 2, 3, object()], 'n': 1}")
    assert got.value["rows"][:3] == [1, 2, 3]
    assert got.value["rows"][3].type_name == "object"
    assert got.warnings == ["result['rows'][3] (object) crossed as its repr only: its type has no wire form"]


def test_hostile_repr_and_dump():
    got = run("""
        class A:
            def __repr__(self): raise ValueError('no')
        class B:
            def model_dump(self, mode): raise KeyError('no')
        class C(dict):
            def items(self): raise TypeError('no')
            __iter__ = __len__ = items
        result = [A(), B(), C(a=1), 1]
    """)
    assert got.kind == "ok"
    assert got.value[2:] == [{"a": 1}, 1]
    assert len(got.warnings) == 2


def test_repr_that_exits():
    got = run("class A:\n    def __repr__(self): raise SystemExit(3)\nA()")
    assert (got.kind, got.error["error_type"]) == ("error", "SystemExit")


def test_too_large():
    got = run("result = 'x' * 5000", result_bytes=1000)
    assert (got.kind, got.has_value, got.exit_code) == ("result_too_large", False, 0)
    assert got.error["error_type"] == "ResultTooLarge"
    assert "1000" in got.error["message"]


def test_context_and_config_are_read_only():
    got = run(
        """
        import json
        errors = []
        for change in ("context['a'] = 1", "del context['user']", "context.user.name = 2", "config.update(x=1)"):
            try: exec(change)
            except TypeError as e: errors.append(str(e))
        try: context.nothing
        except AttributeError as e: errors.append(str(e))
        result = [context.user.name, context['user']['name'], json.dumps(context), config.get('x', 5), errors]
        """,
        context='{"user": {"name": "Ann"}}',
    )
    name, item, text, default, errors = got.value
    assert (name, item, text, default) == ("Ann", "Ann", '{"user": {"name": "Ann"}}', 5)
    assert len(errors) == 5
    assert "there is: user" in errors[-1]


def test_figures_are_saved():
    got = run("""
        import sys, types
        class Figure:
            def __init__(self, number): self.number = number
            def savefig(self, path):
                print("saved", path)
                if self.number == 2: raise OSError("disk full")
        pyplot = types.ModuleType("matplotlib.pyplot")
        pyplot.get_fignums, pyplot.figure = (lambda: [1, 2]), Figure
        sys.modules["matplotlib.pyplot"] = pyplot
        result = 1
    """)
    assert got.stdout == "saved /outputs/figure-1.png\nsaved /outputs/figure-2.png\n"
    assert got.value == 1
    assert got.warnings == ["figure 2 could not be saved: OSError: disk full"]


def test_warming_leaves_nothing():
    got = run("import linecache, threading\n['warm.py' in linecache.cache, threading.active_count()]")
    assert got.value == [False, 1]
