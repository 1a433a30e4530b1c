"""What the site of docs/ has besides the files of that folder. mkdocs calls the functions named `on_…`.

- The documents at the top of the repository are pages under project/.
- A link to a file of the repository leads to its page, or to the code host where it has none. So one spelling, the
  path from the document, is right on a code host and in the site.
- In `nav`, a folder stands for its pages.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from xml.etree.ElementTree import Element

from markdown import Extension, Markdown
from markdown.treeprocessors import Treeprocessor
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
# Each document at the top, and its page.
DOCUMENTS = {
    "README.md": "project/readme.md",
    "ARCHITECTURE.md": "project/architecture.md",
    "SECURITY.md": "project/security.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "BENCHMARKS.md": "project/benchmarks.md",
    "CHANGELOG.md": "project/changelog.md",
}
PAGES = {page: document for document, page in DOCUMENTS.items()}
# After links are elements, before mkdocs reads them.
PRIORITY = 5

log = logging.getLogger("mkdocs.hooks.codemode")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    config.nav = [opened(entry, Path(config.docs_dir)) for entry in config.nav or []]
    links.config = config
    config.markdown_extensions.append(links)
    config.watch.extend(str(ROOT / document) for document in DOCUMENTS)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for document, page in DOCUMENTS.items():
        files.append(File.generated(config, page, content=(ROOT / document).read_text()))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    links.page = page
    return markdown


def opened(entry: Any, docs: Path) -> Any:
    """The entry of `nav` with its folders' pages."""
    match entry:
        case str() if entry.endswith("/"):
            pages = sorted(path.relative_to(docs).as_posix() for path in (docs / entry).glob("*.md"))
            return sorted(pages, key=lambda page: not page.endswith("/index.md"))
        case dict():
            return {title: opened(inner, docs) for title, inner in entry.items()}
        case list():
            return [opened(inner, docs) for inner in entry]
    return entry


class Links(Extension, Treeprocessor):  # type: ignore[misc]
    config: MkDocsConfig
    page: Page

    def extendMarkdown(self, md: Markdown) -> None:
        md.treeprocessors.register(self, "repository_links", PRIORITY)

    def run(self, root: Element) -> None:
        for element in root.iter("a"):
            if href := element.get("href"):
                element.set("href", self.of_site(href))

    def of_site(self, href: str) -> str:
        """The link as mkdocs wants it: what leads to a file of the repository leads to the page of that file."""
        scheme, host, path, query, anchor = urlsplit(href)
        if scheme or host or not path or path.startswith("/"):
            return href
        source = self.page.file.src_uri
        document = PurePosixPath(PAGES.get(source) or f"docs/{source}")
        target = os.path.normpath(document.parent / path)
        if target.startswith("docs/"):
            page = target.removeprefix("docs/")
        elif target in DOCUMENTS:
            page = DOCUMENTS[target]
        elif (ROOT / target).exists() and not target.startswith(".."):
            return f"{self.config.extra['repository']}/blob/main/{target}" + (f"#{anchor}" if anchor else "")
        else:
            log.warning("%s links to %s, which is no file of the repository", document, href)
            return href
        return urlunsplit(("", "", os.path.relpath(page, PurePosixPath(source).parent), query, anchor))


links = Links()
