"""The settings of a YAML file, with `ENGINE_*` variables over them. An unknown key is an error.

The file is `$ENGINE_CONFIG`, else `$XDG_CONFIG_HOME/grid-engine/engine.yaml`. Variables override it, with two
underscores between levels: `ENGINE_LOCAL__SLOTS=4`.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from engine import xdg
from engine.errors import SettingsError
from engine.settings.tree import Settings

NO_SETTINGS = frozenset({"ENGINE_CONFIG", "ENGINE_KEY", "ENGINE_PYTHON"})
"""Variables of that prefix with a meaning of their own."""


def load(path: Path | None = None) -> Settings:
    """Read the settings.

    Raises:
        SettingsError: the file is missing or not YAML, a key is unknown, or a value is wrong; every
            problem is named with its place.
    """
    given = path or (Path(value) if (value := os.environ.get("ENGINE_CONFIG")) else None)
    file = given or xdg.directory("XDG_CONFIG_HOME", ".config") / "engine.yaml"
    data = _read(file, required=given is not None)
    try:
        return Settings(**_with_variables(data))
    except ValidationError as error:
        problems = [_problem(file, data, dict(item)) for item in error.errors()]
        raise SettingsError(problems[0], problems=problems) from None


def _read(file: Path, *, required: bool) -> dict[str, Any]:
    try:
        text = file.read_text()
    except FileNotFoundError:
        if required:
            raise SettingsError(f"{file}: no such file", remedy="see ENGINE_CONFIG and --config") from None
        return {}
    except UnicodeDecodeError:
        raise SettingsError(f"{file}: not UTF-8") from None
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from None
    import yaml  # 10 ms that a command without a settings file need not pay

    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        raise SettingsError(f"{file}{where}: not YAML: {getattr(error, 'problem', error)}") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise SettingsError(f"{file}: a mapping of settings is needed, not {type(data).__name__}")
    return {str(key): value for key, value in data.items()}


def _with_variables(data: Mapping[str, Any]) -> dict[str, Any]:
    """The file's values with those of `ENGINE_*` variables over them; lists and mappings are JSON there.

    Raises:
        SettingsError: a variable names no setting; a misspelt one would be ignored in silence otherwise.
    """
    merged = copy.deepcopy(dict(data))
    for name, text in os.environ.items():
        if not name.startswith("ENGINE_") or name in NO_SETTINGS:
            continue
        *sections, key = name.removeprefix("ENGINE_").lower().split("__")
        if [*sections, key][0] not in Settings.model_fields:
            raise SettingsError(
                f"variable {name}: no such setting", remedy="engine settings shows those there are"
            )
        level = merged
        for section in sections:
            if not isinstance(level.get(section), dict):
                level[section] = {}
            level = level[section]
        level[key] = _value(text)
    return merged


def _value(text: str) -> Any:
    if text[:1] in ("[", "{"):
        with suppress(ValueError):  # else its type is told to be wrong, with the variable's name
            return json.loads(text)
    return text


def _problem(file: Path, data: Mapping[str, Any], item: Mapping[str, Any]) -> str:
    place = [str(part) for part in item["loc"]]
    variable = "ENGINE_" + "__".join(place).upper()
    in_file = bool(place) and place[0] in data and variable not in os.environ
    where = f"{file}: {'.'.join(place)}" if in_file else f"variable {variable}"
    if item["type"] == "extra_forbidden":
        return f"{where}: no such setting"
    return f"{where}: {item['msg'][0].lower()}{item['msg'][1:]}"
