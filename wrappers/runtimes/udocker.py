"""udocker's own way: its real package, in execution mode P1 (proot), on a container directory of its format.

What udocker does wrong in batch is gone around: no set-up step that goes to the network, exact exit codes and
signals, the tool's output apart from udocker's and proot's words, nothing of the host's environment.
"""

import os
import re
import signal
import threading
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Tuple

from wrappers import wire
from wrappers.containers.errors import ContainerError
from wrappers.containers.tree import inside, remove
from wrappers.runtimes import copies, gpu, proot, udocker_engine
from wrappers.runtimes.base import ImageError, JobSpec, ToolStart, Unusable
from wrappers.runtimes.image import (
    TEMPORARY,
    ImageTree,
    JobImage,
    can_be_home,
    command,
    environment,
    is_bourne,
    small_files,
    used,
    workdir,
)
from wrappers.runtimes.probe import once
from wrappers.runtimes.relay import end_like, ignore_signals, kill_group, on_death_of_parent
from wrappers.runtimes.shield import shield
from wrappers.runtimes.start import no_execution

_CONTAINER = "c"
_TOOL_ENDED = signal.SIGRTMIN + 1
_STARTED = re.compile(r"^the tool is process (\d+)$", re.MULTILINE)
# Inside: tell that we got here, put the tool's own stderr in place (it comes in as descriptor 0, since
# descriptor 2 is our log), and become the tool.
_PRELUDE = (
    "{ echo 500 > /proc/self/oom_score_adj; } 2>/dev/null; "  # as `execute.offer_to_oom_killer`
    'echo "the tool is process $$" >&2; exec 2>&0 </dev/null; unset PROOT_TMP_DIR; exec "$@"'
)


class _Plan(NamedTuple):
    containers: Path
    log: Path
    scratch: Path
    writable: List[Path]
    engine: udocker_engine.UdockerOptions


def prepare(job: JobSpec, node: wire.Node, image: JobImage) -> ToolStart:
    """Get ready to run the job with udocker in mode P1.

    Raises:
        Unusable: udocker or proot is missing or does not work here.
        ImageError: the image cannot be had, or cannot run the job.
    """
    version = udocker_engine.load(node.udocker)
    _check_root(job)
    program = proot.find(node, job.private)
    for path in (job.directory, job.tmp):
        if ":" in str(path):
            raise Unusable(f"proot takes no directory with a colon in its name: {path}")
    tree = image.tree()
    driver = gpu.find() if job.manifest.gpu else None
    root, mode, warnings = _root(job, tree)
    surroundings = environment(job, tree, writable_root=mode != "P1 readonly")
    if driver is not None:
        surroundings.update(driver.environment(surroundings))
    plan = _plan(job, tree, root, program, surroundings, driver)
    runtime = used(job, tree, "udocker", mode)
    runtime.warnings.extend(warnings)
    return ToolStart(
        argv=[],  # `enter` does not return
        environment=surroundings,
        cwd=workdir(job),
        used=runtime._replace(version=version),
        enter=lambda: _run(plan),
        started=lambda: _STARTED.search(_read(plan.log)) is not None,
        cleanup=lambda: remove(plan.containers),
    )


def _check_root(job: JobSpec) -> None:
    """As root, a tool under proot is root of the host too: only where the host can be shielded from it."""
    if os.geteuid() == 0:
        reason = once(("shield", os.stat(str(job.private)).st_dev), lambda: shield([job.private]))
        if reason:
            raise Unusable(
                f"proot does not hold back a tool that root runs, and this is not possible: {reason}"
            )


def _root(job: JobSpec, tree: ImageTree) -> Tuple[Path, str, List[str]]:
    """Choose the root that the tool may write to: the tree itself only where nobody can; and warnings."""
    read_only = bool(tree.look(lambda alive: os.statvfs(str(tree.root)).f_flag) & os.ST_RDONLY)
    if job.manifest.root == "readonly" and read_only and not tree.look(lambda alive: no_execution(tree.root)):
        return tree.root, "P1 readonly", []
    copy = job.private / "udocker" / "copy"
    copy.parent.mkdir(exist_ok=True)
    warnings = [] if copy.exists() else copies.warnings(copies.copy(tree, copy))
    home = environment(job, tree)["HOME"]
    wanted = [str(workdir(job)), str(job.directory), *TEMPORARY, *([home] if can_be_home(tree, home) else [])]
    for path in wanted:  # also where links of the image lead to what is not there
        _make(copy, path)
    for path in small_files(tree, wire.NETWORK_MACHINE):  # proot would look for what a link leads to
        target = inside(copy, os.path.dirname(path)) / os.path.basename(path)
        if target.is_symlink():
            target.unlink()
    return copy, "P1 copy", warnings


def _make(root: Path, path: str) -> None:
    try:
        inside(root, path).mkdir(parents=True, exist_ok=True)
    except (ContainerError, OSError) as error:
        raise ImageError(f"{path} can be no directory in the image: {error}", "image-start") from None


def _plan(
    job: JobSpec,
    tree: ImageTree,
    root: Path,
    program: str,
    surroundings: Dict[str, str],
    driver: Optional[gpu.Gpu],
) -> _Plan:
    top = job.private / "udocker"
    container = top / "containers" / _CONTAINER
    container.mkdir(parents=True, exist_ok=True)
    for name, target in (("ROOT", root), ("container.json", tree.container / "container.json")):
        _link(target, container / name)
    scratch = top / "proot"
    scratch.mkdir(exist_ok=True)
    return _Plan(
        containers=top,
        log=job.private / "udocker.log",
        scratch=scratch,
        # proot before 5.1.107 keeps its loader in the host's /tmp, whatever PROOT_TMP_DIR says
        writable=[Path(TEMPORARY[0]), job.directory, job.tmp, job.private],
        engine=udocker_engine.UdockerOptions(
            top=str(top),
            container=_CONTAINER,
            proot=program,
            proot_options=proot.VERBOSE,
            volumes=_volumes(job, tree, top, driver),
            environment=surroundings,
            cwd=str(workdir(job)),
            argv=[_shell(job, tree), "-c", _PRELUDE, "sh", *command(job, tree, surroundings)],
        ),
    )


def _shell(job: JobSpec, tree: ImageTree) -> str:
    """Choose what runs the prelude: the job's own shell, if it is one that can."""
    shell = job.manifest.shell
    if is_bourne(shell):
        return shell
    if not tree.look(lambda alive: inside(tree.root, "/bin/sh").is_file()):
        raise Unusable(f"udocker begins with /bin/sh, which the image lacks, where the shell is {shell}")
    return "/bin/sh"


def _volumes(job: JobSpec, tree: ImageTree, top: Path, driver: Optional[gpu.Gpu]) -> List[str]:
    # the job's directory first: udocker takes the first volume that fits, and it may lie below /tmp
    volumes = [f"{job.directory}:{job.directory}"]
    volumes += [f"{job.tmp}:{target}" for target in TEMPORARY]
    volumes += [f"{path}:{path}" for path in ("/dev", "/proc", "/sys")]
    for path, text in small_files(tree, wire.NETWORK_MACHINE).items():
        own = top / os.path.basename(path)
        own.write_bytes(text)
        volumes.append(f"{own}:{path}")
    if driver is not None:
        volumes += [f"{source}:{target}" for source, target in driver.files.items()]
    return [volume for volume in volumes if os.path.exists(volume.partition(":")[0])]


def _run(plan: _Plan) -> None:
    """In the child: run udocker until the tool ends, and end like it. udocker and proot would wait for what
    the tool has left in the background; whoever runs us ends that.
    """
    on_death_of_parent(kill_group)
    ignore_signals()
    stderr = os.dup(2)
    listener = _Listener(plan.log)
    signal.signal(_TOOL_ENDED, lambda *_: listener.end and end_like(listener.end.signal, listener.end.code))
    os.dup2(stderr, 0)
    os.dup2(listener.pipe, 2)
    if os.geteuid() == 0:
        shield(plan.writable)
    listener.begin()
    os.environ.clear()
    os.environ["PROOT_TMP_DIR"] = str(plan.scratch)
    status = udocker_engine.run(plan.engine)
    os.dup2(stderr, 2)
    listener.finish()
    if not listener.tool:
        os.write(stderr, f"udocker could not start the tool: {_last_line(_read(plan.log))}\n".encode())
        os._exit(125)
    end = listener.end or proot.ProotExit(listener.tool, status, None)
    end_like(end.signal, end.code)


class _Listener:
    """A reader of what udocker, proot and the prelude say, and of how processes other than the tool ended."""

    def __init__(self, log: Path) -> None:
        self.tool = ""  # its process id
        self.end: Optional[proot.ProotExit] = None
        read, self.pipe = os.pipe()
        self._log = log.open("w", encoding="utf-8")
        self._thread = threading.Thread(target=self._listen, args=(read,), daemon=True)

    def begin(self) -> None:
        """Begin to listen: not before the process has entered its namespaces, which threads forbid."""
        self._thread.start()

    def finish(self) -> None:
        """Close the pipe and hear it to its end."""
        os.close(self.pipe)
        self._thread.join()

    def _listen(self, read: int) -> None:
        with os.fdopen(read, encoding="utf-8", errors="replace") as lines, self._log:
            for line in lines:
                end = proot.end_in(line)
                if end is None:
                    started = _STARTED.search(line)
                    self.tool = started.group(1) if started else self.tool
                elif self.tool and end.pid in (self.tool, "1"):
                    self.end = end
                    os.kill(os.getpid(), _TOOL_ENDED)
                else:
                    continue
                self._log.write(line)
                self._log.flush()


def _link(target: Path, link: Path) -> None:
    if not link.is_symlink():
        link.symlink_to(target)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it says nothing"
