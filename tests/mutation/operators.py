"""Single faults in a source text, of the kinds that reviewers overlook: one step left out, one alternative
less, one condition turned round, one limit moved by one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARED = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.In: "not in",
    ast.NotIn: "in",
    ast.Is: "is not",
    ast.IsNot: "is",
}
_CALCULATED = {ast.Add: "-", ast.Sub: "+", ast.Mult: "//", ast.FloorDiv: "*", ast.Div: "*", ast.Mod: "*"}
_SWAPPED = {"min": "max", "max": "min", "any": "all", "all": "any"}
_LOGS = ("log", "logger")
"""What is only said in a log may go: no test reads logs for their words."""


@dataclass(frozen=True)
class Mutant:
    """A source with one fault."""

    path: str
    line: int
    before: str
    """The text that is replaced."""
    after: str
    start: int
    """Offsets of that text in the bytes of the file."""
    end: int

    @property
    def shown(self) -> str:
        """The fault in a line."""
        one, other = (" ".join(text.split()) for text in (self.before, self.after))
        return f"{self.path}:{self.line}: {one} -> {other or '(nothing)'}"

    def applied(self, source: bytes) -> bytes:
        """The source with the fault."""
        return source[: self.start] + self.after.encode() + source[self.end :]


def mutants(path: str, source: bytes) -> list[Mutant]:
    """Every fault that can be put into a module, in the order of its text."""
    lines = [0]
    for line in source.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))

    def made(node: ast.expr | ast.stmt, after: str) -> Mutant:
        start = lines[node.lineno - 1] + node.col_offset
        end = lines[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        return Mutant(path, node.lineno, source[start:end].decode(), after, start, end)

    found = {made(node, after) for node, after in _faults(ast.parse(source))}
    return sorted(
        (one for one in found if one.before != one.after), key=lambda one: (one.start, one.end, one.after)
    )


Fault = tuple[ast.expr | ast.stmt, str]


def _faults(tree: ast.Module) -> Iterator[Fault]:
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.Constant):
            yield from _of_constant(statement.value)  # a limit; tables and names of a module are data
        elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _below(statement)


def _below(node: ast.AST) -> Iterator[Fault]:
    """Faults in a part of a function; none in annotations, decorators and what only a checker reads."""
    left_out = {"annotation", "returns", "decorator_list"}
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Expr) and (isinstance(node.value, ast.Constant) or _is_log(node.value)):
        return
    if isinstance(node, ast.ClassDef):
        for statement in node.body:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield from _below(statement)
        return
    yield from _of(node)
    for name, value in ast.iter_fields(node):
        if name not in left_out:
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, ast.AST):
                    yield from _below(part)


def _is_log(node: ast.expr) -> bool:
    called = node.func if isinstance(node, ast.Call) else node
    return (
        isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id in _LOGS
    )


def _of(node: ast.AST) -> Iterator[Fault]:
    match node:
        case (
            ast.Expr(value=ast.Call() | ast.Await())
            | ast.AugAssign()
            | ast.Raise()
            | ast.Break()
            | ast.Delete()
        ):
            yield node, "pass"
        case ast.Continue():
            yield node, "break"
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield value, "None"
        case ast.If() | ast.While() | ast.IfExp():
            yield node.test, f"(not ({ast.unparse(node.test)}))"
        case ast.comprehension():
            yield from ((one, f"(not ({ast.unparse(one)}))") for one in node.ifs)
        case ast.BoolOp():
            word = " or " if isinstance(node.op, ast.And) else " and "
            yield node, f"({word.join(f'({ast.unparse(one)})' for one in node.values)})"
            kept = " and " if isinstance(node.op, ast.And) else " or "
            for left_out in node.values:
                rest = [f"({ast.unparse(one)})" for one in node.values if one is not left_out]
                yield node, f"({kept.join(rest)})"
        case ast.UnaryOp(op=ast.Not()):
            yield node, f"bool({ast.unparse(node.operand)})"
        case ast.Compare(ops=[one], comparators=[right]):
            yield node, f"(({ast.unparse(node.left)}) {_COMPARED[type(one)]} ({ast.unparse(right)}))"
            if isinstance(right, ast.Tuple | ast.Set | ast.List):
                yield from _one_less(right)
        case ast.BinOp() if type(node.op) in _CALCULATED and not _is_text(node):
            sides = ast.unparse(node.left), ast.unparse(node.right)
            yield node, f"(({sides[0]}) {_CALCULATED[type(node.op)]} ({sides[1]}))"
        case ast.ExceptHandler(type=ast.Tuple() as kinds):
            yield from _one_less(kinds)
        case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[_, ast.Tuple() as kinds]):
            yield from _one_less(kinds)
        case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[_, ast.BinOp() as kinds]):
            yield from ((kinds, ast.unparse(one)) for one in (kinds.left, kinds.right))
        case ast.Name(id=name, ctx=ast.Load()) if name in _SWAPPED:
            yield node, _SWAPPED[name]
        case ast.Constant():
            yield from _of_constant(node)
        case _:
            pass


def _of_constant(node: ast.Constant) -> Iterator[Fault]:
    match node.value:
        case bool() as value:
            yield node, str(not value)
        case int() | float() as number:
            yield node, repr(number + 1)
        case _:
            pass


def _one_less(node: ast.Tuple | ast.Set | ast.List) -> Iterator[Fault]:
    brackets = {ast.Tuple: "(%s,)", ast.Set: "{%s}", ast.List: "[%s]"}[type(node)]
    for left_out in node.elts:
        rest = [ast.unparse(one) for one in node.elts if one is not left_out]
        if rest:
            yield node, brackets % ", ".join(rest)


def _is_text(node: ast.BinOp) -> bool:
    """Whether it joins texts or lists: with another operator it would only fail."""
    sides = (node.left, node.right)
    return any(
        isinstance(one, ast.JoinedStr | ast.List | ast.Tuple | ast.ListComp)
        or (isinstance(one, ast.Constant) and isinstance(one.value, str | bytes))
        or (isinstance(one, ast.BinOp) and _is_text(one))
        for one in sides
    )
