"""The page about storages tells which schemes there are, and which of them worker nodes speak."""

from __future__ import annotations

import re
from importlib.metadata import entry_points

from tests.docs.pages import ROOT
from wrappers.transfer.schemes import BY_GRANT_ONLY, SCHEMES


def test_the_page_tells_of_each_scheme_whether_nodes_speak_it() -> None:
    page = (
        (ROOT / "docs/reference/storages.md").read_text().partition("\n## Schemes\n")[2].partition("\n## ")[0]
    )
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line[:3] == "| `"
    ]
    told = {scheme: row[2] for row in rows for scheme in re.findall(r"`(\w+)`", row[0])}
    ours = [one.name for one in entry_points(group="engine.storages") if one.value.startswith("engine.")]
    assert told == {
        scheme: "by the engine's grant" if scheme in BY_GRANT_ONLY else "yes" if scheme in SCHEMES else "no"
        for scheme in {*ours, *SCHEMES}
    }
