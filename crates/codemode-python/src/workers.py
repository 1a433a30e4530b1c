"""The threads that call the application's Python.

Started by and in Python, with no native frame beneath the call: at the end of the interpreter CPython ends such threads
by unwinding them, which native frames do not survive.
"""

import threading


def start(take):
    threading.Thread(target=_serve, args=(take,), name="codemode-tool", daemon=True).start()


def _serve(take):
    while job := take():
        function, arguments, done = job
        try:
            answer = function(*arguments)
        except BaseException as error:
            done(None, error)
        else:
            done(answer, None)
        # Keeps nothing alive while it waits.
        job = function = arguments = done = answer = None
