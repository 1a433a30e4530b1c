"""The published package as it is installed, our executor, and an application between them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from codemode import Codemode
from codemode.config import ClientConfig
from codemode.core.executor_client import ExecutorClient
from frameworks.opencodemode.application import Application
from frameworks.opencodemode.executor import KEY, Executor

# Read when CrewAI is imported.
os.environ |= {"CREWAI_DISABLE_TELEMETRY": "true", "OTEL_SDK_DISABLED": "true", "CREWAI_TRACING_ENABLED": "false"}


def pytest_configure(config: pytest.Config) -> None:
    # They warn of their own fields and of what they lean on.
    for name in ("crewai", "google", "grpc"):
        config.addinivalue_line("filterwarnings", f"ignore::DeprecationWarning:{name}")


@pytest.fixture(scope="session")
def application() -> Iterator[Application]:
    with Application(KEY) as application:
        yield application


@pytest.fixture(scope="session")
def executor(application: Application, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    folder = tmp_path_factory.mktemp("executor")
    with Executor(folder, {"main_app_grpc_target": application.target, "limits": {"code_timeout": 20}}) as executor:
        yield executor


@pytest.fixture
def client(executor: Executor) -> Iterator[ExecutorClient]:
    with ExecutorClient(executor.url, KEY) as client:
        yield client


@pytest.fixture
def codemode(executor: Executor, application: Application) -> Iterator[Codemode]:
    config = ClientConfig(executor_url=executor.url, executor_api_key=KEY)
    with Codemode.from_client_config(config, registry=application.registry) as codemode:
        yield codemode
    application.registry.clear_context()
    application.marks.clear()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path
