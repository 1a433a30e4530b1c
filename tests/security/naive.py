"""What runs a program in the bare cage: `exec`, and tools that ask nobody. Read by `cage.py`, never imported."""

import sys


class Tool:
    def __init__(self, tools, name):
        self._tools, self.name = tools, name
        self._spec = {"name": name}

    def run(self, **arguments):
        return getattr(self._tools, "do_" + self.name)(**arguments)

    def map(self, many):
        return [self.run(**each) for each in many]

    __call__ = run


class Tools:
    """All that is registered: nothing here knows what was granted."""

    count = 0

    def __getitem__(self, name):
        name = str(name).strip().lower()
        if not hasattr(self, "do_" + name):
            raise KeyError(name)
        return Tool(self, name)

    def __getattr__(self, name):
        if name.startswith(("_", "do_")):
            raise AttributeError(name)
        return self[name]

    def get(self, name):
        return self[name]

    def do_echo(self, value):
        return value

    def do_counter(self):
        Tools.count += 1
        return Tools.count

    def do_sleep(self, seconds, tag=None):
        return tag

    def do_boom(self):
        raise ValueError("SECRET-IN-EXCEPTION /home/app/x.py")

    def do_big(self, n):
        return "x" * n

    def do_read_file(self, path):
        with open("/workspace/" + path if not path.startswith("/") else path) as file:
            return file.read()

    def do_admin(self, cmd):
        return "ran " + cmd


program = sys.stdin.buffer.read().decode("utf-8", "surrogatepass")
# One interpreter for all: what an earlier execution left is there for the next.
for _ in range(int(sys.argv[1])):
    names = {"__name__": "__main__", "tools": Tools(), "api_key": __import__("os").environ["CODEMODE_API_KEY"]}
    exec(compile(program, "<code>", "exec"), names)
