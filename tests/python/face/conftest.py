from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import fake_native

from codemode import _native


@pytest.fixture
def native(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[fake_native.NativeClient]:
    """The fake native client; assign `native.script` to say what executions do."""
    module = ModuleType("codemode._native")
    module.NativeClient = fake_native.NativeClient  # type: ignore[attr-defined]
    module.NativeError = fake_native.NativeError  # type: ignore[attr-defined]
    for name in fake_native.PURE:
        setattr(module, name, getattr(_native, name, None))
    monkeypatch.setitem(sys.modules, "codemode._native", module)
    for name in ("CODEMODE_EXECUTOR_URL", "CODEMODE_EXECUTOR_API_KEY", "CODEMODE_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    program = tmp_path / "codemode"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr("codemode._locate._PACKAGED", program)
    monkeypatch.setattr(fake_native.NativeClient, "script", staticmethod(lambda run: fake_native.raw()))
    fake_native.NativeClient.created.clear()
    return fake_native.NativeClient
