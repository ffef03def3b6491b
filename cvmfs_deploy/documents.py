"""YAML files that people write, checked against a model; every fault is told with its place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from engine.errors import BadRequest, NotFound

_M = TypeVar("_M", bound=BaseModel)


class DocumentSection(BaseModel):
    """A part of such a file; a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read(path: Path, model: type[_M]) -> _M:
    """Read a file as its model.

    Raises:
        NotFound: there is no such file.
        BadRequest: it cannot be read, is no YAML, or says what the model does not know.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFound(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except yaml.YAMLError as error:
        raise BadRequest(f"{path}: is no YAML: {' '.join(str(error).split())}") from None
    return checked(data if data is not None else {}, model, str(path))


def checked(data: Any, model: type[_M], source: str) -> _M:
    """Validate parsed data as their model. Raises BadRequest with every problem; `source` names the file."""
    if not isinstance(data, dict):
        raise BadRequest(f"{source}: must be keys and values, not {type(data).__name__}")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = [f"{source}: {_position(e['loc'])}{_explanation(e)}" for e in error.errors()]
        raise BadRequest(problems[0], problems=problems) from None


def _position(location: Sequence[int | str]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.lstrip(".") + ": " if text else ""


def _explanation(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "unknown key"
    return str(error["msg"]).removeprefix("Value error, ")
