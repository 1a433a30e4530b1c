"""An application with tools of its own."""

from __future__ import annotations

from frameworks.application import application, codemode

__all__ = ["application", "codemode"]
