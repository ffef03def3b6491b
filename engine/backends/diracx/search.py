"""DiracX's search of jobs, page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from engine.backends.diracx.answers import DiracxAnswer, DiracxRefused
from engine.backends.diracx.client import DiracxClient
from engine.backends.wms.watch import PAGE, AnswerPage, Row
from engine.errors import BackendUnavailable

Filter = Mapping[str, Any]


def one_of(parameter: str, values: Sequence[str | int]) -> Filter:
    """Match jobs that have one of these values."""
    return {"parameter": parameter, "operator": "in", "values": list(values)}


def later(parameter: str, moment: str) -> Filter:
    """Match jobs that have a later date than this (ISO 8601)."""
    return {"parameter": parameter, "operator": "gt", "value": moment}


async def pages(
    client: DiracxClient, filters: Sequence[Filter], fields: Sequence[str]
) -> AsyncGenerator[AnswerPage, None]:
    """All jobs that match, oldest first; one page at least. `fields` must hold JobID.

    Raises:
        BackendUnavailable, CredentialExpired: as for every request.
    """
    beyond = 0
    while True:  # not by page numbers: DiracX fails when there is no such page, and jobs come and go
        body = {
            "parameters": list(fields),
            "search": [*filters, {"parameter": "JobID", "operator": "gt", "value": beyond}],
            "sort": [{"parameter": "JobID", "direction": "asc"}],
        }
        answer = await _search(client, "/api/jobs/search", body, page=1, per_page=PAGE)
        yield AnswerPage(answer.data, answer.at)
        if len(answer.data) < PAGE:
            return
        beyond = int(answer.data[-1]["JobID"])


async def search(client: DiracxClient, filters: Sequence[Filter], fields: Sequence[str]) -> AnswerPage:
    """All that `pages` gives, as if it were one: for questions about few jobs."""
    found = [page async for page in pages(client, filters, fields)]
    return AnswerPage([row for page in found for row in page.rows], found[0].at)


async def summary(client: DiracxClient, filters: Sequence[Filter], by: Sequence[str]) -> list[Row]:
    """Count the jobs that match, by these fields.

    Raises:
        BackendUnavailable, CredentialExpired: as for every request.
    """
    body = {"grouping": list(by), "search": list(filters)}
    rows: list[Row] = (await _search(client, "/api/jobs/summary", body)).data
    return rows


async def _search(client: DiracxClient, path: str, body: Any, **query: int) -> DiracxAnswer:
    """Search; a question that the server does not understand comes of a version of it that we do not know."""
    try:
        return await client.request("POST", path, body, repeat=True, **query)
    except DiracxRefused as error:
        raise BackendUnavailable(
            f"DiracX at {client.url} does not understand us: {error}",
            remedy="see which versions of DiracX this engine speaks to",
        ) from None
