"""What the kernel of a worker node refuses to start, told while planning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.planning.syntax import parse, text_of, within, words_of

LONGEST_TEXT = 131_071
"""Bytes of one argument or `NAME=value`: Linux takes 128 KiB with the NUL at its end."""
MOST = 2 * 1024 * 1024 - 131_072
"""Bytes of all arguments and variables: Linux takes a quarter of the usual stack, and the node adds some."""
_EACH = 9
"""Bytes that each of them needs besides: its NUL and a pointer."""
_BUILTINS = frozenset(("echo", "printf", ":", "true", "false", "test", "[", "cd", "set", "read", "exit"))
"""Commands of the shell itself, for which no program is started."""
_TAKES = "a program takes at most {:,}: give it in a file"


def size_problems(command: str, environment: Mapping[str, str], values: Mapping[str, Any]) -> list[str]:
    """Yield a line for each part of a job that no program can be started with. `values` name whose it is."""
    around = sum(_bytes(f"{name}={text}") + _EACH for name, text in environment.items())
    if len(command) <= LONGEST_TEXT // 4 and around <= LONGEST_TEXT:  # no character has more than four bytes
        return []
    problems = [
        f"environment variable {name}: {_bytes(text):,} bytes; one variable has at most {LONGEST_TEXT:,}"
        for name, text in environment.items()
        if _bytes(f"{name}={text}") > LONGEST_TEXT
    ]
    if _bytes(command) > LONGEST_TEXT or around > LONGEST_TEXT:
        problems += _of_commands(command, around, values)
    return list(dict.fromkeys(problems))


def _of_commands(command: str, around: int, values: Mapping[str, Any]) -> Iterator[str]:
    whose = _longest(values)
    for node in within(parse(command)):
        if node.type != "command":
            continue
        words = [text_of(part) for part in words_of(node)]
        if not words or words[0] in _BUILTINS:
            continue
        longest = max(map(_bytes, words))
        total = around + sum(_bytes(part) + _EACH for part in words)
        if longest > LONGEST_TEXT:
            yield f"{whose}{longest:,} bytes in one argument; {_TAKES.format(LONGEST_TEXT)}"
        elif total > MOST:
            yield f"{whose}{total:,} bytes of arguments; {_TAKES.format(MOST)}"


def _longest(values: Mapping[str, Any]) -> str:
    """Return whose text is the longest: `input a: `."""
    sizes = {id: _bytes(" ".join(map(str, v)) if type(v) is list else str(v)) for id, v in values.items()}
    return f"input {max(sizes, key=lambda id: sizes[id])}: " if sizes else ""


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))
