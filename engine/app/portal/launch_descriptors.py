"""Descriptors of what is launched: published ones, those of a DOI, and those that users bring along."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from engine.app.portal.carmin import CarminError, Code
from engine.app.portal.launch_request import LaunchRequest
from engine.app.portal.pipelines import Pipelines
from engine.app.portal.trial import Trials
from engine.app.portal.uploads import check_uploaded
from engine.domain.access import may_launch
from engine.domain.account import Account
from engine.errors import BadRequest
from engine.planning import CompiledTool, Descriptor, compile_tool, is_published, load_descriptor
from engine.settings.tree import Settings


class LaunchDescriptors:
    """Source of the descriptors that requests mean, for those who may launch them."""

    def __init__(self, settings: Settings, pipelines: Pipelines, trials: Trials) -> None:
        self._settings = settings
        self._pipelines = pipelines
        self._trials = trials

    def find(self, account: Account, wanted: LaunchRequest) -> tuple[Descriptor, CompiledTool, bool, bool]:
        """Find the descriptor, compiled; tell whether it is the user's own, and whether it is trusted."""
        if wanted.descriptor is None and "/" in wanted.pipeline and not is_published(wanted.pipeline):
            found = self._pipelines.get(account, wanted.pipeline)
            return found.descriptor, found.compiled, False, found.pipeline.trusted
        if wanted.descriptor is None and not is_published(wanted.pipeline):
            raise CarminError(
                Code.BAD_PIPELINE_IDENTIFIER, "a pipeline is needed: name/version, or a DOI of Zenodo"
            )
        if wanted.trusted and wanted.descriptor is not None:
            return *self._looked_through(account, partial(Descriptor.of, wanted.descriptor)), False, False
        if not self._settings.portal.uploads:
            raise CarminError(
                Code.PIPELINE_NOT_ALLOWED,
                "only published pipelines can be launched here",
                remedy="engine pipelines shows them, engine pipeline propose asks for another",
            )
        find = partial(
            load_descriptor,
            wanted.pipeline,
            network=self._settings.portal.zenodo,
            endpoint=self._settings.zenodo,
        )
        if wanted.descriptor is not None:
            find = partial(Descriptor.of, wanted.descriptor)
        descriptor, compiled = self._looked_through(account, find)
        check_uploaded(compiled.tool, self._settings.portal.registries)
        return descriptor, compiled, True, False

    def data(self, account: Account, pipeline: str) -> Mapping[str, Any]:
        """Return the descriptor of a pipeline that an account may launch, or of a DOI.

        Raises:
            CarminError: there is none, or it is for others.
        """
        if not may_launch(account):
            raise CarminError(Code.BAD_EXECUTION, "this account may not start executions")
        return self.find(account, LaunchRequest("", pipeline))[0].data

    def published_as(self, account: Account, descriptor: Mapping[str, Any]) -> str:
        """Name the pipeline that an account may use and that has just this descriptor; "": none."""
        try:
            sha256 = Descriptor.of(descriptor).sha256
        except BadRequest as error:
            raise CarminError(Code.WRONG_DESCRIPTOR, error.message) from None
        same = (one for one in self._pipelines.of(account) if one.descriptor_sha256 == sha256)
        return next((one.identifier for one in same), "")

    def _looked_through(
        self, account: Account, find: Callable[[], Descriptor]
    ) -> tuple[Descriptor, CompiledTool]:
        """Compile a descriptor of somebody else's, if that does not take long."""
        try:
            descriptor = find()
            self._trials.check(account.id, descriptor.data)
            return descriptor, compile_tool(descriptor)
        except CarminError:
            raise
        except BadRequest as error:
            raise CarminError(Code.WRONG_DESCRIPTOR, error.message) from None
