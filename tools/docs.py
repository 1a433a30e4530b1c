"""Builds the site of docs/ with mkdocs-material, in an environment of its own: target/docs-venv.

    docs.py build     into target/site; each warning is an error, such as a link that leads nowhere
    docs.py serve     on 127.0.0.1:8000, built again when a page changes

Standard library only.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
from pathlib import Path

from build import ROOT, TARGET, environment, fail, run, say

SITE = ROOT / "target" / "site"
ADDRESS = "127.0.0.1:8000"
# What a browser would fetch from elsewhere before anybody follows a link.
FETCHED = re.compile(
    r"""<(?:script|img|iframe|link(?! rel="canonical"))\b[^>]*\b(?:src|href)=["']?(?:https?:)?//[^>]*>"""
    r"""|<a\b[^>]*data-md-component="?source[^>]*>"""  # the theme asks a code host about it
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("step", choices=("build", "serve"))
    step = parser.parse_args().step
    TARGET.mkdir(exist_ok=True)
    with (TARGET / "docs.lock").open("w") as lock:
        # Two runs would change one environment and one site.
        fcntl.flock(lock, fcntl.LOCK_EX)
        python = environment(TARGET / "docs-venv", ROOT / "tools" / "requirements-docs.txt")
        if step == "build":
            build(python)
    if step == "serve":
        mkdocs(python, "serve", "--dev-addr", ADDRESS)


def build(python: Path) -> None:
    mkdocs(python, "build")
    pages = sorted(SITE.rglob("*.html"))
    for page in pages:
        if found := FETCHED.search(page.read_text()):
            fail(f"{page.relative_to(ROOT)} makes a browser fetch from elsewhere: {found.group()}")
    say(f"the site: {len(pages)} pages in {SITE.relative_to(ROOT)}")


def mkdocs(python: Path, *arguments: str) -> None:
    # An advertisement of the theme's.
    os.environ["NO_MKDOCS_2_WARNING"] = "true"
    run(python, "-m", "mkdocs", *arguments, "--config-file", ROOT / "mkdocs.yml")


if __name__ == "__main__":
    main()
