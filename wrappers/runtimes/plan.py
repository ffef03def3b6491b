"""What the world of one job will be: see `world`, which carries it out."""

import os
from pathlib import Path
from typing import Dict, List, Optional

from wrappers.runtimes import copies, gpu
from wrappers.runtimes.base import JobSpec
from wrappers.runtimes.image import TEMPORARY, ImageTree, can_be_home, environment, small_files, workdir
from wrappers.runtimes.world import Bind, World


def make_plan(job: JobSpec, tree: ImageTree, mode: str, driver: Optional[gpu.Gpu]) -> World:
    """Decide what goes where; makes the directories and files on the host's side.

    Raises:
        Unusable: no room for a private copy.
    """
    root_calls = os.geteuid() == 0
    private = job.private / "userns"
    for name in ("world", "upper", "work"):
        (private / name).mkdir(parents=True, exist_ok=True)
    root, warnings = tree.root, []
    if mode == "copy":
        root = private / "copy"
        if not root.exists():
            warnings = copies.warnings(copies.copy(tree, root))
    tmp = os.path.realpath(str(job.tmp))
    binds = [Bind(tmp, target) for target in TEMPORARY]
    directory = os.path.realpath(str(job.directory))
    binds.append(Bind(directory, str(job.directory)))
    if driver is not None:
        binds.extend(Bind(source, target, True) for source, target in driver.files.items())
    files = small_files(tree, job.manifest.network)
    home = environment(job, tree)["HOME"]
    if mode == "readonly":
        binds.extend(_as_binds(files, private / "files"))
        files = {}
    return World(
        tree=tree.look(lambda alive: os.path.realpath(str(root))),
        mode=mode,
        private=str(private),
        work=str(private / "work"),
        own=[directory] if root_calls else [str(private), tmp, directory],
        binds=binds,
        files=files,
        devices=driver.devices if driver else [],
        directories=[str(workdir(job))],
        home=home if mode != "readonly" and can_be_home(tree, home) else "",
        protect=root_calls,
        shared=[str(job.directory), *TEMPORARY] if _is_closed(job.directory.parent) else [],
        warnings=warnings,
        memory=job.manifest.limits.memory,
    )


def _is_closed(directory: Path) -> bool:
    """Say whether only the account can enter a directory."""
    return not os.stat(str(directory)).st_mode & 0o077


def _as_binds(files: Dict[str, bytes], directory: Path) -> List[Bind]:
    directory.mkdir(exist_ok=True)
    binds = []
    for path, text in files.items():
        source = directory / os.path.basename(path)
        source.write_bytes(text)
        binds.append(Bind(os.path.realpath(str(source)), path, True))
    return binds
