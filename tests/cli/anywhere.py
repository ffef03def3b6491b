"""The same tool as root and as an ordinary user, on each runtime that can be had on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.cli.desk import Desk, Execution

RUNTIMES = ("none", "userns", "udocker", "docker")


@dataclass(frozen=True)
class Anywhere:
    """A desk whose jobs run on one runtime."""

    desk: Desk
    runtime: str
    image: str | None
    """None without a container."""

    def run(
        self, command: str, invocation: Mapping[str, Any] | None = None, *, code: int = 0, **tool: Any
    ) -> Execution:
        """Submit a tool with this command, which must end with this exit code."""
        descriptor = self.desk.tool(command, image=self.image, **tool)
        invocation_file = self.desk.write("i.json", dict(invocation or {}))
        done = self.desk.submit(descriptor, invocation_file, "--runtime", self.runtime, code=code)
        runtime = done.record()["additional-information"]["runtime"]
        assert runtime["name"] == self.runtime
        return done
