"""A git repository behind git's own program for web servers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from network.http1 import Request, Response
from network.pages import Page

NAME, FILE, TEXT = "probe.git", "README", "from the repository\n"
_AUTHOR = {f"GIT_{who}_{what}": "arena@allowed.test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
_ENVIRONMENT = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, **_AUTHOR}


def repository(folder: Path) -> dict[str, Page]:
    """Makes it in `folder`, with one commit; `/git/probe.git` is what to clone."""
    work = folder / "work"
    _git(folder, "init", "--quiet", "--initial-branch=main", str(work))
    (work / FILE).write_text(TEXT)
    _git(work, "add", FILE)
    _git(work, "commit", "--quiet", "--message=first")
    root = folder / "git"
    _git(folder, "clone", "--quiet", "--bare", str(work), str(root / NAME))

    def page(request: Request, _: dict[str, Any]) -> Response:
        environment = {
            **_ENVIRONMENT,
            "GIT_PROJECT_ROOT": str(folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": request.path,
            "QUERY_STRING": request.query,
            "REQUEST_METHOD": request.method,
            "CONTENT_TYPE": request.header("content-type") or "",
            "HTTP_CONTENT_ENCODING": request.header("content-encoding") or "",
            "GIT_PROTOCOL": request.header("git-protocol") or "",
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(["git", "http-backend"], input=request.body, env=environment, capture_output=True)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        fields = [line.partition(": ") for line in head.decode("latin-1").split("\r\n") if line]
        status = next((value for name, _, value in fields if name == "Status"), "200 OK")
        return Response(body, status, tuple((name, value) for name, _, value in fields if name != "Status"))

    return {"/git/": page}


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, env=_ENVIRONMENT, check=True)
