"""What the owner of an execution still reaches of it: rights may have ended since it was launched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy.engine import Connection

from engine.app.access.tokens import Segments
from engine.app.portal import virtual
from engine.app.portal.carmin import CarminError, Code
from engine.app.portal.values import shown
from engine.domain.access import may_use_pipeline
from engine.domain.account import Account
from engine.store import accounts, pipelines
from engine.store.launches import Launch


def check_again(connection: Connection, found: Launch) -> None:
    """Return if the owner could still launch it: its pipeline, its inputs and its destination.

    Raises:
        Refused: something of it is not for the owner any more.
    """
    owner = _owner(connection, found)
    published = pipelines.get(connection, found.pipeline)
    if published and not may_use_pipeline(owner, published.groups):
        words = f"you may not use the pipeline {shown(found.pipeline)} any more"
        raise CarminError(Code.PIPELINE_NOT_ALLOWED, words)
    for text in (found.location, *_texts(found.inputs)):
        if virtual.is_lost(owner, text):
            raise CarminError(Code.DATA_NOT_ALLOWED, f"you have no access to {shown(text)} any more")


def check_kept(connection: Connection, found: Launch, kept: Iterable[Segments]) -> None:
    """Return if the directories of an execution are its owner's still.

    Raises:
        Refused: one lies where the owner has no access.
    """
    seen = virtual.bases(_owner(connection, found))
    if any(virtual.virtual_path(seen, path) is None for path in kept):
        raise CarminError(
            Code.DATA_NOT_ALLOWED,
            "its files are in a directory that is not yours any more",
            remedy="delete it without its files",
        )


def shown_location(seen: Sequence[tuple[str, Segments]], stored: Segments | None, url: str) -> str | None:
    """Return where somebody who sees these finds what lies there: its virtual path, or its URL when it is
    on another platform; None when it is not for them.
    """
    return url if stored is None else virtual.virtual_path(seen, stored)


def _owner(connection: Connection, found: Launch) -> Account:
    owner = accounts.by_id(connection, found.account_id)
    if owner is None:
        raise CarminError(Code.NO_EXECUTION, "whose it was is not known here any more")
    return owner


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts(list(value.values()))
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
