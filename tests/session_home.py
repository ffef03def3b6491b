"""Services begin with the home directory of the session, whichever test asks first.

They live as long as the session. With the `home` of a test, they would be ended with it, and be missing in
the next. No hook of a conftest: that of `tests` is not asked about what belongs to the session.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

HOME = os.environ.get("HOME", "/")


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
    """Set up a fixture of the session with HOME as it was when that began."""
    if fixturedef.scope != "session":
        return (yield)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", HOME)
        return (yield)
