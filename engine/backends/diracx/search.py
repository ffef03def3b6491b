"""DiracX's search of jobs, page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.backends.diracx.client import Client

Row = Mapping[str, Any]
Filter = Mapping[str, Any]

PAGE = 10_000
"""Rows of one answer: what DiracX gives at most."""


def one_of(parameter: str, values: Sequence[str | int]) -> Filter:
    """A job has one of these values."""
    return {"parameter": parameter, "operator": "in", "values": list(values)}


def later(parameter: str, moment: str) -> Filter:
    """A job has a later date than this (ISO 8601)."""
    return {"parameter": parameter, "operator": "gt", "value": moment}


async def search(client: Client, filters: Sequence[Filter], fields: Sequence[str]) -> tuple[list[Row], float]:
    """All jobs that match, and when the first question was answered, by the server's clock.

    Raises:
        BackendUnavailable, CredentialExpired: as for every request.
    """
    body = {
        "parameters": list(fields),
        "search": list(filters),
        "sort": [{"parameter": "JobID", "direction": "asc"}],
    }
    rows: list[Row] = []
    page, at = 1, 0.0
    while True:
        answer = await client.ask("POST", "/api/jobs/search", body, page=page, per_page=PAGE)
        at = at or answer.at
        rows += answer.data
        if len(answer.data) < PAGE:
            return rows, at
        page += 1


async def summary(client: Client, filters: Sequence[Filter], by: Sequence[str]) -> list[Row]:
    """The number of jobs that match, by these fields.

    Raises:
        BackendUnavailable, CredentialExpired: as for every request.
    """
    body = {"grouping": list(by), "search": list(filters)}
    rows: list[Row] = (await client.ask("POST", "/api/jobs/summary", body)).data
    return rows
