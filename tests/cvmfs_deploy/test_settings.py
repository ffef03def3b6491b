"""The shipped example of settings names every setting, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from cvmfs_deploy.documents import checked
from cvmfs_deploy.settings import CvmfsSection, DeploySettings

EXAMPLE = Path(__file__).resolve().parents[2] / "config" / "cvmfs-deploy.example.yaml"


def uncommented() -> str:
    """The example as an administrator would have it who takes everything."""
    return "\n".join(re.sub(r"^( *)#(?! )", r"\1", line) for line in EXAMPLE.read_text().splitlines())


def test_the_example_as_shipped_changes_nothing() -> None:
    assert yaml.safe_load(EXAMPLE.read_text()) is None


def test_the_example_names_every_setting_and_no_other() -> None:
    data = yaml.safe_load(uncommented())
    assert set(data) == set(DeploySettings.model_fields)
    assert set(data["cvmfs"]) == set(CvmfsSection.model_fields)


def test_the_example_shows_what_holds_anyway() -> None:
    data = yaml.safe_load(uncommented())
    given = {key: data[key] for key in data if key not in ("to", "work", "mirrors", "log")}
    assert (
        checked(given, DeploySettings, "the example").model_copy(update={"work": DeploySettings().work})
        == DeploySettings()
    )
