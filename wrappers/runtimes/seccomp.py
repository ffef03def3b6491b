"""Changes of owner and user that seem to succeed, where a user namespace has only one user.

tar, cp -a, rsync and installers run by root give files to their owners of old and fail when they cannot; what
they want is the content. su, gosu and their like become another user before they start a program, which goes
on as root then. As in proot, and as Charliecloud does it: a filter in the kernel answers "done".
"""

import os
import struct
from typing import List, Tuple

from wrappers.runtimes import namespaces

_ALLOW = 0x7FFF0000
_ANSWER_ZERO = 0x00050000  # an "error" with the number 0
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF: ld [k], jeq #k, ret #k
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4  # in struct seccomp_data

# By uname: the audit number of the architecture; its chown, fchown, lchown, fchownat, setgroups, and setuid,
# setgid, setreuid, setregid, setresuid, setresgid, setfsuid, setfsgid.
_CALLS = {
    "x86_64": (0xC000003E, (92, 93, 94, 260, 116, 105, 106, 113, 114, 117, 119, 122, 123)),
    "aarch64": (0xC00000B7, (55, 54, 159, 146, 144, 145, 143, 147, 149, 151, 152)),
}


def pretend_to_be_several() -> None:
    """From now on, for this process and its children, changing owner or user does nothing and succeeds.

    Where the kernel or the architecture is not up to it, such calls go on to fail.
    """
    known = _CALLS.get(os.uname().machine)
    if known is not None:
        namespaces.install_filter(_program(*known))


def _program(architecture: int, calls: Tuple[int, ...]) -> List[bytes]:
    # a jump skips as many instructions: past the calls still to be compared, and the first return
    compared = [_instruction(_JUMP_IF_EQUAL, call, len(calls) - n, 0) for n, call in enumerate(calls)]
    return [
        _instruction(_LOAD, _ARCHITECTURE_AT),
        _instruction(_JUMP_IF_EQUAL, architecture, 0, len(calls) + 1),
        _instruction(_LOAD, _NUMBER_AT),
        *compared,
        _instruction(_RETURN, _ALLOW),
        _instruction(_RETURN, _ANSWER_ZERO),
    ]


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
