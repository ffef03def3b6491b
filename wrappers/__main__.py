"""The wrapper's command line: `run` a file of manifests, `serve` a spool, `probe` what the node offers."""

import argparse
import json
import os
import sys
from typing import List, Optional

from wrappers import prctl, wire
from wrappers.containers import timed
from wrappers.dirac.job import job_of
from wrappers.node import batch
from wrappers.node.host import identify
from wrappers.node.stop import Stop
from wrappers.runtimes import choose

NOT_WRITTEN = 74  # a report could not be written: sysexits.h EX_IOERR
BAD_MANIFEST = 2  # the command line, the manifests or the node file cannot be read


def main(arguments: Optional[List[str]] = None) -> int:
    """Run one command; gives the exit code. 0 from `run` says that every report was written."""
    prctl.forbid_inspection()
    options = _parser().parse_args(arguments)
    try:
        code: int = options.command(options)
    except wire.WireError as error:
        return _complain(str(error), BAD_MANIFEST)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"{where}{error.strerror or error}", NOT_WRITTEN)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wrapper.pyz", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", dest="name")
    commands.required = True
    run = commands.add_parser("run", help="carry out manifests, one after the other")
    run.set_defaults(command=_run)
    run.add_argument("--manifests", required=True, metavar="FILE", help="one manifest (JSON) a line")
    run.add_argument("--node", metavar="FILE", help="how this node is set up (JSON)")
    run.add_argument("--into", default=".", metavar="DIR", help="where reports and logs are written")
    run.add_argument("--index", type=int, default=0, metavar="N", help="the first manifest to run, from 0")
    run.add_argument("--count", type=int, metavar="M", help="how many; without it, all that follow")
    run.add_argument(
        "--claims",
        default="",
        metavar="PATH",
        help="directory with ATTEMPT.claim files, or a JSON object; removed once read; default: --into",
    )
    serve = commands.add_parser("serve", help="take submissions from a spool directory")
    serve.set_defaults(command=_serve)
    serve.add_argument("spool", metavar="SPOOL")
    probe = commands.add_parser("probe", help="print what this node offers (JSON)")
    probe.set_defaults(command=_probe)
    probe.add_argument("--node", metavar="FILE", help="how this node is set up (JSON)")
    return parser


def _run(options: argparse.Namespace) -> int:
    stop = Stop()
    stop.install()
    node = _node(options.node)
    lines = batch.read(options.manifests)[max(0, options.index) :]
    if options.count is not None:
        lines = lines[: options.count]
    if not lines:
        raise wire.WireError(f"{options.manifests} has no manifest at --index {options.index}")
    os.makedirs(options.into, exist_ok=True)
    if any(_may_want_namespaces(line, node) for line in lines):
        choose.open_namespaces()
    grid = job_of(node, os.environ)
    try:
        batch.run(lines, node, options.into, identify(), stop, options.claims, grid)
    finally:
        if grid is not None:
            grid.close()
    return 0


def _may_want_namespaces(line: batch.ManifestLine, node: wire.Node) -> bool:
    if isinstance(line, batch.UnreadableLine) or line.image is None:
        return False
    return "userns" in (line.runtimes or node.runtimes)


def _serve(options: argparse.Namespace) -> int:
    from wrappers.serve.server import serve  # not for `run`: it would cost every job its import
    from wrappers.serve.spool import Spool

    try:
        os.setsid()
    except PermissionError:
        pass  # we lead a session already
    spool = Spool(options.spool)
    os.chdir("/")  # whoever started us may remove the directory we were started in
    return 0 if serve(spool, identify()) else _complain("another server serves this spool", 0)


def _probe(options: argparse.Namespace) -> int:
    from wrappers.node.probe import probe

    print(json.dumps(probe(_node(options.node)), indent=2, sort_keys=True))  # noqa: T201
    return 0


def _node(path: Optional[str]) -> wire.Node:
    if path is None:
        return wire.Node()
    with open(path, "rb") as text:
        node = wire.loads(wire.Node, text.read())
    timed.Limit.seconds = node.patience
    return node


def _complain(message: str, code: int) -> int:
    sys.stderr.write(f"wrapper: {message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
