"""`cvmfs-deploy verify`: is what is published what was made?"""

from __future__ import annotations

from typing import Annotated

import typer

from cvmfs_deploy.cli import show
from cvmfs_deploy.cli.prune import find
from cvmfs_deploy.cli.session import session
from cvmfs_deploy.deploy import PublishDestination
from cvmfs_deploy.failures import SOME_FAILED, translated
from cvmfs_deploy.sources.registry import RegistrySource
from cvmfs_deploy.verify import VerifyFinding, compare_with_registry, verify_image, verify_links

_SHOWN = 10  # problems of an image


def command(
    images: Annotated[
        list[str] | None, typer.Argument(help="Only these names, references or digests.")
    ] = None,
    deep: Annotated[bool, typer.Option("--deep", help="Read every byte and compare its sha256.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the registries.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare published trees with their manifests, and names with the registries."""
    destination = session.destination(logged=False)
    with destination.shared():
        findings = _findings(destination, images or [], deep, offline)
    _report(findings, as_json)
    damaged = any(one.state == "damaged" for one in findings)
    raise typer.Exit(SOME_FAILED if damaged else 0)


def _findings(
    destination: PublishDestination, images: list[str], deep: bool, offline: bool
) -> list[VerifyFinding]:
    seen = destination.look()
    names = dict(seen.index.names)
    digests = list(seen.index.images)
    findings: list[VerifyFinding] = []
    if images:
        keys = {key for words in images for key in find(seen.index, words)}
        names = {key: names[key] for key in keys}
        digests = sorted({name.digest for name in names.values()})
    else:
        findings += verify_links(seen)
    findings += [verify_image(seen, digest, deep) for digest in digests]
    if not offline and names:
        with translated():
            registry = RegistrySource(destination.settings)
        for key, name in sorted(names.items()):
            if seen.index.images[name.digest].source == "registry":
                findings.append(compare_with_registry(key, name, registry))
    return findings


def _report(findings: list[VerifyFinding], as_json: bool) -> None:
    if as_json:
        show.json_document(findings)
        return
    rows = []
    for one in findings:
        more = len(one.problems) - _SHOWN
        words = [*one.problems[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]
        rows.append((one.state, one.what, show.short(one.digest), "; ".join(words)))
    show.table(("state", "what", "digest", "problems"), rows)
