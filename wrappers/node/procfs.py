"""What /proc tells of processes: who they are, whose children, how much memory."""

import os
from typing import Collection, Dict, Iterable, List, Optional

PAGE = os.sysconf("SC_PAGE_SIZE")
_HAS_CHILDREN = os.path.exists(f"/proc/self/task/{os.getpid()}/children")


def boot_id() -> str:
    """Names this start of the machine: process ids of an earlier one mean nothing."""
    return _read("/proc/sys/kernel/random/boot_id").strip()


def start_time(pid: int) -> Optional[int]:
    """Clock ticks from boot to the start of the process; None when it is gone or a zombie.

    With the process id it names a process for ever (until the machine restarts).
    """
    fields = _stat(pid)
    return int(fields[19]) if fields and fields[0] not in ("Z", "X") else None


def pid_namespace(pid: int) -> str:
    """Name the PID namespace of a process; "" when it cannot be seen, or the process has ended."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""


def children(pid: int) -> List[int]:
    """List the direct children of a process, zombies among them."""
    if not _HAS_CHILDREN:
        return _families().get(pid, [])
    return _children(pid)


def descendants(pid: int, without: Collection[int] = ()) -> List[int]:
    """All processes below `pid`, parents first, itself not among them; nor these, and what is below them."""
    found: List[int] = []
    families = None if _HAS_CHILDREN else _families()
    todo = [pid]
    while todo:
        parent = todo.pop()
        born = _children(parent) if families is None else families.get(parent, [])
        born = [child for child in born if child not in without]
        found.extend(born)
        todo.extend(born)
    return found


def at_home(directory: str) -> List[int]:
    """List processes that were started with a HOME in this directory, wherever they have gone since."""
    mark = f"HOME={directory}/"
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [p for p in pids if any(v.startswith(mark) for v in _read(f"/proc/{p}/environ").split("\0"))]


def resident(pids: Iterable[int]) -> int:
    """Bytes of resident memory; what several processes share is counted for each."""
    total = 0
    for pid in pids:
        fields = _read(f"/proc/{pid}/statm").split()
        total += int(fields[1]) * PAGE if len(fields) > 1 else 0
    return total


def processor_time(pids: Iterable[int]) -> float:
    """Seconds of processor time that these processes have had, with those of their children that ended."""
    ticks = 0
    for pid in pids:
        fields = _stat(pid)
        ticks += sum(map(int, fields[11:15])) if fields else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def proportional(pids: Iterable[int]) -> int:
    """Bytes of resident memory, what is shared divided among those who share it.

    Costs the kernel a walk over all pages. Where it may not be read, the resident size is taken.
    """
    total = 0
    for pid in pids:
        text = _read(f"/proc/{pid}/smaps_rollup") or _read(f"/proc/{pid}/smaps")
        sizes = [line.split()[1] for line in text.splitlines() if line.startswith("Pss:")]
        total += sum(map(int, sizes)) * 1024 if sizes else resident([pid])
    return total


def _children(pid: int) -> List[int]:
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    return [int(child) for one in threads for child in _read(f"/proc/{pid}/task/{one}/children").split()]


def _families() -> Dict[int, List[int]]:
    """Parent -> children, from a walk over all processes: for kernels without `children` files."""
    families: Dict[int, List[int]] = {}
    for name in os.listdir("/proc"):
        fields = _stat(int(name)) if name.isdigit() else []
        if fields:
            families.setdefault(int(fields[1]), []).append(int(name))
    return families


def _stat(pid: int) -> List[str]:
    """Read the fields of /proc/<pid>/stat from the third on: the second may hold spaces and brackets."""
    text = _read(f"/proc/{pid}/stat")
    return text[text.rindex(")") + 1 :].split() if ")" in text else []


def _read(path: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    parts = []
    try:
        while True:
            part = os.read(descriptor, 65536)
            if not part:
                break
            parts.append(part)
    except OSError:  # the process went away while we read
        return ""
    finally:
        os.close(descriptor)
    return b"".join(parts).decode("utf-8", "replace")
