"""Jobs, by the clients of DIRAC's services. Nothing is read from the text of commands; jobs are known by
their names, never by their place in a list.
"""

import calendar
import glob
import os
import shutil
import time
from typing import Any, Callable, Dict, List, Sequence, Set

from wrappers.dirac_bridge.answers import CREDENTIAL, DEFECT, BridgeError, value

TIMEOUT_S = 60  # seconds for one call: DIRAC's own default is ten minutes
PAGE = 5000  # jobs of one question
FIELDS = ("Status", "MinorStatus", "ApplicationStatus", "Site", "JobGroup", "JobName")
OVER = ("Done", "Failed", "Killed", "Deleted")
MOST = 20  # jobs of one parametric description, where the installation says nothing


def _service(name: str) -> Any:
    """Make a client of a service: a new one each time, because they must not be shared between threads."""
    from DIRAC.Core.Base.Client import Client

    return Client(url=f"WorkloadManagement/{name}", timeout=TIMEOUT_S)


def whoami() -> Dict[str, Any]:
    """Return who the proxy says that we are, and for how many seconds. No service is asked."""
    from DIRAC.Core.Security.ProxyInfo import getProxyInfo

    info = value(getProxyInfo(disableVOMS=True), "proxy")
    return {
        "owner": info.get("username", ""),
        "group": info.get("group", ""),
        "vo": info.get("VO") or _community(info.get("group", "")),  # DIRAC 8 does not tell it
        "left": int(info.get("secondsLeft", 0)),
        "path": str(info.get("path", "")),
    }


def _community(group: str) -> str:
    from DIRAC.ConfigurationSystem.Client.Helpers.Registry import getVOForGroup

    return str(getVOForGroup(group) or "") if group else ""


def check() -> Dict[str, Any]:
    """As whom the service that takes jobs knows us, and what it takes at a time."""
    from DIRAC import gConfig
    from DIRAC.ConfigurationSystem.Client.PathFinder import getServiceSection

    there = value(_service("JobManager").whoami(), "JobManager")
    if not there.get("group") or there.get("username", "anonymous") == "anonymous":
        raise BridgeError(CREDENTIAL, "DIRAC does not know who we are")
    section = getServiceSection("WorkloadManagement/JobManager")
    most = gConfig.getValue(f"{section}/MaxParametricJobs", MOST) if section else MOST
    return {"owner": there["username"], "group": there["group"], "most": int(most)}


def upload_sandbox(directory: str) -> str:
    """Bring the files of a directory to the sandbox store; its name there, as job descriptions want it."""
    from DIRAC.WorkloadManagementSystem.Client.SandboxStoreClient import SandboxStoreClient

    names = sorted(glob.glob(os.path.join(glob.escape(directory), "*")))
    result = SandboxStoreClient(timeout=TIMEOUT_S).uploadFilesAsSandbox(names)
    left = result.pop("SandboxFileName", "")
    if not result["OK"] and left and os.path.exists(left):
        os.unlink(left)
    return str(value(result, "input sandbox", judged=True))


def submit(jdl: str) -> Dict[str, int]:
    """Submit a description, parametric or not: the numbers of its jobs by their names.

    What was submitted in bulk waits for a confirmation, which is given here.
    """
    result = _service("JobManager").submitJob(jdl)
    ids = value(result, "JobManager", judged=True)
    numbers = [int(one) for one in (ids if isinstance(ids, list) else [ids])]
    if isinstance(ids, list):
        _confirm(numbers)
    names = {row["JobName"]: int(number) for number, row in _summary(numbers).items()}
    if len(names) != len(numbers):
        raise BridgeError("unavailable", f"{len(numbers)} jobs were submitted, {len(names)} can be seen")
    return names


def find(group: str, names: List[str]) -> List[List[Any]]:
    """Names and numbers of jobs that were submitted earlier, oldest first; what nobody confirmed is."""
    there = _select({"JobGroup": group, "JobName": names})
    rows = _summary(there)
    waiting = [number for number, row in rows.items() if row["Status"] == "Submitting"]
    if waiting:
        _confirm(sorted(waiting))
    return [[rows[number]["JobName"], number] for number in sorted(rows)]


def changed(groups: List[str], since: float) -> Dict[str, Any]:
    """Jobs of groups that have changed since some time of the server's clock, and what it shows now."""
    now = _server_time()
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(since))
    return {"at": now, "numbers": _select({"JobGroup": groups}, moment)}


def active(groups: List[str], states: List[str]) -> List[int]:
    """Jobs of groups that are in some states."""
    return _select({"JobGroup": groups, "Status": states})


def of(numbers: List[int]) -> Dict[str, Any]:
    """Read these jobs, as far as they are there, and what the server's clock shows."""
    now = _server_time()
    rows = [
        {"JobID": number, **{name: str(row.get(name) or "") for name in FIELDS}}
        for number, row in _summary(numbers).items()
    ]
    return {"at": now, "rows": rows}


def kill(numbers: List[int]) -> None:
    """Ask for the end of jobs. Those that have ended, or are not there, are left out by the server."""
    _done(_service("JobManager").killJob(numbers), "killing", OVER)


def delete(numbers: List[int]) -> None:
    """Have jobs deleted; those that could still run are killed, which is what must come first."""
    for _ in range(2):
        done = _done(_service("JobManager").deleteJob(numbers), "deleting", OVER)
        numbers = sorted(set(numbers) - done)
        if not numbers:
            return


def history(number: int) -> List[List[str]]:
    """Return DIRAC's history of a job: status, minor status, application status, time (UTC), who says so."""
    result = value(_service("JobMonitoring").getJobLoggingInfo(number), "logging info")
    return [[str(part) for part in line] for line in result or []]


def fetch_output(number: int, into: str) -> List[str]:
    """Bring the output sandboxes of a job, packed as they are; paths. None while it has brought none."""
    from DIRAC.WorkloadManagementSystem.Client.SandboxStoreClient import SandboxStoreClient

    sandboxes = value(
        _service("SandboxStore").getSandboxesAssignedToEntity(f"Job:{number}"), "output sandbox"
    )
    brought: List[str] = []
    for sandbox in (sandboxes or {}).get("Output", []):
        # never unpacked by DIRAC: it would follow names that lead elsewhere
        result = SandboxStoreClient(timeout=TIMEOUT_S).downloadSandbox(sandbox, into, unpack=False)
        packed = str(value(result, "output sandbox"))
        target = os.path.join(into, f"{len(brought)}.sandbox")
        shutil.move(packed, target)
        shutil.rmtree(os.path.dirname(packed), ignore_errors=True)  # noqa: TID251 - an empty one of DIRAC's
        brought.append(target)
    return brought


def _done(result: Dict[str, Any], doing: str, fine: Sequence[str]) -> Set[int]:
    """List the jobs with which that was done. DIRAC fails with those that were killed already; that is
    fine.
    """
    if result["OK"]:
        return {int(one) for one in value(result, doing) or []}
    if result.get("NonauthorizedJobIDs"):
        raise BridgeError(CREDENTIAL, f"{doing}: these are jobs of others: {result['NonauthorizedJobIDs']}")
    failed = [int(one) for one in result.get("FailedJobIDs") or []]
    if not failed or any(row["Status"] not in fine for row in _summary(failed).values()):
        value(result, doing)
    return set()


def _confirm(numbers: List[int]) -> None:
    """Have jobs go on that were submitted in bulk; confirming twice is fine."""
    for left in (2, 1, 0):
        result = _service("JobManager").confirmBulkSubmission(numbers)
        if result["OK"] or not left:
            value(result, "confirmation")
            return
        time.sleep(1.0)


def _select(conditions: Dict[str, Any], newer: str = "") -> List[int]:
    found = value(_service("JobMonitoring").getJobs(conditions, *([newer] if newer else [])), "JobMonitoring")
    return sorted(int(one) for one in found or [])


def _summary(numbers: List[int]) -> Dict[int, Dict[str, Any]]:
    """Read what is known of jobs, by number; those that are not there are left out."""
    found: Dict[int, Dict[str, Any]] = {}
    for start in range(0, len(numbers), PAGE):
        asked = numbers[start : start + PAGE]
        summary = value(_service("JobMonitoring").getJobsSummary(asked), "JobMonitoring") if asked else {}
        if not isinstance(summary, dict):
            raise BridgeError(DEFECT, f"JobMonitoring answered {summary!r:.100}")
        found.update({int(number): row for number, row in summary.items()})
    return found


def _server_time() -> float:
    """Read what the server's clock shows; seconds since 1970-01-01 UTC."""
    server_time = value(_service("JobMonitoring").ping(), "JobMonitoring")["time"]
    text = str(server_time).replace("T", " ").split(".")[0]
    return float(calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M:%S")))


VERBS: Dict[str, Callable[..., Any]] = {
    "whoami": whoami,
    "check": check,
    "upload_sandbox": upload_sandbox,
    "submit": submit,
    "find": find,
    "changed": changed,
    "active": active,
    "of": of,
    "kill": kill,
    "delete": delete,
    "history": history,
    "fetch_output": fetch_output,
}
