"""Pipelines of the portal: descriptors under `name/version`, checked when they are added, fixed once used."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from engine.app.portal.carmin import CarminError, Code
from engine.clock import Clock
from engine.domain.access import may_use_pipeline
from engine.domain.account import Account
from engine.planning import CompiledTool, Descriptor, compile_tool
from engine.store import accounts, descriptors, pipelines
from engine.store.database import Database
from engine.store.pipelines import Pipeline

_COMPILED = 256


@dataclass(frozen=True, slots=True)
class UsablePipeline:
    """A pipeline that an account may use, ready to be."""

    pipeline: Pipeline
    descriptor: Descriptor
    compiled: CompiledTool


class Pipelines:
    """Every pipeline."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._compiled = lru_cache(maxsize=_COMPILED)(self._compile)

    def group_names(self, one: Pipeline) -> list[str]:
        """Names of the groups that may use a pipeline; none: everybody may."""
        if not one.groups:
            return []
        with self._db.read() as connection:
            return [group.name for group in accounts.groups(connection) if group.id in one.groups]

    def all(self) -> list[Pipeline]:
        """Every pipeline that is offered."""
        with self._db.read() as connection:
            return pipelines.every(connection)

    def of(self, account: Account) -> list[Pipeline]:
        """Return those that an account may use."""
        return [one for one in self.all() if may_use_pipeline(account, one.groups)]

    def get(self, account: Account, identifier: str) -> UsablePipeline:
        """One that an account may use.

        Raises:
            Refused: the identifier is none, there is no such pipeline, or it is for others.
        """
        if "/" not in identifier:
            raise CarminError(
                Code.BAD_PIPELINE_IDENTIFIER, f"{_shown(identifier)} is no pipeline: it is name/version"
            )
        with self._db.read() as connection:
            found = pipelines.get(connection, identifier) if identifier.isprintable() else None
        if found is None or found.hidden:
            raise CarminError(Code.NO_PIPELINE, f"there is no pipeline {_shown(identifier)}")
        if not may_use_pipeline(account, found.groups):
            raise CarminError(Code.PIPELINE_NOT_ALLOWED, f"you may not use the pipeline {_shown(identifier)}")
        descriptor, compiled = self._compiled(found.descriptor_sha256)
        return UsablePipeline(found, descriptor, compiled)

    def descriptor(self, sha256: str) -> tuple[Descriptor, CompiledTool]:
        """Read a descriptor that was stored once."""
        return self._compiled(sha256)

    def _compile(self, sha256: str) -> tuple[Descriptor, CompiledTool]:
        with self._db.read() as connection:
            data: dict[str, Any] = descriptors.data(connection, sha256)
        descriptor = Descriptor(data, sha256, str(data.get("name", "descriptor")))
        return descriptor, compile_tool(descriptor, check=False)


def _shown(text: str) -> str:
    return text[:200].encode("unicode_escape").decode()
