"""`python denied.py CALL=ERRNO,... COMMAND ...`: run a command whose system calls fail.

So it is on a node that lacks something or has reached a limit. All that the command starts inherits it.
"""

import ctypes
import errno
import os
import struct
import sys

CALLS = {  # by number: on x86_64, and on aarch64 where it has the call
    "link": (86, None),
    "linkat": (265, 37),
    "flock": (73, 32),
    "clone": (56, 220),
    "clone3": (435, 435),
    "fork": (57, None),
    "vfork": (58, None),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "connect": (42, 203),
    "fsync": (74, 82),
}
_GROUPS = {
    "hard links": ("link", "linkat"),
    "processes": ("clone", "clone3", "fork", "vfork"),
    "directories": ("mkdir", "mkdirat"),
}
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # classic BPF: ld [k]; jeq #k, jt, jf; ret #k
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2


def program(denied: "dict[str, int]") -> bytes:
    """Make the filter: each call in turn, and everything else is allowed."""
    column, architecture = _ARCHITECTURES[os.uname().machine]
    steps = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _ALLOW), (_LOAD, 0, 0, 0)]
    for name, number in denied.items():
        for call in _GROUPS.get(name, (name,)):
            wanted = CALLS[call][column]
            if wanted is not None:
                # glibc takes clone for clone3 where there is none
                answer = errno.ENOSYS if call == "clone3" else number
                steps += [(_EQUAL, 0, 1, wanted), (_RETURN, 0, 0, _ERRNO | answer)]
    steps.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def deny(denied: "dict[str, int]") -> None:
    """Have this process and all that it starts denied these calls."""
    code = program(denied)
    buffer = ctypes.create_string_buffer(code, len(code))
    filter_ = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in (
        (_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (_PR_SET_SECCOMP, _MODE_FILTER, ctypes.c_char_p(filter_), 0, 0),
    ):
        if libc.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "the kernel takes no filter of system calls")


if __name__ == "__main__":
    pairs = (word.split("=") for word in sys.argv[1].split(","))
    deny({name: getattr(errno, number) for name, number in pairs})
    os.execvp(sys.argv[2], sys.argv[2:])
