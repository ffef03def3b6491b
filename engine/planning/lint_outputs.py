"""Traps in the paths of a descriptor's outputs."""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterator

from engine.domain.tool import Tool
from engine.planning.finding import ERROR, WARNING, LintFinding
from engine.planning.template import Keys


def templates(tool: Tool) -> Iterator[tuple[str, str]]:
    """Ids of outputs, each with one of its path templates."""
    for one in tool.outputs:
        paths = [path for _, path in one.conditional_path_template]
        for path in [one.path_template, *paths]:
            if path:
                yield one.id, path


def constant_outputs(tool: Tool) -> Iterator[LintFinding]:
    """Paths that all jobs share."""
    keys = Keys(tool)
    configs = {one.id for one in tool.outputs if one.file_template is not None}
    for id, path in templates(tool):
        if not keys.split(path)[0] and not re.search(r"[*?\[]", path) and id not in configs:
            text = (
                f"{path} is the same for all jobs: put an input's value-key in it, or results share one name"
            )
            yield LintFinding("constant-output", WARNING, f"output-files {id}", text)


def outputs_outside(tool: Tool) -> Iterator[LintFinding]:
    """Paths that are not below the job's directory."""
    for id, path in templates(tool):
        if path.startswith("/") or os.path.normpath(path).split("/")[0] == "..":
            text = f"{path} is outside of the job's directory: every job will be refused"
            yield LintFinding("output-elsewhere", ERROR, f"output-files {id}", text)
        elif os.path.normpath(path) == ".":
            text = f"{path} is the job's directory itself: every job will be refused"
            yield LintFinding("output-elsewhere", ERROR, f"output-files {id}", text)


def stripped_extensions(tool: Tool) -> Iterator[LintFinding]:
    """Extensions that a shorter one before them spoils."""
    for one in tool.outputs:
        extensions = one.stripped_extensions
        for position, short in enumerate(extensions):
            spoilt = next((long for long in extensions[position + 1 :] if short in long), None)
            if spoilt and short:
                text = f"{short} is taken off before {spoilt}, which is then never found: longer ones first"
                yield LintFinding("stripped-extensions", WARNING, f"output-files {one.id}", text)


def circles(tool: Tool) -> Iterator[LintFinding]:
    """Find outputs whose path names itself, by way of others or at once."""
    import networkx as nx  # 0.1 s that only lint pays

    keys = Keys(tool)
    ids = {one.id for one in tool.outputs}
    graph: nx.DiGraph[str] = nx.DiGraph()
    for id, path in templates(tool):
        named = {owner.id for _, key in keys.split(path)[0] for owner in keys.owners[key]}
        graph.add_edges_from((id, other) for other in named & ids)
    for members in nx.strongly_connected_components(graph):
        first = min(members)
        if len(members) > 1 or graph.has_edge(first, first):
            text = f"the path names itself ({', '.join(sorted(members))}): the value-key stays in it as it is"
            yield LintFinding("output-circle", WARNING, f"output-files {first}", text)
