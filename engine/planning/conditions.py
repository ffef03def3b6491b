"""Expressions of conditional-path-template: a small part of Python's grammar, walked and never evaluated.

Allowed are and, or, not, the six comparisons, parentheses, ids of inputs and outputs, numbers, strings, true
and false. As with bosh, an expression that names an input without a value is false as a whole, and a flag
that stands alone is true whenever it is given, even as false: write `flag == true`.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from engine.errors import BadRequest

Condition = Callable[[Mapping[str, Any]], bool]

_OPERATORS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_LONGEST = 1000  # characters; what is walked is then never too deep
_WORDS = {"true": True, "false": False}


def compile_condition(expression: str, ids: frozenset[str]) -> Condition:
    """Compile a function of the values that says whether `expression` holds.

    Raises:
        BadRequest: it is not such an expression.
    """
    if expression.strip() == "default":
        return lambda values: True
    if len(expression) > _LONGEST:
        raise _refused(expression)
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _refused(expression) from None
    named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & ids
    evaluate = _compile(tree, ids, expression)

    def condition(values: Mapping[str, Any]) -> bool:
        if not named <= values.keys():
            return False
        try:
            return _truth(evaluate(values))
        except TypeError:  # a comparison of a number with a text: neither smaller nor larger
            return False

    return condition


def _compile(node: ast.expr, ids: frozenset[str], expression: str) -> Callable[[Mapping[str, Any]], Any]:
    if isinstance(node, ast.BoolOp):
        parts = [_compile(value, ids, expression) for value in node.values]
        combine = all if isinstance(node.op, ast.And) else any
        return lambda values: combine(_truth(part(values)) for part in parts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        negated = _compile(node.operand, ids, expression)
        return lambda values: not _truth(negated(values))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        opposite = _compile(node.operand, ids, expression)
        return lambda values: -opposite(values)
    if isinstance(node, ast.Compare) and all(type(op) in _OPERATORS for op in node.ops):
        return _comparison(node, ids, expression)
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float):
        constant = node.value
        return lambda values: constant
    if isinstance(node, ast.Name):
        name = node.id
        if name in ids:
            return lambda values: _given(values[name])
        operand: Any = _WORDS.get(name, name)  # bosh's validator takes an unquoted word as a text
        return lambda values: operand
    raise _refused(expression)


def _comparison(
    node: ast.Compare, ids: frozenset[str], expression: str
) -> Callable[[Mapping[str, Any]], bool]:
    operands = [_compile(value, ids, expression) for value in (node.left, *node.comparators)]
    operators = [_OPERATORS[type(op)] for op in node.ops]

    def compare(values: Mapping[str, Any]) -> bool:
        results = [operand(values) for operand in operands]
        return all(op(results[i], results[i + 1]) for i, op in enumerate(operators))

    return compare


class _GivenFlag(int):
    """The value of a flag: compares as true or false, but alone it is true because it is given."""


def _truth(value: Any) -> bool:
    return True if isinstance(value, _GivenFlag) else bool(value)


def _given(value: Any) -> Any:
    """Convert a value for comparison. Texts that look like a number compare as one, as with bosh."""
    if isinstance(value, bool):
        return _GivenFlag(value)
    if isinstance(value, str) and value.replace(".", "").replace("-", "").isdigit():
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _refused(expression: str) -> BadRequest:
    return BadRequest(
        f"conditional-path-template: {expression[:80]!r}"
        " is not made of and, or, not, comparisons, ids and values"
    )
