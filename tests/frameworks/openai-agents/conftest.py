"""OpenAI's agents without their makers' services, and an application with tools of its own."""

from __future__ import annotations

import os

from frameworks.application import application, codemode

__all__ = ["application", "codemode"]

os.environ["OPENAI_AGENTS_DISABLE_TRACING"] = "1"
