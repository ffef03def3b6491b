"""The settings of `cvmfs-deploy`, from the classes that hold them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cvmfs_deploy.settings import CvmfsSection, DeploySettings
from tests.docs.markdown import code, table
from tests.docs.sources import field_docstrings, written_types

TYPES = {
    "str": "text",
    "Path": "path",
    "int": "number",
    "float": "number",
    "Size": "bytes, like 20G",
    "Duration": "time, like 30d",
    "dict[str, tuple[str, ...]]": "mapping of lists",
    "Literal['udocker', 'own']": "`udocker` or `own`",
}
DEFAULTS = {"work": "`/var/lib/cvmfs-deploy`; of others than root `~/.local/state/cvmfs-deploy`"}


def reference() -> str:
    """A row for each setting, in the order of the file."""
    return table(
        ["key", "type", "default", "meaning"], [*_rows(DeploySettings, ""), *_rows(CvmfsSection, "cvmfs.")]
    )


def _rows(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    types, meanings = written_types(model), field_docstrings(model)
    for name, field in model.model_fields.items():
        if name != "cvmfs":
            key = prefix + name
            yield (
                code(key),
                TYPES[types[name]],
                DEFAULTS.get(key) or _default(field, types[name]),
                meanings[name],
            )


def _default(field: FieldInfo, written: str) -> str:
    value: Any = field.get_default(call_default_factory=True)
    if written == "Size":
        return code(f"{value // 10**9}G")
    if written == "Duration":
        return code(f"{value / 3600:.0f}h" if value >= 3600 else f"{value:.0f}s")
    return code(str(value)) if value not in ("", {}) else code('""' if value == "" else "{}")


PARTS = {"cvmfs-deploy-settings": reference}
