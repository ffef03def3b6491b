"""Which values of a command line would be run as code, whatever their quotes.

The syntax tree of the whole line says in which word of a command a value stands, and where that goes: into
a pipe to a shell, a variable that is evaluated later, a script that is run. In doubt it is code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tree_sitter import Node

from engine.planning.commands import POSITIONAL, CommandReader, Mark
from engine.planning.evaluators import Reading
from engine.planning.programs import EXPANSION, VALUE, WordRole, assigns, is_run
from engine.planning.syntax import (
    COMMANDS,
    EXPANSIONS,
    above,
    body_of,
    is_arithmetic,
    parse,
    redirects_of,
    source,
    within,
)

_NEUTRAL = frozenset(
    [
        "program",
        "list",
        "pipeline",
        "redirected_statement",
        "subshell",
        "compound_statement",
        "if_statement",
        "elif_clause",
        "else_clause",
        "while_statement",
        "for_statement",
        "do_group",
        "case_statement",
        "case_item",
        "negated_command",
        "command",
        "command_name",
        "declaration_command",
        "word",
        "string",
        "string_content",
        "raw_string",
        "number",
        "concatenation",
        "command_substitution",
        "process_substitution",
        "variable_assignment",
        "variable_assignments",
        "array",
        "test_command",
        "unary_expression",
        "binary_expression",
        "parenthesized_expression",
        "negation_expression",
        "extglob_pattern",
        "file_redirect",
        "herestring_redirect",
        "function_definition",
        "heredoc_redirect",
        "simple_expansion",
        "expansion",
        "variable_name",
        "special_variable_name",
    ]
)
"""Nodes that say nothing of what becomes of a value in them; in any other it is code."""
_DECLARE = frozenset(["declare", "typeset", "local", "export", "readonly", "integer"])
_attributes = re.compile(r"-[A-Za-z]*[in]|integer$").match
"""Whether a declaration has the shell evaluate what its variables are given from then on."""
_script = re.compile(r".+\.(?:m|sh|bash|py|r|pl|rb|js|jl|tcl|awk|sed|lua|php)", re.IGNORECASE).fullmatch


_READ_BY_NAME = frozenset(
    [
        "Makefile",
        "makefile",
        "GNUmakefile",
        "Snakefile",
        "CMakeLists.txt",
        "startup.m",
        "sitecustomize.py",
        ".bashrc",
        ".profile",
        ".bash_profile",
        ".zshrc",
        ".Rprofile",
        ".octaverc",
        ".sqliterc",
        ".psqlrc",
        ".vimrc",
    ]
)
"""Files that programs run without being told."""


def _first(texts: Sequence[str]) -> str:
    """Find the command word, after assignments."""
    return next((text for text in texts if not assigns(text)), "")


class Exposure(NamedTuple):
    """The fate of a value: data, or code that runs."""

    role: WordRole
    quote: str
    """The quotes around it, as the grammar sees them: ' or " or none."""


EXPOSED = Exposure(WordRole.CODE, "")


class Script:
    """A shell text with values in it, analysed once."""

    def __init__(self, text: str, values: Mapping[str, str] = {}, optional: Sequence[Mark] = ()) -> None:
        """
        Args:
            text: what a shell will read, with a mark instead of each value.
            values: what stands for a mark in the text of a word.
            optional: places that may be absent from it.
        """
        self._root = parse(text)
        self._commands = CommandReader(values, optional, lambda text: Script(text).evaluated)
        self.evaluated: set[str] = set()
        """Names of variables whose values are run somewhere."""
        self._scripts: set[str] = set()
        self._functions = set[str]()
        if not self._root.has_error:
            self._look()

    def verdict(self, mark: Mark) -> Exposure:
        """Judge what becomes of the value at a position."""
        if self._root.has_error:
            return EXPOSED
        leaf = self._root.descendant_for_byte_range(mark.start, mark.end)
        if leaf is None:
            return EXPOSED
        kinds = {"raw_string": "'", "string": '"'}
        chain = [leaf, *(parent for parent, _ in above(leaf))]
        inside = next((node.type for node in chain if node.type in kinds or node.type in EXPANSIONS), "")
        return Exposure(self._role(leaf), kinds.get(inside, ""))

    def _look(self) -> None:
        """Find functions, scripts that are run, and variables that are evaluated, also by way of others."""
        nodes = list(within(self._root))
        self._functions = {
            source(name)
            for node in nodes
            if node.type == "function_definition" and (name := node.child_by_field_name("name"))
        }
        for node in nodes:
            if node.type in COMMANDS:
                self._look_into(*self._commands.reading(node))
        expansions = [node for node in nodes if node.type in ("simple_expansion", "expansion")]
        names = [(node, name) for node in expansions for name in re.findall(r"\w+|[@*]", source(node)[:200])]
        names += [(node, source(node)) for node in nodes if node.type in ("word", "variable_name")]
        before = -1
        while before != len(self.evaluated):
            before = len(self.evaluated)
            for node, name in names:
                if name in self.evaluated:
                    continue
                if node.type in ("word", "variable_name"):
                    if is_arithmetic(node):
                        self.evaluated.add(name)
                elif (
                    source(node).startswith("${!")
                    or source(node).endswith("@P}")
                    or self._role(node) is WordRole.CODE
                ):
                    self.evaluated.add(name)

    def _look_into(self, words: Sequence[Node], reading: Reading) -> None:
        """Note what a command runs: files, and shell code, in which variables may be evaluated."""
        texts = [self._commands.text(node) for node in words]
        if _first(texts) == "let" or any(_attributes(text) for text in texts if texts[0] in _DECLARE):
            self.evaluated |= set(re.findall(r"\w+", " ".join(texts)))
        for index, (text, role) in enumerate(zip(texts, reading.roles, strict=True)):
            if role is WordRole.CODE or index == 0:
                for name in text.split():
                    self._scripts.add(name.rpartition("/")[2].strip("\"'();"))
            if role is WordRole.CODE and VALUE not in text and index in reading.shell_code:
                self.evaluated |= self._commands.evaluated_in(text) - POSITIONAL

    def _role(self, leaf: Node) -> WordRole:
        """Find what becomes of the text of a node: the most dangerous of all that it goes through."""
        worst = WordRole.DATA
        if leaf.type not in _NEUTRAL or (
            leaf.type == "variable_name"
            and leaf.parent is not None
            and leaf.parent.type not in ("declaration_command", "simple_expansion", "expansion")
        ):
            return WordRole.CODE
        direct = True
        for node, child in above(leaf):
            role = self._through(node, child)
            if role is WordRole.CODE:
                return role
            if direct and (
                role is WordRole.COMMAND or (role is WordRole.OPERAND and self._begins(leaf, child))
            ):
                worst = role
            direct = direct and node.type not in COMMANDS
        return worst

    def _begins(self, leaf: Node, node: Node) -> bool:
        return self._commands.text(node).startswith((VALUE, EXPANSION))

    def _through(self, node: Node, child: Node) -> WordRole:
        """Find the role of a child in the node above it."""
        kind = node.type
        if kind in COMMANDS:
            return self._in_command(node, child)
        if kind == "expansion" or kind not in _NEUTRAL or is_arithmetic(child):
            return WordRole.CODE
        checks = {
            "pipeline": self._in_pipeline,
            "variable_assignment": self._in_assignment,
            "for_statement": self._in_assignment,
            "redirected_statement": self._in_redirected,
            "file_redirect": self._in_redirect,
            "herestring_redirect": self._in_redirect,
            "heredoc_redirect": self._in_redirected,
            "command_substitution": self._in_backquotes,
            "unary_expression": self._in_test,
        }
        check = checks.get(kind)
        return WordRole.CODE if check and check(node, child) else WordRole.DATA

    def _in_command(self, command: Node, child: Node) -> WordRole:
        words, reading = self._commands.reading(command)
        index = next((at for at, node in enumerate(words) if node.id == child.id), None)
        if index is None:  # a redirection, which was looked at
            return WordRole.DATA
        if self._goes_to_a_script(command) or command.type == "unset_command":
            return WordRole.CODE
        first = _first([self._commands.text(node) for node in words])
        if index and (first in self._functions or first == "set") and self.evaluated & POSITIONAL:
            return WordRole.CODE
        if (
            first in ("read", "printf", "mapfile", "readarray", "declare")
            and self._names(words) & self.evaluated
        ):
            return WordRole.CODE
        return reading.roles[index]

    def _names(self, words: Sequence[Node]) -> set[str]:
        return {self._commands.text(node) for node in words}

    def _goes_to_a_script(self, node: Node) -> bool:
        """Say whether what is written goes to a file that is run."""
        for redirect in redirects_of(node):
            if redirect.type == "file_redirect" and "<" not in source(redirect)[:2]:
                target = redirect.child_by_field_name("destination")
                if target is not None and self._is_script(self._commands.text(target)):
                    return True
        return False

    def _is_script(self, path: str) -> bool:
        name = path.rpartition("/")[2]
        return name in self._scripts or name in _READ_BY_NAME or bool(_script(name))

    def _in_pipeline(self, pipeline: Node, child: Node) -> bool:
        later = [one for one in pipeline.named_children if one.start_byte >= child.end_byte]
        return any(self._runs_its_input(one) for one in later)

    def _runs_its_input(self, node: Node) -> bool:
        """Say whether anything in it runs what it reads, keeps it in a variable that is run, or in a
        script.
        """
        for one in within(node):
            if one.type not in COMMANDS:
                continue
            words, reading = self._commands.reading(one)
            texts = [self._commands.text(item) for item in words]
            if reading.reads or self._goes_to_a_script(one):
                return True
            first = _first(texts)
            if first in ("read", "mapfile", "readarray") and set(texts) & self.evaluated:
                return True
            if first == "tee" and any(self._is_script(text) for text in texts[1:]):
                return True
            if any(
                role is WordRole.CODE and text in ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
                for role, text in zip(reading.roles, texts, strict=True)
            ):
                return True
        return False

    def _in_assignment(self, node: Node, child: Node) -> bool:
        name = node.child_by_field_name("name") or node.child_by_field_name("variable")
        if name is None or name.id == child.id:
            return True
        return source(name) in self.evaluated or bool(is_run(source(name)))

    def _in_redirected(self, node: Node, child: Node) -> bool:
        if child.type in ("heredoc_body", "heredoc_start", "heredoc_end"):
            return True
        if child.type.endswith("_redirect"):
            return False
        if child.type not in COMMANDS and self._goes_to_a_script(child):
            return True
        piped = [
            one
            for redirect in redirects_of(child)
            for one in redirect.named_children
            if one.type == "pipeline"
        ]
        return any(self._runs_its_input(one) for one in piped)

    def _in_redirect(self, redirect: Node, child: Node) -> bool:
        """Say whether a text or file becomes the standard input of what runs it."""
        if redirect.type == "file_redirect":
            if child.id != (redirect.child_by_field_name("destination") or child).id:
                if "&>" in source(redirect)[:4]:  # not bash: `tool &` and another command
                    return True
                return self._in_command(body_of(redirect), child) is WordRole.CODE
            if "<" not in source(redirect)[:3]:
                return False
        return self._runs_its_input(body_of(redirect))

    @staticmethod
    def _in_backquotes(node: Node, child: Node) -> bool:
        return source(node).startswith("`")

    @staticmethod
    def _in_test(node: Node, child: Node) -> bool:
        operator = node.child_by_field_name("operator")
        return operator is not None and source(operator) in ("-v", "-R")
