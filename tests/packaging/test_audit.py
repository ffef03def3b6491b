"""`make audit` says what is vulnerable, and never that all is well when nobody was asked."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tests.packaging.audit import verdict
from tests.packaging.lock import ROOT
from tests.packaging.test_bundle import ALONE

pytestmark = pytest.mark.whole

GOOD = {"name": "good", "version": "1.0", "vulns": []}
BAD = {"name": "bad", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}]}
HOPELESS = {"name": "worse", "version": "3.0", "vulns": [{"id": "PYSEC-2", "fix_versions": []}]}
SKIPPED = {"name": "odd", "skip_reason": "it is not known there"}


@pytest.mark.parametrize(
    ("packages", "code", "lines"),
    [
        ([GOOD], 0, ["none of 1 packages has a vulnerability that is known"]),
        ([GOOD, BAD], 1, ["bad 2.0: PYSEC-1, mended in 2.1"]),
        ([HOPELESS], 1, ["worse 3.0: PYSEC-2, mended in no version yet"]),
        ([GOOD, SKIPPED], 3, ["nothing is known of 1 packages, such as: it is not known there"]),
        ([BAD, SKIPPED], 1, None),
    ],
)
def test_what_is_vulnerable_is_told(packages: list[Any], code: int, lines: list[str] | None) -> None:
    found, said = verdict({"dependencies": packages, "fixes": []})
    assert found == code
    assert lines is None or said == lines


@pytest.mark.service
def test_without_a_network_it_says_that_nobody_was_asked() -> None:
    command = [*ALONE, sys.executable, "-m", "tests.packaging.audit"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (told.returncode, told.stdout) == (3, "")
    assert "the service of vulnerabilities cannot be asked" in told.stderr
