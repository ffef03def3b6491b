"""The choices of an execution, settled before its first job: limits, runtimes, names, transfers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from engine.app.requests import SubmitRequest
from engine.domain import naming
from engine.domain.options import Options
from engine.domain.tool import Tool
from engine.errors import BadRequest
from engine.planning import Requirements
from engine.ports import Capabilities
from engine.settings.section import RuntimeName
from engine.settings.tree import Settings
from wrappers.wire import ISOLATING, NETWORK_MACHINE, NETWORK_OWN, NETWORKS, Limits, Transfers

PROCESSES = 4096
"""Processes, and open files of each, that are enough for any tool and too few to hold up a machine."""


def resolve_options(
    request: SubmitRequest,
    tool: Tool,
    needs: Requirements,
    settings: Settings,
    can: Capabilities,
    source: str,
) -> Options:
    """Resolve the options of an execution: its request's, else its descriptor's, else the settings'.

    Raises:
        BadRequest: they contradict each other, or the back-end where it is to run.
    """
    runtimes = _runtimes(request, tool.image is None, can, source)
    workdir = needs.working_directory or (tool.image.working_directory if tool.image else None) or ""
    if runtimes == ["none"] and workdir and not can.runs_image:
        raise BadRequest(
            f"{source}: container-image.working-directory {workdir} is a place inside of the image",
            remedy="run it in a container",
        )
    node = settings.node_of(request.backend or settings.backend)
    isolated = request.isolated and not can.runs_image  # the image that the back-end runs keeps it apart
    network = node.network or (NETWORK_OWN if isolated else NETWORK_MACHINE)
    if can.runs_image:
        network = NETWORK_MACHINE  # that of the image
    else:
        _check_isolation(runtimes or node.runtimes, network, isolated=request.isolated)
    return Options(
        limits=_limits(request, tool, settings),
        runtimes=runtimes,
        root=request.root,
        gpu=needs.gpu,
        workdir=workdir,
        environment={**needs.environment, **request.environment},
        retries=request.retries,
        grid=request.grid,
        compat=request.compat,
        group=request.group,
        naming=_results_name(request, settings, tool),
        transfers=_transfers(settings, request.backend or settings.backend),
        network=network,
        isolated=isolated,
    )


def _transfers(settings: Settings, backend: str) -> Transfers:
    data, client = settings.data, settings.dirac_client(backend)
    return Transfers(
        parallel=data.parallel,
        rounds=data.rounds,
        stall=data.stall,
        budget=data.budget,
        sandbox=data.sandbox,
        read_back=data.read_back,
        elements=list(client.storage_elements) if client else [],
        failover=list(client.failover) if client else [],
    )


def _runtimes(request: SubmitRequest, no_image: bool, can: Capabilities, source: str) -> list[str]:
    asked = list(request.runtimes)
    if unknown := sorted(set(asked) - set(get_args(RuntimeName))):
        raise BadRequest(f"no runtime {unknown[0]}", remedy=f"there is {', '.join(get_args(RuntimeName))}")
    if "none" in asked and asked != ["none"]:
        raise BadRequest("runtime none cannot be one of several: it is never a fallback")
    if can.runs_image and asked:
        raise BadRequest(
            "a runtime was asked for, but the back-end runs the image itself", remedy="leave --runtime out"
        )
    if asked == ["none"] and not can.allows_no_container:
        raise BadRequest("runtime none is possible on this machine only", remedy="use the local back-end")
    if no_image and asked != ["none"]:
        raise BadRequest(
            f"{source}: no container-image", remedy="add one, or run it on this machine with --runtime none"
        )
    return ["none"] if can.runs_image else asked


def _check_isolation(runtimes: Sequence[str], network: str, *, isolated: bool) -> None:
    """Return if one of these runtimes keeps what is asked.

    Raises:
        BadRequest: none of them does.
    """
    if isolated and not set(runtimes) & set(ISOLATING):
        raise BadRequest(
            f"the tool would run by {' or '.join(runtimes)}, which does not keep it apart from the engine",
            remedy=f"run it by {' or '.join(ISOLATING)}; an administrator may engine pipeline trust it",
        )
    if not any(network in NETWORKS.get(one, (NETWORK_MACHINE,)) for one in runtimes):
        raise BadRequest(
            f"{' or '.join(runtimes)} cannot give a tool the network {network!r} (setting node.network)",
            remedy="run it by userns, or change the setting",
        )


def _results_name(request: SubmitRequest, settings: Settings, tool: Tool) -> str:
    """Choose a template that keeps every result below the directory of results."""
    given = request.results_name is not None
    template = naming.plain(
        request.results_name if request.results_name is not None else settings.results_name
    )
    if not template:
        return ""
    fields = naming.fields_of(template)
    problem = naming.template_problem(template, [one.id for one in tool.inputs])
    if not problem and naming.RESULTS_DIRECTORY in fields and not request.sweep.vip:
        problem = f"{{{naming.RESULTS_DIRECTORY}}} needs --vip"
    if problem:
        where = "--results-name" if given else "setting results_name:"
        raise BadRequest(f"{where} {template}: {problem}", remedy="for example {job}/{path}")
    return template


def _limits(request: SubmitRequest, tool: Tool, settings: Settings) -> Limits:
    wants, usual = tool.resources, settings.limits
    strange = PROCESSES if request.isolated else None
    return Limits(
        cores=request.cores or wants.cores or usual.cores,
        memory=request.memory or wants.ram or usual.memory,
        wall=request.wall or wants.walltime or usual.wall,
        disk=wants.disk or usual.disk,
        processes=usual.processes or strange,
        files=usual.files or strange,
        space=usual.space,
    )
