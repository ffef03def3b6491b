"""System calls that Python's library has no words for: namespaces, mounts, process control. By ctypes."""

import ctypes
import os
from typing import List, Optional

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_SLAVE = 1 << 19
MNT_DETACH = 2

_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_SYS_MOUNT_SETATTR = 442  # the same number on every architecture (Linux 5.12)
_AT_RECURSIVE = 0x8000
_AT_FDCWD = -100
_MOUNT_ATTR_RDONLY = 1

_KEYCTL = {"x86_64": 250, "aarch64": 219, "riscv64": 219, "ppc64le": 271, "s390x": 280, "i686": 288}
_JOIN_SESSION_KEYRING = 1

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Leave namespaces for new ones. A new PID namespace begins with the next child."""
    _check(_libc.unshare(flags), "unshare")


def join(descriptor: int, kind: int) -> None:
    """Enter a namespace that somebody holds open; `kind` is its CLONE_NEW flag."""
    _check(_libc.setns(descriptor, kind), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2); the error names the target."""
    result = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        os.fsencode(kind) or None,
        ctypes.c_ulong(flags),
        os.fsencode(options) or None,
    )
    _check(result, f"mount {kind or source} at {target}")


def bind(source: str, target: str) -> None:
    """Show `source`, with what is mounted below it, at `target` too."""
    mount(source, target, flags=MS_BIND | MS_REC)


def set_read_only(target: str) -> None:
    """Make a mount, and all below it, read-only; Linux 5.12."""
    _mount_setattr(target, _MOUNT_ATTR_RDONLY, 0, recursive=True)


def set_writable(target: str) -> None:
    """Make a mount, and nothing below it, writable; Linux 5.12."""
    _mount_setattr(target, 0, _MOUNT_ATTR_RDONLY, recursive=False)


def _mount_setattr(target: str, wanted: int, cleared: int, recursive: bool) -> None:
    attributes = (ctypes.c_uint64 * 4)(wanted, cleared, 0, 0)
    result = _libc.syscall(
        ctypes.c_long(_SYS_MOUNT_SETATTR),
        ctypes.c_int(_AT_FDCWD),
        ctypes.c_char_p(os.fsencode(target)),
        ctypes.c_uint(_AT_RECURSIVE if recursive else 0),
        ctypes.byref(attributes),
        ctypes.c_size_t(ctypes.sizeof(attributes)),
    )
    _check(result, f"mount_setattr {target}")


def make_read_only(target: str) -> None:
    """Make a mount and all below it read-only; only the mount itself where the kernel is older than 5.12."""
    try:
        set_read_only(target)
    except OSError:
        # what a mount of another namespace forbids must be forbidden again, or the kernel refuses
        kept = os.statvfs(target).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)
        mount("none", target, flags=MS_REMOUNT | MS_BIND | MS_RDONLY | kept)


def unmount(target: str) -> None:
    """Take a mount away from the tree at once; it ends when the last user does."""
    _check(_libc.umount2(os.fsencode(target), MNT_DETACH), f"unmount {target}")


def pivot_root(new: str, old: str) -> None:
    """Make `new` the root directory; the old one is then at `old`, below it."""
    _check(_libc.pivot_root(os.fsencode(new), os.fsencode(old)), f"pivot_root {new}")


def die_with_parent(signal: int) -> None:
    """Get a signal when the parent dies. The caller must make sure that it has not died already."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal), 0, 0, 0), "prctl PDEATHSIG")


def new_keyring() -> None:
    """Have a session keyring of our own: a user namespace leaves that of the caller open to a tool."""
    number = _KEYCTL.get(os.uname().machine)
    if number is not None:
        _libc.syscall(ctypes.c_long(number), ctypes.c_int(_JOIN_SESSION_KEYRING), None)


def drop_capabilities(kept: List[int]) -> None:
    """Programs executed from now on get no capability but these."""
    for number in range(64):
        if number not in kept and _libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(number), 0, 0, 0) != 0:
            return  # beyond the last capability of this kernel


def install_filter(instructions: List[bytes]) -> None:
    """Filter the system calls of this process and its children by a BPF program, if the kernel can."""
    program = ctypes.create_string_buffer(b"".join(instructions))
    header = _FilterProgram(len(instructions), ctypes.cast(program, ctypes.c_void_p))
    _libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), ctypes.byref(header), 0, 0)


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def _check(result: int, what: str) -> None:
    if result != 0:
        number: Optional[int] = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number or 0)}")
