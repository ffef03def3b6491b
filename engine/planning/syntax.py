"""Shell text as commands and words, read by tree-sitter's grammar of bash."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

from engine.planning.programs import EXPANSION

COMMANDS = frozenset({"command", "declaration_command", "unset_command"})
EXPANSIONS = frozenset(
    {"simple_expansion", "expansion", "command_substitution", "process_substitution", "arithmetic_expansion"}
)
compares = re.compile(r"-(?:eq|ne|lt|le|gt|ge|v|R)").fullmatch
"""Whether an operator of a test evaluates its operands as arithmetic, or as names of variables."""
_ARITHMETIC = frozenset(
    {"arithmetic_expansion", "subscript", "c_style_for_statement", "ternary_expression", "postfix_expression"}
)
_escaped = re.compile(r"\\(.)", re.DOTALL)
_escaped_in_double = re.compile(r'\\([$`"\\\n])')


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_bash.language()))


def parse(text: str) -> Node:
    """Parse a shell script into its syntax tree."""
    return _parser().parse(text.encode("utf-8", "surrogatepass")).root_node


def source(node: Node) -> str:
    """Return the text of a node, as it is written."""
    return (node.text or b"").decode("utf-8", "surrogatepass")


def within(node: Node) -> Iterator[Node]:
    """Yield a node and all below it."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        yield one
        waiting.extend(one.children)


def above(node: Node) -> Iterator[tuple[Node, Node]]:
    """Yield the ancestors of a node, nearest first, each with its child on the way."""
    child, parent = node, node.parent
    while parent is not None:
        yield parent, child
        child, parent = parent, parent.parent


def text_of(node: Node) -> str:
    """Return a word without its quotes; what only the shell knows is EXPANSION."""
    kind = node.type
    if kind in EXPANSIONS:
        return EXPANSION
    if kind == "raw_string":
        return source(node)[1:-1]
    if kind == "ansi_c_string":
        plain = source(node)[2:-1]
        return EXPANSION if "\\" in plain else plain
    if kind == "string":
        return _of_string(node)
    if kind in ("word", "variable_name", "number") and not node.named_children:
        return _escaped.sub(r"\1", source(node))
    if kind in ("concatenation", "command_name", "variable_assignment", "translated_string", "array"):
        return "".join(map(text_of, node.children))
    return source(node)


def _of_string(node: Node) -> str:
    """Return the inside of double quotes; white space between expansions is in no child."""
    data, parts, end = node.text or b"", [], 1
    for child in node.named_children:
        if child.type == "string_content":
            continue
        start = child.start_byte - node.start_byte
        parts += [data[end:start].decode("utf-8", "surrogatepass"), EXPANSION]
        end = child.end_byte - node.start_byte
    parts.append(data[end:-1].decode("utf-8", "surrogatepass"))
    return _escaped_in_double.sub(r"\1", "".join(parts))


def words_of(command: Node) -> list[Node]:
    """List the words of a simple command in order, the command word first.

    The grammar takes words after the target of a redirection for more targets: they are words of the command.
    """
    words = [
        child
        for child in command.children
        if not child.type.endswith("_redirect") and child.type != "comment" and child.type not in _SIGNS
    ]
    for redirect in redirects_of(command):
        targets = redirect.children_by_field_name("destination")
        words += [target for target in targets[1:] if command.type in COMMANDS]
    return sorted(words, key=lambda node: node.start_byte)


_SIGNS = frozenset({"<<", ">>"})


def redirects_of(node: Node) -> list[Node]:
    """List the redirections of a command or group."""
    found = [child for child in node.children if child.type.endswith("_redirect")]
    parent = node.parent
    if parent is not None and parent.type == "redirected_statement":
        found += [child for child in parent.children if child.type.endswith("_redirect")]
    return found + [inner for one in found for inner in one.children if inner.type.endswith("_redirect")]


def body_of(redirect: Node) -> Node:
    """Find the command or group that a redirection belongs to."""
    parent = redirect.parent or redirect
    body = parent.child_by_field_name("body") if parent.type == "redirected_statement" else parent
    return body or parent


def is_arithmetic(node: Node) -> bool:
    """Say whether a node stands in arithmetic, where names and values of variables are evaluated."""
    for parent, _ in above(node):
        is_group = parent.type == "compound_statement"
        if parent.type in _ARITHMETIC or (is_group and source(parent).startswith("((")):
            return True
        if parent.type == "test_command":
            return any(one.type == "test_operator" and compares(source(one)) for one in within(parent))
        if parent.type in COMMANDS or parent.type in EXPANSIONS:
            return False
    return False
