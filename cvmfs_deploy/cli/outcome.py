"""The end of a command that publishes: what was done, what was not, and the exit code."""

from __future__ import annotations

import typer

from cvmfs_deploy.cli import show
from cvmfs_deploy.cli.progress import bar
from cvmfs_deploy.cli.session import session
from cvmfs_deploy.deploy import DeployOutcome, PublishDestination, carry_out
from cvmfs_deploy.failures import exit_code
from cvmfs_deploy.plan import DeployPlan
from cvmfs_deploy.published import PublishedRepository
from engine.units import size_text


def do(destination: PublishDestination, plan: DeployPlan, as_json: bool) -> None:
    """Carry out a plan, tell of it, and end with the exit code. The caller holds the destination."""
    before = _meanings(destination)
    with bar(sum(layer.size for layer in plan.layers().values()), session.quiet) as progress:
        outcome = carry_out(destination, plan, progress)
    moved = {key for key, digest in _meanings(destination).items() if before.get(key) != digest}
    _report(destination, plan, outcome, sorted(moved), as_json)


def _meanings(destination: PublishDestination) -> dict[str, str]:
    return {key: name.digest for key, name in destination.look().index.names.items()}


def _report(
    destination: PublishDestination, plan: DeployPlan, outcome: DeployOutcome, moved: list[str], as_json: bool
) -> None:
    names = [key for key in plan.names or {} if _published(destination.look(), key, plan)]
    code = exit_code(outcome.failures, len(names))
    if as_json:
        show.json_document(
            {
                "published": outcome.published,
                "names": sorted(names),
                "moved": moved,
                "retired": list(plan.retire),
                "held": list(plan.held),
                "failures": [_failure(one.what, one.error) for one in outcome.failures],
                "received": outcome.received,
                "publications": len(outcome.changes),
            }
        )
    else:
        _print_summary(destination, plan, outcome, len(names), len(moved))
    raise typer.Exit(code)


def _print_summary(
    destination: PublishDestination, plan: DeployPlan, outcome: DeployOutcome, names: int, moved: int
) -> None:
    for failure in outcome.failures:
        show.say(f"cvmfs-deploy: {failure.error}")
    for key in plan.held:
        show.say(f"cvmfs-deploy: {key} was rolled back and stays; cvmfs-deploy add lets it follow again")
    if not outcome.changes and not outcome.failures:
        show.note(
            f"nothing to do: {show.counted(names, 'name is as it', 'names are as they')} should be "
            f"in {destination.publisher.name}"
        )
        return
    show.note(
        f"{show.counted(len(outcome.published), 'image')} published, "
        f"{show.counted(moved, 'name')} new or moved, "
        f"{len(plan.retire)} retired, {show.counted(len(outcome.failures), 'failure')}, "
        f"{size_text(outcome.received)} fetched"
    )
    if outcome.published:
        show.note(f"nodes find them with node.cvmfs: [{destination.publisher.top / destination.layout.root}]")


def _published(seen: PublishedRepository, key: str, plan: DeployPlan) -> bool:
    name = (plan.names or {})[key]
    there = seen.index.names.get(key)
    return there is not None and there.digest == name.digest


def _failure(what: str, error: Exception) -> dict[str, object]:
    return {"image": what, "reason": str(error), "exit_code": getattr(error, "exit_code", 70)}
