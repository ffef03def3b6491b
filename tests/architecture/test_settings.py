"""Every setting is read by the code that it is for: one that nobody reads promises what never happens."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

from engine.backends import local_section
from engine.backends.dirac import section as dirac_section
from engine.backends.diracx import section as diracx_section
from engine.backends.wms import section as wms_section
from engine.settings import backends, data, dirac, node, service, tree, vip
from engine.settings.section import Section

ROOT = Path(__file__).resolve().parents[2]
MODULES = (backends, data, dirac, node, service, tree, vip)
SECTIONS = (local_section, wms_section, dirac_section, diracx_section)
"""What each kind of back-end says of itself."""


def attributes_read() -> set[str]:
    """Names of attributes that code outside the settings reads: the engine, and the nodes that it tells."""
    found = (path for part in ("engine", "wrappers") for path in (ROOT / part).rglob("*.py"))
    files = (path for path in found if path.parent.name != "settings")
    return {
        one.attr
        for path in files
        for one in ast.walk(ast.parse(path.read_text()))
        if isinstance(one, ast.Attribute) and isinstance(one.ctx, ast.Load)
    }


def test_every_setting_is_read_by_code_outside_the_settings() -> None:
    read = attributes_read()
    sections = {
        one
        for module in (*MODULES, *SECTIONS)
        for _, one in inspect.getmembers(module, inspect.isclass)
        if issubclass(one, Section) and one is not Section
    }
    assert len(sections) > 10
    unread = {f"{one.__name__}.{name}" for one in sections for name in one.model_fields if name not in read}
    assert unread == set()
