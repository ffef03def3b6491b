"""What becomes of the settings that VIP's portal sends, from the table that the engine obeys."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.app.portal.executor_settings import MET_PREFIXES, TABLE
from tests.docs.markdown import code, sentence, table


def settings() -> str:
    """Each key, and what is done about it."""
    rows = [(code(name), sentence(row.effect)) for name, row in TABLE.items()]
    rows += [(code(f"{prefix}..."), f"Needs nothing: {by}") for prefix, by in MET_PREFIXES.items()]
    return table(["key", "what becomes of it"], rows)


PARTS: Mapping[str, Callable[[], str]] = {"vip-settings": settings}
