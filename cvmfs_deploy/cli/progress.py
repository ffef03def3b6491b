"""A bar of the bytes that are fetched, on a terminal; silence elsewhere, where the log says what is done."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from cvmfs_deploy.layers import Progress


@contextmanager
def bar(total: int, quiet: bool) -> Iterator[Progress]:
    """Show a progress bar; yield what is called with the bytes of every piece that comes."""
    if quiet or not total or not sys.stderr.isatty():
        yield lambda more: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.progress import TransferSpeedColumn as Speed

    columns = (TextColumn("layers"), BarColumn(), DownloadColumn(), Speed(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("layers", total=total)
        yield lambda more: progress.update(task, advance=more)
