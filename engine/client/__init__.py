"""A daemon, used from Python: `Client(url, key)`. The work is the daemon's: whoever loses the connection
makes a new client later, and finds everything again by its id.

    client = Client("https://platform.example.org", key)
    client.upload(Path("brain.nii"), "/vip/Home/study/brain.nii")
    id_ = client.submit("bet/1.0", {"infile": "/vip/Home/study/brain.nii"})
    client.wait(id_)
    client.download_results(id_, Path("results"))

Requests are repeated for `patience` seconds, with growing pauses; a submit carries a key of its own, so that
it is done once however often it is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from engine.client.administration import AdministrationClient
from engine.client.files import FilesClient
from engine.client.pipelines import PipelinesClient
from engine.client.platforms import Platforms
from engine.client.proposals import Proposals
from engine.errors import BadRequest
from engine.ids import new_id

RUNNING = "Running"


class Client(FilesClient, PipelinesClient, Proposals, Platforms, AdministrationClient):
    """A client of a daemon, which speaks CARMIN. Threads have a client each."""

    def submit(
        self,
        pipeline: str | Mapping[str, Any],
        values: Mapping[str, Any],
        *,
        name: str = "execution",
        results: str = "/vip/Home",
        key: str | None = None,
    ) -> str:
        """Start an execution of a pipeline (`name/version` or a DOI) or of a descriptor; gives its id.

        A list given to an input that is no list is a job for each element. `key`: submitting twice with one
        key is submitting once.

        Raises:
            BadRequest: something is wrong with it.
            Unavailable, CredentialExpired: see the class.
        """
        what = (
            {"pipelineIdentifier": pipeline} if isinstance(pipeline, str) else {"descriptor": dict(pipeline)}
        )
        wanted = {
            "name": name,
            **what,
            "inputValues": dict(values),
            "resultsLocation": results,
            "submissionKey": key or new_id(),
        }
        return str(self._json("POST", "executions", wanted)["identifier"])

    def executions(self, *, limit: int = 50, offset: int = 0) -> list[Mapping[str, Any]]:
        """List executions, newest first."""
        return list(self._json("GET", f"executions?{urlencode({'limit': limit, 'offset': offset})}"))

    def status(self, id_: str) -> Mapping[str, Any]:
        """Read an execution, as CARMIN describes it: `status` is Running, Finished, ExecutionFailed or
        Killed.

        Raises:
            NotFound: there is none.
        """
        return dict(self._json("GET", f"executions/{quote(id_, safe='')}"))

    def wait(
        self, id_: str, *, poll: float = 2.0, watch: Callable[[Mapping[str, Any]], None] | None = None
    ) -> Mapping[str, Any]:
        """Return when an execution is over. May be interrupted, and called again by anybody."""
        while True:
            execution = self.status(id_)
            if watch is not None:
                watch(execution)
            if execution["status"] != RUNNING:
                return execution
            self._clock.sleep(poll)

    def stop(self, id_: str) -> None:
        """Ask for the end of an execution; it can be restarted."""
        self._json("PUT", f"executions/{quote(id_, safe='')}/kill")

    def restart(self, id_: str) -> Mapping[str, Any]:
        """Run again what failed or was stopped; what succeeded is never run again."""
        return dict(self._json("PUT", f"executions/{quote(id_, safe='')}/restart"))

    def kill(self, id_: str) -> None:
        """End an execution, wait for that, and forget it with its files (they go to the trash)."""
        self.stop(id_)
        self.wait(id_)
        self._json("PUT", f"executions/{quote(id_, safe='')}/delete", {"deleteFiles": True})

    def results(self, id_: str) -> list[Mapping[str, Any]]:
        """List the results of an execution: `path`, `name` below all results, `size`, `isDirectory`,
        `exists`. What is in a directory that is a result comes with it.
        """
        return list(self._json("GET", f"executions/{quote(id_, safe='')}/results"))

    def jobs(self, id_: str, status: str = "") -> Iterator[Mapping[str, Any]]:
        """Yield the jobs of an execution by number, all or those of one status (QUEUED, RUNNING, COMPLETED,
        ERROR, CANCELLED): `number` from 0, `status`, `parameters`, `attempts`, `exitCode`, `exitMessage`.
        """
        after: int | None = 0
        wanted = {"status": status} if status else {}
        while after is not None:
            query = urlencode({"limit": 1000, "after": after, **wanted})
            page = self._json("GET", f"executions/{quote(id_, safe='')}/jobs?{query}")
            yield from page["jobs"]
            after = page["next"]

    def job(self, id_: str, number: int = 0) -> Mapping[str, Any]:
        """Read a job with its `phases` and its `story`; jobs are counted from 0."""
        return dict(self._json("GET", f"executions/{quote(id_, safe='')}/jobs/{number}"))

    def log(self, id_: str, job: int = 0, stream: str = "stdout") -> bytes:
        """Read what a job printed (`stdout` or `stderr`); jobs are counted from 0."""
        return self._bytes("GET", f"executions/{quote(id_, safe='')}/jobs/{job}/{stream}")

    def download_results(self, id_: str, into: Path) -> list[Path]:
        """Bring all results into a directory, directories with all they hold; gives their paths.

        Raises:
            BadRequest: some could not be brought; the others were.
        """
        found: list[Path] = []
        trouble: BadRequest | None = None
        for one in self.results(id_):
            path, target = str(one["path"]), into.joinpath(*_harmless(str(one["name"])))
            try:
                if not path.startswith("/"):
                    raise BadRequest(f"{one['name']} is on another platform: {path}", remedy="fetch it there")
                self._fetch(path, target, directory=bool(one["isDirectory"]))
                found.append(target)
            except BadRequest as error:
                trouble = trouble or error
        if trouble is not None:
            raise trouble
        return found


def _harmless(below: str) -> list[str]:
    """Split a name that a daemon gives: it may not lead out of the directory that was asked for."""
    parts = [part for part in below.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in below:
        raise BadRequest(f"{below!r}: the daemon tells a name that leads elsewhere")
    return parts
