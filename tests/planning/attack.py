"""Run rendered command lines in a real shell, and see whether anything of an attacker's was carried out."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.domain.tool import InputType, Tool

MARK = "PWNED"
"""Begins the name of every file that an attack makes."""


def payloads(keys: list[str]) -> list[str]:
    """Texts that run `touch PWNED<n>` when some layer takes them for code.

    `keys` are value-keys of other inputs, which a careless expander would replace in them.
    """
    plain = [
        "; {t} ;",
        "'; {t} ; '",
        '"; {t} ; "',
        "'\"; {t} ; \"'",
        "$({t})",
        "`{t}`",
        "\n{t}\n",
        "\\'; {t} ; \\'",
        '\\"; {t} ; \\"',
        "&& {t} ||",
        "| {t} |",
        "x\\",
        ")\n{t}\n(",
        "}}; {t} ; {{",
        "*/; {t} ; #",
        "a[$({t})]",
        "EOF\n{t}\n",
        "${{x:-$({t})}}",
        "<({t})",
        "' -e '; {t} ; '",
        "{t}",
        "{t} |",
        "-e1e {t}",
        "--expression=1e {t}",
        "-c {t}",
        "--to-command={t}",
        "--eval={t}",
        "-oProxyCommand={t}",
        "a[$({t})]=1",
    ]
    mixed = [f"'{key}; {{t}} ; {key}'" for key in keys[:2]] + [f"{key};{{t}};" for key in keys[:2]]
    return [text.format(t=f"touch {MARK}{number}") for number, text in enumerate(plain + mixed)]


def hostile(tool: Tool, invocation: Mapping[str, Any], turn: int) -> dict[str, Any]:
    """The invocation with a payload in every free text; which one where depends on `turn`."""
    texts = payloads([one.value_key for one in tool.inputs if one.value_key])
    values = dict(invocation)
    for place, one in enumerate(tool.inputs):
        if one.type in (InputType.STRING, InputType.FILE) and not one.choices and one.id in values:
            text = texts[(turn + 7 * place) % len(texts)]
            other = texts[(turn + 7 * place + 3) % len(texts)]
            values[one.id] = [text, other] if one.list else text
    return values


class Victim:
    """A directory where lines are run, with no program at hand but `touch`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "victim"
        self._programs = directory / "programs"
        self._programs.mkdir()
        for name in (
            "touch",
            "cat",
            "mkdir",
            "sh",
            "bash",
            "awk",
            "sed",
            "python3",
            "perl",
            "env",
            "timeout",
            "nice",
            "nohup",
            "find",
            "xargs",
            "tee",
            "tar",
            "sort",
            "head",
            "tr",
            "true",
            "rm",
        ):
            found = shutil.which(name)
            if found:
                (self._programs / name).symlink_to(found)
        self.directory.mkdir()

    def run(self, shell: str, line: str) -> list[str]:
        """Run a line; answer with the names of the files that the attacker made."""
        subprocess.run(
            [shutil.which(shell) or shell, "-c", line],
            cwd=self.directory,
            env={"PATH": str(self._programs), "HOME": str(self.directory)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        made = [name for name in os.listdir(self.directory) if name.startswith(MARK)]
        if made or len(os.listdir(self.directory)) > 50:
            shutil.rmtree(self.directory)
            self.directory.mkdir()
        return made
