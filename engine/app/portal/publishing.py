"""Pipelines as administrators publish them: checked when they are added, fixed once used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy.engine import Connection

from engine.app.planner import validator
from engine.app.portal.audited_actions import AuditedActions
from engine.app.portal.identifiers import REMEDY, identifier_problem
from engine.app.portal.values import shown
from engine.errors import BadRequest, NotFound
from engine.planning import Descriptor, compile_tool
from engine.planning.finding import ERROR, LintFinding
from engine.planning.lint import lint
from engine.store import accounts, descriptors, pipelines
from engine.store.pipelines import Pipeline


class Publishing(AuditedActions):
    """The use cases that change what is offered."""

    def add(
        self,
        descriptor: Descriptor,
        groups: Sequence[str] = (),
        *,
        identifier: str = "",
        replace: bool = False,
        also: Callable[[Connection], object] = lambda _: None,
    ) -> tuple[Pipeline, list[LintFinding]]:
        """Publish a descriptor for everybody, or for some groups (by name); gives what lint says of it.

        Args:
            descriptor: what is offered.
            groups: who may use it.
            identifier: `name/version`, where it is not the descriptor's own.
            replace: whether a pipeline of this identifier that was never used may be replaced. What was used
                never is.
            also: what is written in the same commit.

        Raises:
            BadRequest: it is not valid, has an error of lint, no client could reach it, or another one of
                this name and version is there.
            NotFound: there is no such group.
        """
        compiled = compile_tool(descriptor)
        found = lint(compiled, descriptor.data)
        if wrong := [f"{descriptor.source}: {one.message}" for one in found if one.level == ERROR]:
            raise BadRequest(wrong[0], problems=wrong)
        identifier = identifier or f"{compiled.tool.name}/{compiled.tool.version}"
        if problem := identifier_problem(identifier):
            raise BadRequest(
                f"{descriptor.source}: {shown(identifier)} is no identifier of a pipeline: {problem}",
                remedy=REMEDY,
            )
        now = self._clock.now()
        with self._action("pipeline.add") as doing:
            connection = doing.connection
            ids = _group_ids(connection, groups)
            new = Pipeline(identifier, descriptor.sha256, ids, created_at=now)
            _check_replaced(connection, new, replace=replace)
            descriptors.store(connection, descriptor.sha256, descriptor.data, checked_by=validator(), now=now)
            pipelines.put(connection, new)
            also(connection)
            doing.fields.update(pipeline=identifier, descriptor_sha256=descriptor.sha256)
        return new, found

    def add_document(
        self,
        data: Mapping[str, Any],
        groups: Sequence[str] = (),
        *,
        identifier: str = "",
        replace: bool = False,
    ) -> tuple[Pipeline, list[LintFinding]]:
        """Add a descriptor that is a plain object."""
        return self.add(Descriptor.of(data), groups, identifier=identifier, replace=replace)

    def share(self, identifier: str, groups: Sequence[str]) -> Pipeline:
        """Offer a pipeline to some groups (by name), or to everybody.

        Raises:
            NotFound: there is no such pipeline, or no such group.
        """
        with self._action("pipeline.share") as doing:
            found = _published(doing.connection, identifier)
            changed = replace(found, groups=_group_ids(doing.connection, groups))
            pipelines.put(doing.connection, changed)
            doing.fields["pipeline"] = identifier
        return changed

    def trust(self, identifier: str, *, trusted: bool) -> Pipeline:
        """Say whether jobs of a pipeline may run where the tool is not kept apart from the engine.

        Raises:
            NotFound: there is no such pipeline.
        """
        with self._action("pipeline.trust") as doing:
            changed = replace(_published(doing.connection, identifier), trusted=trusted)
            pipelines.put(doing.connection, changed)
            doing.fields.update(pipeline=identifier, data={"trusted": trusted})
        return changed

    def withdraw(self, identifier: str) -> None:
        """Offer a pipeline no more; executions go on knowing it.

        Raises:
            NotFound: there is none.
        """
        with self._action("pipeline.withdraw") as doing:
            if not identifier.isprintable() or not pipelines.hide(doing.connection, identifier):
                raise _unknown(identifier)
            doing.fields["pipeline"] = identifier


def _check_replaced(connection: Connection, new: Pipeline, *, replace: bool) -> None:
    """Return if nothing that is there is changed unasked.

    Raises:
        BadRequest: a pipeline of this identifier has another descriptor, or other groups.
    """
    earlier = pipelines.get(connection, new.identifier)
    if earlier is None:
        return
    if earlier.descriptor_sha256 == new.descriptor_sha256:
        if not earlier.hidden and earlier.groups != new.groups and not replace:
            raise BadRequest(
                f"pipeline {new.identifier} is offered already, to others than these",
                remedy="engine pipeline share changes who may use it",
            )
        return
    if pipelines.is_used(connection, new.identifier):
        raise BadRequest(
            f"pipeline {new.identifier} was used already, with another descriptor",
            remedy=f"give the new one another tool-version, or {REMEDY}",
        )
    if not replace:
        withdrawn = " (it was withdrawn)" if earlier.hidden else ""
        raise BadRequest(
            f"pipeline {new.identifier} exists already, with another descriptor{withdrawn}",
            remedy=f"{REMEDY}, or replace that one with --replace",
        )


def _published(connection: Connection, identifier: str) -> Pipeline:
    """Find a pipeline that is offered.

    Raises:
        NotFound: there is no such pipeline.
    """
    found = pipelines.get(connection, identifier) if identifier.isprintable() else None
    if found is None or found.hidden:
        raise _unknown(identifier)
    return found


def _unknown(identifier: str) -> NotFound:
    return NotFound(f"no pipeline {shown(identifier)}", remedy="engine pipeline list shows them")


def _group_ids(connection: Connection, names: Sequence[str]) -> frozenset[str]:
    for name in names:
        if not name.isprintable():  # no text that every database holds
            raise NotFound(f"no group {shown(name)}")
    return frozenset(accounts.group_named(connection, name).id for name in names)
