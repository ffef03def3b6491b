"""The settings of a YAML file, with `ENGINE_*` variables over them. An unknown key is an error, an
unknown variable is not: other programs have variables with this prefix too.

The file is `$ENGINE_CONFIG`, else `$XDG_CONFIG_HOME/boutiques-engine/engine.yaml`. Variables override it,
with two underscores between levels: `ENGINE_BACKENDS__LOCAL__SLOTS=4`.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from engine import xdg
from engine.errors import SettingsError
from engine.settings import legacy
from engine.settings.backends import kind_named
from engine.settings.renamed import Keys, old_names
from engine.settings.tree import Settings

NO_SETTINGS = frozenset({"ENGINE_CONFIG", "ENGINE_KEY", "ENGINE_PYTHON"})
"""Variables of that prefix with a meaning of their own."""
_TOP = (*Settings.model_fields, *legacy.OLD)
_ALIKE = 0.8
"""How like a setting a variable of another program may be called, from 0 to 1."""


@dataclass(frozen=True)
class _SettingSource:
    """A setting as it was written."""

    file: Path
    tree: Mapping[str, Any]
    """What the file holds."""
    variables: Mapping[Keys, str]
    """The variable for each setting that one names."""


def load(path: Path | None = None, warn: Callable[[str], None] | None = None) -> Settings:
    """Read the settings. `warn` is told of each key that the next release does not read any more.

    Raises:
        SettingsError: the file is missing or not YAML, a key is unknown, or a value is wrong; every
            problem is named with its place.
    """
    given = path or (Path(value) if (value := os.environ.get("ENGINE_CONFIG")) else None)
    file = given or xdg.directory("XDG_CONFIG_HOME", ".config") / "engine.yaml"
    source = _SettingSource(file, _read(file, required=given is not None), _variables())
    if warn is not None:
        for line in (*legacy.warnings(str(file), source.tree, source.variables), *_misspelt()):
            warn(line)
    merged = _merged(source)
    try:
        return Settings(**merged)
    except ValidationError as error:
        problems = [_problem(source, dict(item)) for item in error.errors()]
        remedies = {_remedy(merged, dict(item)) for item in error.errors()}
        remedy = remedies.pop() if len(remedies) == 1 else ""
        raise SettingsError(problems[0], problems=problems, remedy=remedy) from None


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


def _variables() -> dict[Keys, str]:
    """Find the variables that name settings, those of whole sections first. Others are not ours."""
    found = {keys: name for name, keys in _prefixed().items() if keys[0] in _TOP}
    return dict(sorted(found.items(), key=lambda one: (len(one[0]), legacy.new_keys(one[0]) == one[0])))


def _prefixed() -> dict[str, Keys]:
    """Split the names of all variables with our prefix which have no meaning of their own."""
    return {
        name: tuple(name.removeprefix("ENGINE_").lower().split("__"))
        for name in os.environ
        if name.startswith("ENGINE_") and name not in NO_SETTINGS
    }


def _misspelt() -> Iterator[str]:
    """Say which variables name no setting, but look as if they should."""
    for name, (top, *rest) in _prefixed().items():
        if top not in _TOP and (near := get_close_matches(top, _TOP, 1, cutoff=_ALIKE)):
            wanted = legacy.variable_of((near[0], *rest))
            yield f"variable {name} is no setting, and is ignored; did you mean {wanted}?"


def _merged(source: _SettingSource) -> dict[str, Any]:
    """Lay the values of variables over the file's, in today's keys; lists and mappings are JSON there."""
    merged = copy.deepcopy(legacy.translated(source.tree))
    for keys, name in source.variables.items():
        *sections, key = legacy.new_keys(keys)
        level = merged
        for section in sections:
            if not isinstance(level.get(section), dict):
                level[section] = {}
            level = level[section]
        level[key] = _value(os.environ[name])
    merged = legacy.with_new_names(merged)
    written = source.tree.get("backends")
    new = {
        *(written if isinstance(written, dict) else ()),
        *(k[1] for k in source.variables if k[0] == "backends" and k[1:]),
    }
    return legacy.without_unused(merged, [name for name in legacy.OLD if name not in new])


def _value(text: str) -> Any:
    if text[:1] in ("[", "{"):
        with suppress(ValueError):  # else its type is told to be wrong, with the variable's name
            return json.loads(text)
    return text


def _problem(source: _SettingSource, item: Mapping[str, Any]) -> str:
    where = _where(source, tuple(str(part) for part in item["loc"]))
    if item["type"] == "extra_forbidden":
        return f"{where}: no such setting"
    words = str(item["ctx"]["error"]) if item["type"] == "value_error" else item["msg"]
    return f"{where}: {words[0].lower()}{words[1:]}"


def _remedy(merged: Mapping[str, Any], item: Mapping[str, Any]) -> str:
    """Say what would be right, where that is known."""
    keys = item["loc"]
    if item["type"] == "extra_forbidden" and keys[0] == "backends" and len(keys) == 3:
        kind = merged["backends"][keys[1]].get("kind", keys[1])
        return f"a back-end of kind {kind} has {', '.join(kind_named(kind).section.model_fields)}"
    return str(getattr(item.get("ctx", {}).get("error"), "remedy", ""))


def _where(source: _SettingSource, keys: Keys) -> str:
    """Name a setting as it was written: in a variable, else in the file."""
    for length in range(len(keys), 0, -1):
        for written, variable in source.variables.items():
            if legacy.new_keys(written) == keys[:length]:
                return ".".join((f"variable {variable}", *keys[length:]))
    for name in (keys, *old_names(keys)):
        for one in (name, name[1:] if name[:1] == ("backends",) else ()):
            if _holds(source.tree, one):
                return f"{source.file}: {'.'.join(one)}"
    in_file = keys[:1] and (keys[0] in source.tree)
    return f"{source.file}: {'.'.join(keys)}" if in_file else f"variable {legacy.variable_of(keys)}"


def _holds(tree: Any, keys: Keys) -> bool:
    """Say whether a tree of settings has all these keys."""
    for key in keys:
        if not (isinstance(tree, Mapping) and key in tree):
            return False
        tree = tree[key]
    return bool(keys)
