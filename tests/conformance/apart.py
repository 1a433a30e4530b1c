"""For tests here that need none of the documents: they run also where those are not."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def the_documents_are_there() -> None:
    """In place of the one in `conftest.py`, in each module that imports it."""
