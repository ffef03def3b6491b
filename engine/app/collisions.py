"""Results that would take each other's names, found before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b

from engine.domain import naming
from engine.planning import OutputFile

_REMEDY = f"put {{{naming.JOB}}} into --results-name"


class Names:
    """The names of results seen so far, as hashes of 8 bytes.

    A template with the job's number keeps jobs apart: then only outputs of one job can meet. Names with
    wildcards are known only when the tool has run; the database refuses those that meet then.
    """

    def __init__(self, template: str) -> None:
        self._template = template
        self._files: dict[bytes, int] = {}
        self._directories: dict[bytes, int] = {}

    def collisions(
        self, number: int, outputs: Sequence[OutputFile], fields: Mapping[str, str]
    ) -> Iterator[str]:
        """Yield a line for each output of job `number` whose name is taken or cannot be; `fields` are its
        own.
        """
        template = naming.template_of(self._template, 2, fields)  # of one job nothing can meet another's
        fixed = [output for output in outputs if not any(sign in output.path for sign in "*?[")]
        names = naming.result_names(template, {naming.JOB: str(number), **fields}, (o.path for o in fixed))
        together = naming.JOB not in naming.fields_of(template)
        own: dict[str, str] = {}
        for output in fixed:
            name = names[output.path]
            if problem := naming.name_problem(name):
                yield f"output {output.id}: {name!r} cannot be the name of a result: {problem}"
            elif (other := own.setdefault(name, output.id)) != output.id:
                yield f"output {output.id}: {output.path} is also output {other}"
            elif together and (first := self._taken(number, name)):
                yield f"output {output.id} of job {number}: {name} is also a result of job {first}; {_REMEDY}"

    def _taken(self, number: int, name: str) -> int | None:
        """Find the other job that has this name, or needs it as a directory, or has a file where one is
        needed.
        """
        first = self._files.setdefault(_hash(name), number)
        found = [first, self._directories.get(_hash(name), number)]
        above = name.rpartition("/")[0]
        while above:
            key = _hash(above)
            self._directories.setdefault(key, number)
            found.append(self._files.get(key, number))
            above = above.rpartition("/")[0]
        return next((job for job in found if job != number), None)


def _hash(name: str) -> bytes:
    return blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()
