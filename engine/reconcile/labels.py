"""Having results carry words where their storage keeps any. That is never a reason why a job fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from urllib.parse import urlsplit

from engine.domain import labels
from engine.errors import EngineError, Unavailable
from engine.ids import ExecutionId
from engine.ports import Labelling, Storage
from engine.reconcile.context import Describe, log
from engine.store.executions import Execution

TRIES = 3
"""Times that a storage may not answer before the results of an execution do without words."""
_MANY = 10_000


class Labeller:
    """Labels what belongs to executions: each directory once, and nothing where that was refused."""

    def __init__(self, describe: Describe) -> None:
        self._describe = describe
        self._done: set[tuple[ExecutionId, str]] = set()
        """Directories that have their words, and hosts that refused, of executions."""
        self._silent: Counter[tuple[ExecutionId, str]] = Counter()
        """How often a host did not answer about an execution."""

    def label(
        self, storage: Storage, execution: Execution, number: int, urls: Sequence[str], directory: str
    ) -> None:
        """Label results of a job, and the directory that holds those of its execution.

        Raises:
            Unavailable: the storage does not answer; the next time it may.
        """
        parts = urlsplit(directory)
        host = (execution.id, f"{parts.scheme}://{parts.netloc}")
        if not urls or not isinstance(storage, Labelling) or host in self._done:
            return
        image = execution.options.image
        words = labels.of_execution(execution.id, self._describe(execution), image.digest if image else "")
        wanted = {url: labels.of_job(words, number) for url in urls}
        if len(self._done) > _MANY:
            self._done.clear()
        if (execution.id, directory) not in self._done:
            wanted[directory] = words
        try:
            storage.label(wanted)
        except EngineError as error:
            self._silent[host] += 1
            if isinstance(error, Unavailable) and self._silent[host] < TRIES:
                raise
            self._done.add(host)
            log.warning("execution %s: its results are not labelled: %s", execution.id, error)
            return
        self._silent.pop(host, None)
        self._done.add((execution.id, directory))
