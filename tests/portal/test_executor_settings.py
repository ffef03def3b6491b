"""Settings of an application as VIP's portal sends them, up to the description of a grid job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.app.portal.executor_settings import MET_PREFIXES, TABLE, properties, read
from engine.backends.wms.jdl import JobRequirements, adapted, attributes
from engine.errors import BadRequest

SENT = {
    "default.executor": "DIRAC",
    "default.retry.count": "3",
    "default.cputime": 7200,
    "default.environment": "OMP_NUM_THREADS=4 MODE='fast'",
    "plugin.dirac.conf.sites": "LCG.CREATIS.fr, LCG.IN2P3.fr",
    "plugin.dirac.conf.sites.banned": "LCG.BAD.uk",
    "plugin.dirac.conf.tags": "GPU",
    "plugin.dirac.default.priority": "5",
    "vo.name": "biomed",
    "plugin.dirac.host": "dirac.example.org",
}


def test_what_is_asked_reaches_the_description_of_a_grid_job() -> None:
    found = read(SENT)
    assert (found.executor, found.retries) == ("DIRAC", 3)
    assert found.environment == {"OMP_NUM_THREADS": "4", "MODE": "fast"}
    usual = JobRequirements(sites=("OTHER",), banned=("WORSE",), tags=("own",), priority=1)
    told = attributes("k", "g", [], (0, 1), {}, adapted(usual, found.grid, ["LCG.IN2P3.fr"], []))
    assert told["Site"] == ["LCG.CREATIS.fr", "LCG.IN2P3.fr"]
    assert told["BannedSites"] == ["WORSE", "LCG.BAD.uk", "LCG.IN2P3.fr"]
    assert (told["Tags"], told["Priority"], found.grid.cpu_time) == (["own", "GPU"], 5, 7200)


@pytest.mark.parametrize("name", TABLE)
def test_a_key_without_a_value_asks_for_nothing(name: str) -> None:
    assert read({name: ""}) == read({})


names = st.one_of(st.sampled_from([*TABLE, *(f"{each}x" for each in MET_PREFIXES)]), st.text(max_size=30))
values = st.one_of(
    st.text(max_size=40), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.text())
)


def refusal(function: Callable[[Any], object], given: Any) -> str:
    """Why something is refused; "" when it is not."""
    try:
        function(given)
    except BadRequest as error:
        return error.message
    return ""


@given(st.dictionaries(names, values, max_size=5))
def test_whatever_is_sent_is_understood_or_refused_by_name(sent: dict[str, Any]) -> None:
    why = refusal(read, sent)
    assert not why or any(f"{name[:100]!r}" in why for name in sent)


@given(st.text())
def test_a_file_of_settings_is_read_or_refused_by_its_line(text: str) -> None:
    why = refusal(properties, text)
    assert not why or "settings.conf line " in why


def test_comments_and_blanks_of_a_file_say_nothing() -> None:
    assert properties("# a = b\n\n! c\n vo.name =  biomed \nx=1=2\n") == {"vo.name": "biomed", "x": "1=2"}
