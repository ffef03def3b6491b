"""The project's own files, for tests that read code instead of running it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("engine", "wrappers", "cvmfs_deploy")


def python_files(*places: str) -> list[Path]:
    """Every Python file at or under these places, relative to the project's root."""
    found: list[Path] = []
    for place in places:
        path = ROOT / place
        found += [path] if path.is_file() else sorted(path.rglob("*.py"))
    return [path.relative_to(ROOT) for path in found]


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file given relative to the root."""
    return ast.parse((ROOT / path).read_text(), str(path))


@cache
def imports(path: Path) -> list[tuple[str, int]]:
    """Every module that a file imports, anywhere in it, and the line.

    `from a.b import c` gives `a.b.c`: only the reader of both files could tell whether c is a module, and for
    a rule about prefixes it makes no difference.
    """
    found: list[tuple[str, int]] = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, path)
            found += [(f"{base}.{alias.name}", node.lineno) for alias in node.names]
    return found


def _absolute(node: ast.ImportFrom, path: Path) -> str:
    if not node.level:
        return node.module or ""
    package = path.parent.parts[: len(path.parent.parts) - node.level + 1]
    return ".".join([*package, *([node.module] if node.module else [])])
