"""What this node lacks for keeping tools apart, and what its administrator can do about it."""

from typing import Dict, Optional

from wrappers import wire
from wrappers.runtimes import idmap
from wrappers.runtimes.base import Unusable
from wrappers.runtimes.network import open_network, to_refuse

USER, NETWORK, OUTSIDE = "user namespaces", "network namespaces", "network of its own"
_SWITCHES = (
    ("/proc/sys/user/max_user_namespaces", "0", "raise the sysctl user.max_user_namespaces, which is 0"),
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "set the sysctl kernel.unprivileged_userns_clone to 1",
    ),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "AppArmor forbids them, as on Ubuntu 24.04: install the profile config/apparmor/boutiques-engine",
    ),
)


def missing() -> Dict[str, str]:
    """Try each part out; give the reason and the remedy for each that does not work here.

    A part that needs one that is missing is missing too.
    """
    maps, reason = idmap.working()
    if not maps:
        words = f"{reason}{remedy()}"
        return dict.fromkeys((USER, NETWORK, OUTSIDE), words)
    found = {}
    for part, kind in ((NETWORK, wire.NETWORK_NONE), (OUTSIDE, wire.NETWORK_OWN)):
        why = _try(kind, maps[0].namespace)
        if why is not None:
            found[part] = why
    return found


def remedy() -> str:
    """Say which switch of this kernel forbids user namespaces, as far as one is known."""
    for path, forbidding, words in _SWITCHES:
        try:
            with open(path, encoding="ascii") as file:
                if file.read().strip() == forbidding:
                    return f" ({words})"
        except OSError:
            continue
    return ""


def _try(kind: str, user: int) -> Optional[str]:
    try:
        open_network(kind, user, to_refuse([])).close()
    except (Unusable, OSError) as error:
        return str(error)
    return None
