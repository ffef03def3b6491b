"""Reading the wrapper's report. What cannot be believed is as good as no report."""

from __future__ import annotations

from math import inf
from pathlib import Path

from engine.store.attempts import Attempt
from wrappers import wire
from wrappers.wire import Report

_LATEST_S = 253_402_300_799.0  # seconds since 1970 at the end of the year 9999, where calendars end
_LARGEST = 1 << 63  # bytes: what a database can hold


class InvalidReport(Exception):
    """A report is not there, or cannot be believed."""


def read(path: Path, attempt: Attempt) -> tuple[Report, str]:
    """Read a report and its text: whole, of this attempt, and of the manifest that was given.

    Raises:
        InvalidReport: it is not.
    """
    try:
        text = path.read_text(encoding="utf-8")
        report = wire.loads(Report, text)
    except FileNotFoundError:
        raise InvalidReport("it ended without a report") from None
    except wire.WireError as error:
        raise InvalidReport(f"its report is not one: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidReport(f"its report cannot be read: {error}") from None
    if report.attempt != attempt.id:
        raise InvalidReport(f"its report is of attempt {report.attempt}")
    if report.manifest_sha256 != attempt.manifest_sha256:
        raise InvalidReport("its report is of another manifest than the one that was given")
    if not _can_be(report):
        raise InvalidReport("its report has numbers that cannot be")
    return report, text


def _can_be(report: Report) -> bool:
    moments = [report.started, report.ended, *(phase.start for phase in report.phases)]
    spans = [report.cpu_seconds, *(phase.seconds for phase in report.phases)]
    sizes = [report.peak_memory, *(p.size for p in report.products), *(i.size for i in report.inputs)]
    return (
        all(0 <= moment <= _LATEST_S for moment in moments)  # nothing is true of a NaN
        and all(-inf < span < inf for span in spans)  # a clock may have been set back
        and all(0 <= size < _LARGEST for size in sizes)
        and abs(report.exit_code or 0) < 1 << 31
        and abs(report.signal or 0) < 1 << 31
    )


def storable(text: str) -> str:
    """Rewrite a text from the node so that any database can hold it: without NUL, what is no UTF-8
    escaped.
    """
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
