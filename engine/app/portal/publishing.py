"""Pipelines as administrators publish them: checked when they are added, fixed once used."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy.engine import Connection

from engine.app.planner import validator
from engine.app.portal.deeds import Deeds
from engine.app.portal.values import shown
from engine.errors import BadRequest, NotFound
from engine.planning import Descriptor, compile_tool
from engine.planning.lint import ERROR, Finding, lint
from engine.store import accounts, descriptors, pipelines
from engine.store.pipelines import Pipeline

_IDENTIFIER = re.compile(r"[^/\x00-\x1f\x7f]{1,120}/[^/\x00-\x1f\x7f]{1,60}")


class Publishing(Deeds):
    """Changes of what is offered."""

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
        with self._doing("pipeline.add") as doing:
            connection = doing.connection
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
            doing.fields.update(pipeline=identifier, descriptor_sha256=descriptor.sha256)
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
        with self._doing("pipeline.share") as doing:
            found = pipelines.get(doing.connection, identifier) if identifier.isprintable() else None
            if found is None or found.hidden:
                raise _unknown(identifier)
            changed = replace(found, groups=_group_ids(doing.connection, groups))
            pipelines.put(doing.connection, changed)
            doing.fields["pipeline"] = identifier
        return changed

    def withdraw(self, identifier: str) -> None:
        """Offer a pipeline no more; executions go on knowing it.

        Raises:
            NotFound: there is none.
        """
        with self._doing("pipeline.withdraw") as doing:
            if not identifier.isprintable() or not pipelines.hide(doing.connection, identifier):
                raise _unknown(identifier)
            doing.fields["pipeline"] = identifier


def _unknown(identifier: str) -> NotFound:
    return NotFound(f"no pipeline {shown(identifier)}", remedy="engine pipeline list shows them")


def _group_ids(connection: Connection, names: Sequence[str]) -> frozenset[str]:
    for name in names:
        if not name.isprintable():  # no text that every database holds
            raise NotFound(f"no group {shown(name)}")
    return frozenset(accounts.group_named(connection, name).id for name in names)
