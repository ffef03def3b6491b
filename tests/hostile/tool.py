"""What a hostile tool does: each attack gives what it got hold of, or nothing. Runs alone, inside of a job.

Its one argument is a file with what it could have guessed (JSON): files, processes, addresses. It prints
{attack: what it got hold of}. What would do damage is only begun: files are opened for writing, not written.
"""

import ctypes
import json
import os
import resource
import socket
import stat
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
ATTACKS = {}
KINDS = ("engine", "tools")
STAYS = "stay after the job, or hold it up"
OPENAT2, PIDFD_OPEN, PIDFD_GETFD, PROCESS_VM_READV = 437, 434, 438, {"x86_64": 310, "aarch64": 270}
NEW_USER, NEW_MOUNTS = 0x10000000, 0x00020000
PTRACE_SEIZE, PTRACE_DETACH = 0x4206, 17


def attack(words):
    """Register an attack under the words of its row."""

    def add(function):
        ATTACKS[words] = function
        return function

    return add


def called(function, *arguments):
    """Call the C library; gives the answer, or None for an error."""
    answer = function(*arguments)
    return None if answer == -1 else answer


def first(attempts):
    """Give the first thing that could be got hold of."""
    for attempt in attempts:
        try:
            got = attempt()
        except (OSError, ValueError, AttributeError):
            continue
        if got:
            return got
    return ""


# --- files


def files_in(path):
    """List a directory's files, or the file itself; what is of the tool's own job is left out."""
    if not os.path.isdir(path):
        return [path]
    found = [os.path.join(top, name) for top, _, names in os.walk(path) for name in names]
    own = os.path.dirname(os.path.dirname(os.getcwd()))
    return [one for one in found if not one.startswith(own)]


def reads(path, root=""):
    """Say what could be read of a file or directory."""
    for one in files_in(root + path):
        try:
            with open(one, "rb") as file:
                file.read(1)
            return f"{one} was read"
        except OSError:
            continue
    return ""


def reads_by_openat2(path):
    """Open by a call that tracers of older calls do not know."""
    for one in files_in(path):
        how = (ctypes.c_uint64 * 3)(os.O_RDONLY, 0, 0)
        got = called(LIBC.syscall, OPENAT2, -100, os.fsencode(one), ctypes.byref(how), ctypes.sizeof(how))
        if got is not None:
            os.close(got)
            return f"{one} was opened by openat2"
    return ""


def writes(path, root=""):
    """Say what could be opened for writing."""
    for one in files_in(root + path):
        try:
            os.close(os.open(one, os.O_WRONLY | os.O_NOFOLLOW | os.O_APPEND | os.O_NONBLOCK))
            return f"{one} was opened for writing"
        except OSError:
            continue
    return ""


def of(kind, *ways):
    """Try each way on each file of a kind."""
    return lambda target: first(
        (lambda way=way, path=path: way(path)) for path in target[kind] for way in ways
    )


attack("read the engine's key, settings, database, spool")(of("engine", reads, reads_by_openat2))
attack("write the engine's key, settings, database, spool")(of("engine", writes))
attack("read inputs, results, logs, reports of another user")(of("others", reads, reads_by_openat2))
attack("write inputs, results, logs, reports of another user")(of("others", writes))
attack("change the cache of images")(of("cache", writes))
attack("read other files of the machine")(of("machine", reads, reads_by_openat2))


@attack("use descriptors that were left open")
def left_open(target):
    return ", ".join(
        f"{number}: {os.readlink(f'/proc/self/fd/{number}')}"
        for number in map(int, os.listdir("/proc/self/fd"))
        if number > 2 and os.path.exists(f"/proc/self/fd/{number}")
    )


@attack("reach files through /proc of another process")
def through_proc(target):
    return first(
        (lambda pid=pid, way=way, path=path: reads(path, f"/proc/{pid}/{way}"))
        for pid in [*others(target), 1, os.getppid()]
        for way in ("root", "cwd/../../../../../../../../..")
        for path in target["machine"]
    )


@attack("open files by their handles")
def by_handle(target):
    handle = ctypes.create_string_buffer((128).to_bytes(4, sys.byteorder), 136)
    number = ctypes.c_int()
    if called(LIBC.name_to_handle_at, -100, b"/", handle, ctypes.byref(number), 0) is None:
        return ""
    here = os.open("/", os.O_RDONLY)
    got = called(LIBC.open_by_handle_at, here, handle, os.O_RDONLY)
    return "" if got is None else "a directory was opened by its handle"


# --- processes


def others(target, *kinds):
    """Give the processes of others, the engine's and tools, that are seen here under their own numbers."""
    found = []
    for pid, word in (pair for kind in kinds or KINDS for pair in target["processes"][kind].items()):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if word.encode() in file.read():
                    found.append(int(pid))
        except OSError:
            continue
    return found


def looks(words, function):
    """Register an attack on the engine's processes, and the same on other users' tools."""
    attack(f"{words} of the engine")(lambda target: function(others(target, "engine")))
    attack(f"{words} of another user's tool")(lambda target: function(others(target, "tools")))


@attack("see processes of others")
def seen(target):
    return ", ".join(map(str, others(target)))


def environment(pids):
    return first((lambda pid=pid: reads(f"/proc/{pid}/environ")) for pid in pids)


def memory(pids):
    def vm(pid):
        number = PROCESS_VM_READV.get(os.uname().machine, 310)
        into = ctypes.create_string_buffer(1)
        with open(f"/proc/{pid}/maps", encoding="ascii") as maps:
            where = int(maps.readline().split("-")[0], 16)
        local = (ctypes.c_void_p * 2)(ctypes.addressof(into), 1)
        remote = (ctypes.c_void_p * 2)(where, 1)
        return called(LIBC.syscall, number, pid, local, 1, remote, 1, 0) and f"a byte of {pid}"

    ways = (lambda pid: writes(f"/proc/{pid}/mem"), vm, traced)
    return first((lambda pid=pid, way=way: way(pid)) for pid in pids for way in ways)


def traced(pid):
    LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if called(LIBC.ptrace, PTRACE_SEIZE, pid, None, None) is None:
        return ""
    LIBC.ptrace(PTRACE_DETACH, pid, None, None)
    return f"{pid} was traced"


def descriptors(pids):
    def listed(pid):
        return os.listdir(f"/proc/{pid}/fd") and f"those of {pid} were listed"

    def fetched(pid):
        process = called(LIBC.syscall, PIDFD_OPEN, pid, 0)
        got = process is not None and called(LIBC.syscall, PIDFD_GETFD, process, 0, 0)
        return "" if got in (None, False) else f"one of {pid} was fetched"

    return first((lambda pid=pid, way=way: way(pid)) for pid in pids for way in (listed, fetched))


looks("read the environment", environment)
looks("read the memory", memory)
looks("use descriptors", descriptors)


@attack("send signals to a process of others")
def signals(target):
    return first((lambda pid=pid: os.kill(pid, 0) or f"to {pid}") for pid in others(target))


@attack("change limits and priority of a process of others")
def limits(target):
    def limit(pid):
        resource.prlimit(pid, resource.RLIMIT_CORE, resource.prlimit(pid, resource.RLIMIT_CORE))
        return f"limits of {pid}"

    def priority(pid):
        os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, pid))
        return f"priority of {pid}"

    return first((lambda pid=pid, way=way: way(pid)) for pid in others(target) for way in (limit, priority))


@attack("reach into the process that watches the tool")
def watcher(target):
    watching = [pid for pid in {1, *above(os.getpid())} if not is_mine(pid)]
    ways = (
        lambda pid: writes(f"/proc/{pid}/mem"),
        lambda pid: os.listdir(f"/proc/{pid}/fd") and f"descriptors of {pid}",
        lambda pid: reads(f"/proc/{pid}/environ"),
        traced,
    )
    return first((lambda pid=pid, way=way: way(pid)) for pid in watching for way in ways)


def above(pid):
    """Give the parent, its parent, and so on, as far as they are seen."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            parent = next(int(line.split()[1]) for line in file if line.startswith("PPid:"))
    except OSError:
        return []
    return [parent, *above(parent)] if parent else []


def is_mine(pid):
    """The shell of the job's own command is the tool's own; proot, which is told of it, is not."""
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        program, _, words = file.read().partition(b"\0")
    return (b".grid-engine-command" in words and b"proot" not in program) or os.getsid(0) == 0


# --- network


def answer(family, address):
    """Give the word that a server says."""
    with socket.socket(family) as client:
        client.settimeout(3)
        client.connect(address)
        client.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        return client.recv(100).decode("utf-8", "replace").partition("\n")[0]


@attack("speak to servers on this machine's loopback")
def loopback(target):
    hosts = ("127.0.0.1", "0.0.0.0", "198.18.77.2", "198.18.77.3")
    return first(
        (lambda port=port, host=host: answer(socket.AF_INET, (host, port)))
        for port in target["ports"]
        for host in hosts
    )


@attack("reach this machine's own address")
def own_address(target):
    for host in target["addresses"]:
        try:
            return answer(socket.AF_INET, (host, 9))
        except ConnectionRefusedError:
            return f"{host} refused, and so was reached"
        except OSError:
            continue
    return ""


@attack("speak through abstract sockets of this machine")
def abstract(target):
    return first([lambda: answer(socket.AF_UNIX, "\0" + target["abstract"])])


@attack("speak through sockets in this machine's directories")
def path_socket(target):
    return first([lambda: answer(socket.AF_UNIX, target["socket"])])


@attack("send and see raw packets")
def packets(target):
    def link():
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0):
            return "frames"

    def raw():
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW):
            return "IP packets"

    return first([link, raw])


# --- what the kernel shares


@attack("read shared memory files of others (/dev/shm)")
def shared_files(target):
    return first([lambda: reads(target["shm"])])


@attack("attach System V memory of others")
def system_v(target):
    got = called(LIBC.shmget, target["sysv"], 0, 0)
    return "" if got is None else f"segment {got}"


@attack("open message queues of others (POSIX)")
def queues(target):
    got = called(LIBC.mq_open, target["queue"].encode(), os.O_RDONLY)
    return "" if got is None else "the queue was opened"


@attack("read keys of others from the kernel's keyrings")
def keyrings(target):
    number = {"x86_64": 250, "aarch64": 219}.get(os.uname().machine, 250)

    def found(ring, name):
        key = called(LIBC.syscall, number, 10, ring, b"user", name.encode(), 0)
        into = ctypes.create_string_buffer(100)
        return key is not None and called(LIBC.syscall, number, 11, key, into, 100) and into.value.decode()

    return first(
        (lambda ring=ring, name=name: found(ring, name))
        for ring in (-3, -4, -5)  # of the session, of the user, of the user's sessions
        for name in target["keys"]
    )


# --- the machine itself


@attack("open devices of the machine")
def devices(target):
    usual = {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "core", "fd", "stdin", "stdout"}
    for name in sorted(set(os.listdir("/dev")) - usual - {"stderr", "shm", "pts", "mqueue", "console"}):
        path = f"/dev/{name}"
        try:
            kind = os.stat(path).st_mode
            if stat.S_ISBLK(kind) or stat.S_ISCHR(kind):
                os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
                return path
        except OSError:
            continue
    return ""


@attack("make device files and open them")
def makes_devices(target):
    for place in (os.getcwd(), "/tmp", "/dev", "/"):
        for kind, numbers in ((stat.S_IFCHR, (1, 1)), (stat.S_IFCHR, (1, 11)), (stat.S_IFBLK, (254, 0))):
            path = os.path.join(place, "made-device")
            try:
                os.mknod(path, kind | 0o666, os.makedev(*numbers))
                try:
                    os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
                    return f"{path} as {numbers}"
                finally:
                    os.unlink(path)
            except OSError:
                continue
    return ""


@attack("change settings of the kernel (/proc/sys, /sys)")
def kernel_settings(target):
    names = [
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/hostname",
        "/proc/sys/vm/drop_caches",
        "/proc/sysrq-trigger",
        "/sys/power/state",
        "/sys/kernel/uevent_helper",
        "/sys/kernel/mm/transparent_hugepage/enabled",
    ]
    return first((lambda name=name: writes(name)) for name in names)


@attack("change control groups")
def groups(target):
    def makes(place):
        path = os.path.join(place, f"hostile-{os.getpid()}")
        os.mkdir(path)
        os.rmdir(path)
        return f"one was made in {place}"

    places = ["/sys/fs/cgroup"] + [f"/sys/fs/cgroup/{name}" for name in ls("/sys/fs/cgroup")]
    return first((lambda place=place: makes(place)) for place in places if is_group(place))


def ls(path):
    try:
        return os.listdir(path)
    except OSError:
        return []


def is_group(place):
    return os.path.exists(os.path.join(place, "cgroup.procs"))


@attack("mount file systems of the machine")
def mounts(target):
    os.makedirs("at", exist_ok=True)
    here = os.path.abspath("at").encode()
    for kind, options in ((b"cgroup2", None), (b"cgroup", b"pids"), (b"sysfs", None)):
        if called(LIBC.mount, b"none", here, kind, 0, options) is not None:
            LIBC.umount2(here, 2)
            return kind.decode()
    return ""


@attack("undo what is read-only by namespaces of its own")
def remounts(target):
    child = os.fork()
    if child == 0:
        done = called(LIBC.unshare, NEW_USER | NEW_MOUNTS) is not None
        for place in (b"/sys", b"/proc", b"/", b"/dev"):
            done = done and called(LIBC.mount, b"none", place, None, 32 | 4096, None) is not None
            if done and kernel_settings({}):
                os._exit(9)
        os._exit(0)
    return "it was undone" if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9 else ""


@attack("read the kernel's log")
def kernel_log(target):
    into = ctypes.create_string_buffer(4096)
    got = called(LIBC.klogctl, 3, into, 4096)
    return f"{got} bytes" if got else ""


@attack("load programs into the kernel")
def programs(target):
    number = {"x86_64": 321, "aarch64": 280}.get(os.uname().machine, 321)
    about = (ctypes.c_uint32 * 32)(1, 4, 8, 1)  # an array of one element
    got = called(LIBC.syscall, number, 0, ctypes.byref(about), ctypes.sizeof(about))
    return "" if got is None else "a map of bpf(2)"


# --- staying


@attack(STAYS)
def stay(target):
    if target["stay"] and os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        null = os.open("/dev/null", os.O_RDWR)
        for number in range(3):
            os.dup2(null, number)
        os.execv(
            sys.executable,
            [sys.executable, "-I", "-S", "-c", "import time; time.sleep(3600)", target["mark"]],
        )
    return ""  # whoever started the job looks for it


def main(path):
    """Try everything, and print it."""
    with open(path, encoding="utf-8") as file:
        target = json.load(file)
    got = {}
    for words, function in ATTACKS.items():
        try:
            got[words] = str(function(target) or "")
        except Exception as error:  # an attack that failed in a way of its own
            got[words] = "" if isinstance(error, OSError) else f"in the attack: {error!r}"
    json.dump(got, sys.stdout, indent=1)


if __name__ == "__main__":
    main(sys.argv[1])
