"""How the engine's states, times and values become what VIP's portal can read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.attempt import AttemptState
from engine.domain.execution import ExecutionState, Intent
from engine.domain.job import JobState
from engine.domain.options import Options
from engine.errors import SettingsError
from engine.ids import AttemptId, ExecutionId, JobId
from engine.settings.vip import VipSection
from engine.store.driven import Try
from engine.store.executions import Execution
from engine.store.jobs import Job
from engine.store.launches import Launch
from engine.vip import plug, rows, states, sums
from engine.vip.columns import ascending, clip, shown, storable
from engine.vip.states import SignalAction
from tests.portal.vip.portal import PHASES, STATES
from wrappers import wire

EXECUTION = Execution(
    ExecutionId("01" * 13), "vip", "tool", "0" * 64, Options(), "local", "file:///r", ExecutionState.ACTIVE,
    Intent.RUN, 1000.0,
)  # fmt: skip
TEXTS = st.text(max_size=600) | st.text(alphabet=st.characters(categories=["Cs", "Cc", "So"]), max_size=600)
FAILURES = st.sampled_from(["", *wire.FAILURES])
SECONDS = st.floats(min_value=1.0, max_value=2e9) | st.none()


@st.composite
def reports(draw: st.DrawFn) -> dict[str, object] | None:
    """What a node may have told, with any clock."""
    if draw(st.booleans()):
        return None
    names = draw(
        st.lists(st.sampled_from(["probe", "inputs", "image", "run", "outputs", "deliver"]), unique=True)
    )
    at = st.floats(min_value=0.0, max_value=2e9) | st.floats()
    return {
        "message": draw(TEXTS),
        "started": draw(at),
        "ended": draw(at),
        "phases": [{"name": n, "start": draw(at), "seconds": draw(st.floats())} for n in names],
        "host": {"name": draw(TEXTS), "site": draw(TEXTS)},
        "inputs": [{"url": f"file:///in/{draw(st.integers(0, 2))}"}],
        "products": [{"url": f"file:///in/{draw(st.integers(0, 2))}"}],
    }


@st.composite
def jobs_with_tries(draw: st.DrawFn) -> tuple[Job, list[Try]]:
    """Any job, also ones that cannot be."""
    made = [
        Try(
            AttemptId(str(n)), n, draw(st.sampled_from(AttemptState)), draw(FAILURES),
            draw(st.floats(1.0, 2e9)), draw(st.floats(1.0, 2e9)), draw(reports()), draw(TEXTS), draw(SECONDS),
            draw(SECONDS),
        )
        for n in range(1, draw(st.integers(0, 3)) + 1)
    ]  # fmt: skip
    job = Job(
        JobId(1), EXECUTION.id, draw(st.integers(1, 10**6)), draw(st.sampled_from(JobState)), {},
        draw(st.dictionaries(TEXTS, TEXTS | st.lists(st.integers()), max_size=3)), len(made), "", draw(TEXTS),
        None, 0.0, draw(st.floats(1.0, 2e9)),
    )  # fmt: skip
    return job, made


@given(jobs_with_tries(), TEXTS)
def test_whatever_happens_to_a_job_the_portal_can_read_its_rows(
    found: tuple[Job, list[Try]], name: str
) -> None:
    job, tries = found
    launch = Launch(EXECUTION.id, "account", "", name)
    made = rows.of_job(EXECUTION, launch, job, tries)
    assert made
    assert len({one.id for one in made}) == len(made)
    for one in made:
        assert one.row.status in STATES
        assert rows.named(one.id) == (job.number, int(one.id.rpartition("-")[2]))
        assert one.row.parameters is not None
        times = [one.row.creation, one.row.queued, one.row.download, one.row.running, one.row.upload]
        known = [at for at in [*times, one.row.end_e] if at is not None]
        assert known == sorted(known)
        assert {word for word, _ in one.phases} <= set(PHASES)
        dates = [at for _, at in one.phases]
        assert len(set(dates)) == len(dates)
        assert dates == sorted(dates)
        lengths = {"parameters": 10_000}
        for column, value in one.row._asdict().items():
            if isinstance(value, str):
                value.encode()
                assert len(value) <= lengths.get(column, 255)
        assert "/" not in one.row.file_name
        assert not one.row.file_name.startswith(".")
        assert len({path for path, _ in one.data}) == len(one.data)


@given(st.lists(jobs_with_tries(), max_size=3))
def test_sums_are_never_negative_and_every_ended_attempt_counts_once(
    found: list[tuple[Job, list[Try]]],
) -> None:
    tries = [one for _, each in found for one in each]
    made = sums.of_tries(tries)
    assert all(value >= 0 for value in made.values())
    counts = sum(
        value for name, value in made.items() if name.rpartition("_")[2] not in ("wt", "et", "it", "ot")
    )
    cancelled = [one for one in tries if one.failure == wire.CANCELLED and not one.state.is_final]
    assert counts == sum(one.state.is_final for one in tries) + len(cancelled)


@given(TEXTS, st.integers(19, 400))
def test_a_text_is_cut_to_a_column_and_two_stay_two(text: str, length: int) -> None:
    cut = clip(text, length)
    assert len(cut) <= length
    cut.encode()
    assert "\0" not in cut
    if len(text) > length:
        assert clip(text + "x", length) != cut
        assert clip("/" + text, length) != cut
    assert clip(cut, length) == cut


def test_400_bytes_of_a_path_fit_a_column_of_400_and_401_characters_are_another_path() -> None:
    path = "/vip/" + "é" * 195 + "abcde"
    assert len(path.encode()) == 400
    assert clip(path, 400) == path
    assert clip("a" * 400, 400) == "a" * 400
    assert clip("a" * 401, 400) != "a" * 400
    assert len(clip("a" * 401, 400)) == 400


@given(TEXTS, st.sampled_from(["utf8mb4", "utf8mb3", "utf8", "latin1", "ascii"]))
def test_what_a_character_set_lacks_is_written_as_escapes(text: str, charset: str) -> None:
    codec = {"latin1": "cp1252", "ascii": "ascii"}.get(charset, "utf-8")
    plain = storable(clip(text, 10_000), charset)
    plain.encode(codec)
    if charset in ("utf8mb3", "utf8"):
        assert all(c <= "\uffff" for c in plain)


def test_tokens_are_not_shown() -> None:
    assert "SECRET" not in shown("girder:/scan.nii?apiurl=https://x/api&fileId=1&token=SECRET")
    assert "SECRET" not in shown("shanoir:/a?apiUrl=https://x&token=SECRET&refreshToken=SECRET")
    assert "SECRET" not in shown("https://x/y?X-Amz-Signature=SECRET")
    assert "SECRET" not in shown('{"file": "girder:/scan.nii?token=SECRET"}')
    assert shown("file:/vip/a b?c") == "file:/vip/a b?c"


@given(st.lists(SECONDS, max_size=6))
def test_times_of_stages_never_go_back(times: list[float | None]) -> None:
    made = ascending(list(times))
    known = [one for one in made if one is not None]
    assert known == sorted(known)
    assert [one is None for one in made] == [one is None for one in times]


def test_every_state_has_a_word_that_the_portal_knows() -> None:
    assert set(states.OF_ATTEMPT) == set(AttemptState)
    assert set(states.WITHOUT_ATTEMPT) == set(JobState)
    assert set(states.OF_EXECUTION) == set(ExecutionState)
    words = {*states.OF_ATTEMPT.values(), *states.WITHOUT_ATTEMPT.values()}
    assert {word.value for word in words} <= STATES
    known = {"Running", "Completed", "Failed", "Killed", "Cleaned", "Queued", "Unknown"}
    assert set(states.OF_EXECUTION.values()) <= known


@pytest.mark.parametrize("signal", states.SIGNALS)
@pytest.mark.parametrize("job", JobState)
@pytest.mark.parametrize("row", [None, *AttemptState])
def test_signals_reach_only_what_goes_on(signal: str, job: JobState, row: AttemptState | None) -> None:
    assert states.meaning(signal, job, row, newest=False) is SignalAction.NOTHING
    deed = states.meaning(signal, job, row, newest=True)
    if deed is not SignalAction.NOTHING:
        assert signal in ("KILL", "RESCHEDULE")
        assert not job.is_final
        assert row is None or not row.at_rest
    if signal == "KILL" and not job.is_final and row in (None, AttemptState.QUEUED, AttemptState.RUNNING):
        assert deed is SignalAction.CANCEL
    if signal == "RESCHEDULE" and job is JobState.ACTIVE and row is AttemptState.RUNNING:
        assert deed is SignalAction.RESCHEDULE


@pytest.mark.parametrize(
    "id_", ["", "1", "1-1", "000001-x", "000001-1 ", "٠٠٠٠٠١-1", "0" * 20 + "-1", "x' OR 1"]
)
def test_keys_that_are_none_of_ours_name_no_job(id_: str) -> None:
    assert rows.named(id_) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"workflows": Path("w")},
        {"database": ""},
        {"database": "postgresql://x/y"},
        {"h2": "no port"},
        {"h2": "host:9092;INIT=x"},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    good: dict[str, Any] = {"workflows": Path("/w"), "database": "mysql+pymysql://vip:x@db/workflowsdb"}
    plug.check(VipSection(**good))
    with pytest.raises(SettingsError, match=f"vip.{next(iter(wrong))}"):
        plug.check(VipSection(**{**good, **wrong}))
