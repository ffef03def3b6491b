"""Results that would take each other's names, found before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b

from engine.planning import OutputFile


class Names:
    """The names of results seen so far.

    With a directory for each job only outputs of one job can meet; otherwise every name is remembered, as
    a hash of 8 bytes. Names with wildcards are known only when the tool has run; the database refuses
    those that meet then.
    """

    def __init__(self, naming: str) -> None:
        self._together = bool(naming) and "{job}" not in naming
        self._seen: dict[bytes, int] = {}

    def collisions(self, number: int, outputs: Sequence[OutputFile]) -> Iterator[str]:
        """A line for each output of job `number` whose name is taken."""
        own: dict[str, str] = {}
        for output in outputs:
            if any(sign in output.path for sign in "*?["):
                continue
            if output.path in own:
                yield f"output {output.id}: {output.path} is also output {own[output.path]}"
                continue
            own[output.path] = output.id
            if self._together:
                first = self._seen.setdefault(blake2b(output.path.encode(), digest_size=8).digest(), number)
                if first != number:
                    yield (
                        f"output {output.id}: {output.path} is also a result of job {first}; "
                        "put {job} into --naming"
                    )
