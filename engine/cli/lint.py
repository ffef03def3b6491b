"""`engine lint`: the traps of a descriptor, before a thousand jobs fall into them."""

from __future__ import annotations

import typer

from engine.cli import show
from engine.cli.session import DescriptorArgument, Json, NetworkOption, load_descriptor


def command(
    descriptor: DescriptorArgument,
    network: NetworkOption = False,
    json: Json = False,
) -> None:
    """Say what is wrong or risky in a descriptor. Exit code 2 when jobs would be refused."""
    from engine.planning import compile_tool
    from engine.planning.finding import ERROR
    from engine.planning.lint import lint

    loaded = load_descriptor(descriptor, network=network)
    found = lint(compile_tool(loaded), loaded.data)
    if json:
        for finding in found:
            show.json_line(finding._asdict())
    elif found:
        show.table(("level", "rule", "where", "what"), [(f.level, f.rule, f.where, f.message) for f in found])
    else:
        show.say(f"engine: {descriptor}: nothing found")
    if any(finding.level == ERROR for finding in found):
        raise typer.Exit(2)
