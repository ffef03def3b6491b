"""One attempt from its manifest to its report: probe, inputs, image, run, outputs, deliver."""

import errno
import os
import re
import signal
import time
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional

from wrappers import causes, wire
from wrappers.node import diagnosis, files, process, reports
from wrappers.node.deliver import deliver
from wrappers.node.earlier_results import remove_unchanged
from wrappers.node.failure import AttemptFailed, CancelRequested, CarriedOut, from_os
from wrappers.node.host import HostIdentity
from wrappers.node.inputs import stage
from wrappers.node.names import safe_attempt
from wrappers.node.outputs import find, staged
from wrappers.node.profile import REPORTED
from wrappers.node.room import room_of
from wrappers.node.stop import Stop
from wrappers.node.workdir import SCRIPT, WorkDir, make, write_files
from wrappers.runtimes.base import ImageError, JobSpec, ToolStart, Unusable
from wrappers.runtimes.choose import prepare
from wrappers.runtimes.start import cause_in

_OF_IMAGES = ("image-start", "image-platform")
_NOT_EXECUTED = (126, 127)
"""What a shell ends with when it cannot execute a program."""
_UNREADABLE = re.compile(
    "|".join(os.strerror(number) for number in (errno.EIO, errno.ENOTCONN, errno.ESTALE, errno.ETIMEDOUT))
    + "|Bus error|cannot open shared object|error while loading"
)
"""What tools say when a file system fails them."""


def silent(phase: str) -> None:
    """Nobody hears of phases."""


def run_attempt(
    manifest: wire.Manifest,
    node: wire.Node,
    into: Path,
    who: HostIdentity,
    stop: Stop,
    claim: str = "",
    hears: Callable[[str], None] = silent,
) -> wire.Report:
    """Carry out one attempt. Whatever happens, `<attempt>.report.json` is written into `into`.

    `claim` is what the manifest's exchange wants; `hears` is told of each phase, and "" after the last.

    The tool's own output goes to `<attempt>.out` and `<attempt>.err`. The calling process must have no
    other children (`wrappers.node.process`).

    Raises:
        ValueError: the attempt's id cannot be a file name, so nothing can be written.
        OSError: the report could not be written.
    """
    if not safe_attempt(manifest.attempt):
        raise ValueError(f"the attempt id {manifest.attempt!r} cannot name a file")
    try:
        return _Attempt(manifest, node, str(into), who, stop, claim, hears).carry_out()
    except CarriedOut as earlier:
        reports.write(earlier.report, str(into))
        return earlier.report


class _Attempt:
    """The known facts of an attempt while it is carried out."""

    def __init__(
        self,
        manifest: wire.Manifest,
        node: wire.Node,
        into: str,
        who: HostIdentity,
        stop: Stop,
        claim: str,
        hears: Callable[[str], None],
    ) -> None:
        self._manifest = manifest
        self._node = node
        self._into = into
        self._who = who
        self._stop = stop
        self._claim = claim
        self._hears = hears
        self._known: Dict[str, Any] = {"started": time.time()}
        self._phases: List[wire.Phase] = []
        self._workdir: Optional[WorkDir] = None
        self._launch: Optional[ToolStart] = None
        self._keep = False

    def carry_out(self) -> wire.Report:
        failure: Optional[AttemptFailed] = None
        try:
            with self._stop.armed():
                self._all_phases()
        except AttemptFailed as error:
            failure = error
        except CancelRequested:
            failure = AttemptFailed(wire.CANCELLED, "cancelled")
        except CarriedOut:
            self._clean_up()
            raise
        except Exception as error:
            failure = from_os(error, wire.NODE, "working") if causes.of_limit(error) else _defect(error)
            self._debug()
        self._clean_up()
        report = self._report(failure)
        if self._node.sandbox is not None:
            reports.shorten_logs(self._manifest.attempt, self._into, self._node.sandbox)
        reports.write(report, self._into)
        if self._node.second_report and not self._stop.requested:
            from wrappers.node.second_report import send  # only grids want it

            send(self._manifest, self._node, self._into, self._claim)
        self._hears("")
        return report

    def _all_phases(self) -> None:
        with self._phase("probe"):
            workdir = self._workdir = make(self._manifest, self._node.scratch or self._into)
            self._check_earlier()
        with self._phase("inputs"):
            brought = stage(self._manifest, workdir.job, self._node, self._claim, self._into)
            self._known["inputs"] = brought.staged
            write_files(workdir, self._manifest)
        with self._phase("image"):
            launch = self._launch = self._prepare(workdir)
            self._known["runtime"] = launch.used
        with self._phase("run"):
            before = staged(self._manifest.outputs, workdir.job, brought.sums, SCRIPT)
            self._run(launch, workdir)
        with self._phase("outputs"):
            files.give_access(workdir.job)
            for name in (SCRIPT, SCRIPT + REPORTED):
                files.remove_any(os.path.join(workdir.job, name))
            if brought.earlier is not None:
                remove_unchanged(brought.earlier)
            found, missing = find(self._manifest.outputs, workdir.job, before)
            if missing:
                self._known["missing"] = [one.id for one in missing]
                raise AttemptFailed(
                    "no-output", f"the tool did not write its output {', '.join(map(str, missing))}"
                )
        with self._phase("deliver"):
            self._check_earlier()
            self._keep = True
            try:
                done = deliver(found, workdir.job, self._delivered_to(), self._node, self._into, self._claim)
            except AttemptFailed as failure:
                self._keep = failure.kind != wire.TOOL  # no destination would ever take it
                raise
            self._keep = False
            self._known["products"] = done.products
            if done.left_out:
                more = f"; and {len(done.left_out) - 5} more" if len(done.left_out) > 5 else ""
                self._known["message"] = f"not delivered: {'; '.join(done.left_out[:5])}{more}"

    def _delivered_to(self) -> wire.Manifest:
        """Make the manifest with destinations of this run alone where a back-end may start a job twice: of
        two runs that deliver at the same time, each report is about its own files.
        """
        if not self._node.second_report:
            return self._manifest
        from wrappers.node.second_report import apart  # only grids want it

        self._known["run"] = os.urandom(8).hex()
        return apart(self._manifest, self._known["run"])

    def _check_earlier(self) -> None:
        """See that this manifest was not carried out before, where a back-end may start a job twice.

        Raises:
            CarriedOut: they were.
        """
        if self._node.second_report:
            from wrappers.node.second_report import check  # only grids want it

            check(self._manifest, self._node, self._into, self._claim)

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        start, clock = time.time(), time.monotonic()
        self._hears(name)
        try:
            yield
        finally:
            self._phases.append(wire.Phase(name, start, round(time.monotonic() - clock, 6)))

    def _prepare(self, workdir: WorkDir) -> ToolStart:
        job = JobSpec(
            self._manifest,
            Path(workdir.job),
            Path(workdir.tmp),
            Path(workdir.top),
            Path(workdir.job, SCRIPT),
        )
        try:
            return prepare(job, self._node)
        except (Unusable, ImageError) as error:
            raise AttemptFailed(error.cause, str(error)) from None
        except Exception as error:
            if causes.of_limit(error):
                raise from_os(error, wire.NODE, "getting the image ready") from None
            raise

    def _run(self, launch: ToolStart, workdir: WorkDir) -> None:
        name = os.path.join(self._into, self._manifest.attempt)
        try:
            logs = [name + ".out", name + ".err"]
            room = room_of(self._manifest, self._node, workdir.top, logs)
            ended = process.run(launch, logs[0], logs[1], self._manifest.limits, self._stop, room)
        except OSError as error:
            raise from_os(error, wire.NODE, "starting the tool") from None
        began = ended.exit_code is not None and (launch.started is None or launch.started())
        self._known["cpu_seconds"] = round(ended.cpu_seconds, 3)
        self._known["peak_memory"] = ended.peak_memory
        if began:
            self._known.update(exit_code=ended.exit_code, signal=ended.signal)
        if ended.stopped == "mount" and launch.distrust is not None:
            launch.distrust(ended.why)
        if ended.stopped:
            raise AttemptFailed(ended.stopped, ended.why)
        if not began:
            self._check_tree(launch, ended, "could not be started")
            why = ended.why or _last_line(name + ".err") or f"it ended with {ended.exit_code}"
            said = f"{launch.used.name} could not start the tool: "  # a runtime may say so itself
            cause = ended.cause or cause_in(why) or "runtime-failed"
            if cause in _OF_IMAGES and self._manifest.image is None:
                cause = "runtime-failed"  # the shell is this machine's own
            raise AttemptFailed(cause, why if why.startswith(said) else said + why)
        if ended.exit_code != 0:
            raise self._tool_failure(ended, workdir)

    def _tool_failure(self, ended: process.ToolExit, workdir: WorkDir) -> AttemptFailed:
        cause = diagnosis.of_tool(ended.exit_code or 0, ended.cpu_seconds, [workdir.job, self._into])
        if cause:
            reports.cut_logs(self._manifest.attempt, self._into)
            full = cause == "no-space"
            what = "no space left on the disk" if full else causes.CAUSES[cause].words
            return AttemptFailed(cause, f"{what} while the tool was running")
        how = (
            f"was ended by signal {ended.signal}"
            if ended.signal
            else f"ended with exit code {ended.exit_code}"
        )
        if self._launch is not None:
            self._check_tree(self._launch, ended, how)
        return AttemptFailed(wire.TOOL, f"the tool {how}; its outputs were not delivered")

    def _check_tree(self, launch: ToolStart, ended: process.ToolExit, how: str) -> None:
        """After a failure of the tool: see that its image could be read, where that is not the node's own.

        Raises:
            Failure: it could not, and the tool is not to blame.
        """
        said = " ".join(
            _tail(os.path.join(self._into, self._manifest.attempt + end)) for end in (".err", ".out")
        )
        signs = ended.signal == signal.SIGBUS or ended.exit_code in _NOT_EXECUTED
        found = (
            launch.damage(signs or bool(_UNREADABLE.search(f"{said} {ended.why}"))) if launch.damage else ""
        )
        if found:
            raise AttemptFailed("mount", f"the tool {how}, and its image cannot be read: {found}")

    def _clean_up(self) -> None:
        try:
            if self._launch is not None and self._launch.cleanup is not None:
                self._launch.cleanup()
        except Exception:
            self._debug()
        if self._workdir is None:
            return
        spare = ""
        if self._keep:
            spare = self._known["kept"] = self._workdir.job
        try:
            files.remove(self._workdir.top, spare)
        except OSError:
            self._debug()  # what stays behind must not turn a good result into a failure

    def _report(self, failure: Optional[AttemptFailed]) -> wire.Report:
        if failure is not None:
            self._known["failure"] = failure.kind
            self._known["cause"] = failure.cause
            self._known["message"] = reports.one_line(str(failure))
            self._known["tried"] = failure.tried
        return wire.Report(
            attempt=self._manifest.attempt,
            manifest_sha256=reports.manifest_sha256(self._manifest),
            outcome=wire.SUCCEEDED if failure is None else wire.FAILED,
            phases=self._phases,
            ended=time.time(),
            host=reports.host(self._who, self._node),
            wrapper_sha256=self._who.wrapper_sha256,
            **self._known,
        )

    def _debug(self) -> None:
        """Keep the traceback of the exception at hand, for us and not for users."""
        try:
            path = os.path.join(self._into, self._manifest.attempt + ".debug")
            with open(path, "a", encoding="utf-8", errors="replace") as debug:
                debug.write(traceback.format_exc())
        except OSError:
            pass  # the disk is full or gone: the report's message has to do


def _defect(error: Exception) -> AttemptFailed:
    return AttemptFailed(wire.ENGINE, f"in the wrapper: {type(error).__name__}: {error}")


def _tail(path: str) -> str:
    try:
        with open(path, "rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - 2000))
            return log.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _last_line(path: str) -> str:
    lines = _tail(path).split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
