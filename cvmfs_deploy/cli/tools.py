"""`cvmfs-deploy tools`: publish udocker's tools and the udocker package."""

from __future__ import annotations

from typing import Annotated

import typer

from cvmfs_deploy import log
from cvmfs_deploy.cli import show
from cvmfs_deploy.cli.session import session
from cvmfs_deploy.deploy import translated_os
from cvmfs_deploy.index import UdockerTools
from cvmfs_deploy.published import PublishTree
from cvmfs_deploy.toolset import make
from wrappers.containers.cvmfs import directory_name
from wrappers.containers.tree import remove


def command(
    tarball: Annotated[str, typer.Argument(help="udocker's tools tarball: a path or a URL.")],
    sha256: Annotated[str, typer.Option(help="Its sha256; a URL requires it.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Publish udocker's tools (proot) and the udocker package beside the images."""
    destination = session.destination()
    with destination.exclusively():
        staged = destination.publisher.staging / "tools"
        try:
            with translated_os(staged):
                made = make(tarball, sha256, staged)
            seen = destination.look()
            trees: tuple[PublishTree, ...] = ()
            if directory_name(made.digest) not in seen.tools:
                trees = (PublishTree(staged, destination.layout.tools_image(made.digest)),)
            document = UdockerTools(digest=made.digest, published=destination.now, udocker=made.udocker)
            known = seen.index.tools.get(made.digest, document)
            destination.publish(seen.index.with_tools(known), trees)
        finally:
            remove(staged)
    current = destination.publisher.top / destination.layout.tools / "current"
    log.info("tools published", digest=made.digest, udocker=made.udocker, programs=",".join(made.programs))
    if as_json:
        settings = {"tools": str(current), "udocker": str(current / "python")}
        show.json_document({"digest": made.digest, "programs": made.programs, "node": settings})
        return
    show.note(f"nodes find them with node.tools: {current} and node.udocker: {current / 'python'}")
