"""`cvmfs-deploy status` and `list`: how a repository stands."""

from __future__ import annotations

from typing import Annotated

import typer

from cvmfs_deploy.cli import show
from cvmfs_deploy.cli.session import session
from cvmfs_deploy.lock import holder
from engine.clock import iso
from engine.units import size_text

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def status(as_json: AsJson = False) -> None:
    """Say where images are published, in which state that is, and how much there is."""
    destination = session.destination(logged=False)
    seen = destination.look()
    index = seen.index.with_named_images(destination.clock.now())
    retired = [image for image in index.images.values() if image.retired is not None]
    facts = {
        "to": destination.publisher.name,
        "containers": str(destination.publisher.top / destination.layout.root),
        "state": destination.publisher.state(),
        "run": holder(destination.publisher.lock) or "none",
        "written": index.written,
        "tool": index.tool,
        "images": len(index.images),
        "names": len(index.names),
        "retired": len(retired),
        "expired": len(index.expired(destination.clock.now())),
        "bytes": sum(image.size for image in index.images.values()),
        "lists": sorted({list_name for name in index.names.values() for list_name in name.lists}),
        "tools": index.tools_current,
    }
    if as_json:
        show.json_document(facts)
        return
    shown = {**facts, "bytes": size_text(facts["bytes"]), "lists": ", ".join(facts["lists"])}  # type: ignore[arg-type]
    for key, value in shown.items():
        print(f"{key:<12}{value}")


def listing(
    retired: Annotated[bool, typer.Option("--retired", help="Also images that no name leads to.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the published images: name, digest, size, since when, and which lists want them."""
    destination = session.destination(logged=False)
    index = destination.look().index.with_named_images(destination.clock.now())
    if as_json:
        show.json_document(index)
        return
    rows = []
    for key, name in sorted(index.names.items()):
        image = index.images.get(name.digest)
        size = size_text(image.size) if image else "missing"
        held = "held" if name.held else ""
        rows.append((key, show.short(name.digest), size, name.since, ",".join(name.lists), held))
    if retired:
        for digest, image in index.images.items():
            if image.retired is not None:
                rows.append(
                    (
                        image.reference,
                        show.short(digest),
                        size_text(image.size),
                        iso(image.retired),
                        "",
                        "retired",
                    )
                )
    show.table(("name", "digest", "size", "since", "lists", "state"), rows)
