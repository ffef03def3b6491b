"""What the code says of its own fields and values: the docstrings and comments beside them."""

from __future__ import annotations

import ast
import inspect
import io
import textwrap
import tokenize
from itertools import pairwise
from typing import Any


def field_comments(where: Any) -> dict[str, str]:
    """The comment at the end of the line of each name that a class or module assigns or annotates."""
    text = textwrap.dedent(inspect.getsource(where))
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    }
    return {name: comments[node.lineno] for name, node in _fields(text) if node.lineno in comments}


def field_docstrings(where: type) -> dict[str, str]:
    """The text under each field of a class, on one line."""
    body = _body(textwrap.dedent(inspect.getsource(where)))
    found: dict[str, str] = {}
    for node, after in pairwise(body):
        text = after.value if isinstance(after, ast.Expr) else None
        if isinstance(text, ast.Constant) and isinstance(text.value, str):
            found |= {name: " ".join(text.value.split()) for name in _names(node)}
    return found


def written_types(where: type) -> dict[str, str]:
    """The type of each field of a class, as it is written."""
    fields = _fields(textwrap.dedent(inspect.getsource(where)))
    return {name: ast.unparse(node.annotation) for name, node in fields if isinstance(node, ast.AnnAssign)}


def _fields(text: str) -> list[tuple[str, ast.stmt]]:
    return [(name, node) for node in _body(text) for name in _names(node)]


def _body(text: str) -> list[ast.stmt]:
    tree = ast.parse(text)
    first = tree.body[0]
    return first.body if isinstance(first, ast.ClassDef) else tree.body


def _names(node: ast.stmt) -> list[str]:
    targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
    return [target.id for target in targets if isinstance(target, ast.Name)]
