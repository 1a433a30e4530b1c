"""A package index with one package: the simple repository API, as pip asks for it."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from typing import Any

from network.http1 import Request, Response
from network.pages import Page

PACKAGE, VERSION, WORD = "arena-probe", "1.0", "from the index"
_MODULE = PACKAGE.replace("-", "_")
_WHEEL = f"{_MODULE}-{VERSION}-py3-none-any.whl"


def _wheel() -> bytes:
    info = f"{_MODULE}-{VERSION}.dist-info"
    files = {
        f"{_MODULE}.py": f"WORD = {WORD!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {VERSION}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: arena\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    for name, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},{len(text)}")
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,"]) + "\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return packed.getvalue()


def package_index() -> dict[str, Page]:
    wheel = _wheel()
    link = f"/packages/{_WHEEL}#sha256={hashlib.sha256(wheel).hexdigest()}"
    listing = f'<!DOCTYPE html><html><body><a href="{link}">{_WHEEL}</a></body></html>'.encode()

    def simple(_: Request, __: dict[str, Any]) -> Response:
        return Response(listing, headers=(("Content-Type", "text/html"),))

    def package(_: Request, __: dict[str, Any]) -> Response:
        return Response(wheel, headers=(("Content-Type", "application/octet-stream"),))

    return {f"/simple/{PACKAGE}": simple, f"/packages/{_WHEEL}": package}
