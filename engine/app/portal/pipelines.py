"""Pipelines of the portal: descriptors under `name/version`, checked when they are added, fixed once used."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from sqlalchemy.engine import Connection

from engine.app.planner import validator
from engine.app.portal.carmin import Code, Refused
from engine.clock import Clock
from engine.domain.access import may_use_pipeline
from engine.domain.account import Account
from engine.errors import BadRequest, NotFound
from engine.planning import CompiledTool, Descriptor, compile_tool
from engine.planning.lint import ERROR, Finding, lint
from engine.store import accounts, descriptors, pipelines
from engine.store.database import Database
from engine.store.pipelines import Pipeline

_IDENTIFIER = re.compile(r"[^/\x00-\x1f\x7f]{1,120}/[^/\x00-\x1f\x7f]{1,60}")
_COMPILED = 256


@dataclass(frozen=True, slots=True)
class Published:
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

    def add(self, descriptor: Descriptor, groups: Sequence[str] = ()) -> tuple[Pipeline, list[Finding]]:
        """Publish a descriptor for everybody, or for some groups (by name); gives what lint says of it.

        The same descriptor again only changes the groups.

        Raises:
            BadRequest: it is not valid, has an error of lint, or another one of this name and version was
                used already.
            NotFound: there is no such group.
        """
        compiled = compile_tool(descriptor)
        found = lint(compiled, descriptor.data)
        if wrong := [f"{descriptor.source}: {one.message}" for one in found if one.level == ERROR]:
            raise BadRequest(wrong[0], problems=wrong)
        identifier = f"{compiled.tool.name}/{compiled.tool.version}"
        if not _IDENTIFIER.fullmatch(identifier) or not identifier.isprintable():
            raise BadRequest(
                f"{descriptor.source}: {identifier!r} is no identifier of a pipeline",
                remedy="neither name nor tool-version may be empty, very long, or have a slash in it",
            )
        now = self._clock.now()
        with self._db.write() as connection:
            earlier = pipelines.get(connection, identifier)
            changed = earlier is not None and earlier.descriptor_sha256 != descriptor.sha256
            if changed and pipelines.is_used(connection, identifier):
                raise BadRequest(
                    f"pipeline {identifier} was used already, with another descriptor",
                    remedy="give the new one another tool-version",
                )
            ids = _group_ids(connection, groups)
            descriptors.keep(connection, descriptor.sha256, descriptor.data, checked_by=validator(), now=now)
            new = Pipeline(identifier, descriptor.sha256, ids, created_at=now)
            pipelines.put(connection, new)
        return new, found

    def add_document(
        self, data: Mapping[str, Any], groups: Sequence[str] = ()
    ) -> tuple[Pipeline, list[Finding]]:
        """The same for a descriptor that is a plain object."""
        return self.add(Descriptor.of(data), groups)

    def share(self, identifier: str, groups: Sequence[str]) -> Pipeline:
        """Offer a pipeline to some groups (by name), or to everybody.

        Raises:
            NotFound: there is no such pipeline, or no such group.
        """
        with self._db.write() as connection:
            found = pipelines.get(connection, identifier) if identifier.isprintable() else None
            if found is None or found.hidden:
                raise NotFound(f"no pipeline {_shown(identifier)}", remedy="engine pipeline list shows them")
            changed = replace(found, groups=_group_ids(connection, groups))
            pipelines.put(connection, changed)
        return changed

    def group_names(self, one: Pipeline) -> list[str]:
        """Names of the groups that may use a pipeline; none: everybody may."""
        if not one.groups:
            return []
        with self._db.read() as connection:
            return [group.name for group in accounts.groups(connection) if group.id in one.groups]

    def withdraw(self, identifier: str) -> None:
        """Offer a pipeline no more; executions go on knowing it.

        Raises:
            NotFound: there is none.
        """
        with self._db.write() as connection:
            if not identifier.isprintable() or not pipelines.hide(connection, identifier):
                raise NotFound(f"no pipeline {_shown(identifier)}", remedy="engine pipeline list shows them")

    def all(self) -> list[Pipeline]:
        """Every pipeline that is offered."""
        with self._db.read() as connection:
            return pipelines.every(connection)

    def of(self, account: Account) -> list[Pipeline]:
        """Those that an account may use."""
        return [one for one in self.all() if may_use_pipeline(account, one.groups)]

    def get(self, account: Account, identifier: str) -> Published:
        """One that an account may use.

        Raises:
            Refused: the identifier is none, there is no such pipeline, or it is for others.
        """
        if "/" not in identifier:
            raise Refused(
                Code.BAD_PIPELINE_IDENTIFIER, f"{_shown(identifier)} is no pipeline: it is name/version"
            )
        with self._db.read() as connection:
            found = pipelines.get(connection, identifier) if identifier.isprintable() else None
        if found is None or found.hidden:
            raise Refused(Code.NO_PIPELINE, f"there is no pipeline {_shown(identifier)}")
        if not may_use_pipeline(account, found.groups):
            raise Refused(Code.PIPELINE_NOT_ALLOWED, f"you may not use the pipeline {_shown(identifier)}")
        descriptor, compiled = self._compiled(found.descriptor_sha256)
        return Published(found, descriptor, compiled)

    def descriptor(self, sha256: str) -> tuple[Descriptor, CompiledTool]:
        """A descriptor that was stored once."""
        return self._compiled(sha256)

    def _compile(self, sha256: str) -> tuple[Descriptor, CompiledTool]:
        with self._db.read() as connection:
            data: dict[str, Any] = descriptors.data(connection, sha256)
        descriptor = Descriptor(data, sha256, str(data.get("name", "descriptor")))
        return descriptor, compile_tool(descriptor, check=False)


def _group_ids(connection: Connection, names: Sequence[str]) -> frozenset[str]:
    for name in names:
        if not name.isprintable():  # no text that every database holds
            raise NotFound(f"no group {_shown(name)}")
    return frozenset(accounts.group_named(connection, name).id for name in names)


def _shown(text: str) -> str:
    return text[:200].encode("unicode_escape").decode()
