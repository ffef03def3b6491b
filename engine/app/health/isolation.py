"""Whether this machine can keep the tools of a portal's users apart from the engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.app.health.findings import FAILURE, OK, WARNING, CheckFinding
from engine.errors import SettingsError
from engine.settings.tree import Settings
from wrappers.runtimes import support
from wrappers.wire import ISOLATING, NETWORK_MACHINE, NETWORK_NONE, NETWORK_OWN, NETWORKS

_PARTS = {
    support.USER: "containers run at native speed, and tools are kept apart from the engine",
    support.NETWORK: "a tool can be kept from the network of this machine",
    support.OUTSIDE: "a tool can reach other machines and nothing on this one",
}


def allows_user_namespaces(missing: Mapping[str, str]) -> bool:
    """Say whether jobs can have user namespaces here."""
    return support.USER not in missing


def findings(missing: Mapping[str, str]) -> Iterator[CheckFinding]:
    """Say of each part whether it works here, and what would help."""
    for part, meaning in _PARTS.items():
        if part in missing:
            yield CheckFinding(part, WARNING, f"not available: {missing[part]}", _fallback(part))
        else:
            yield CheckFinding(part, OK, f"available: {meaning}")


def policy(settings: Settings, missing: Mapping[str, str], *, local: bool) -> CheckFinding:
    """Say whether jobs of a portal's users may run on this machine (setting portal.isolation)."""
    check = "isolation"
    if not local:
        return CheckFinding(
            check, OK, "jobs of the portal run on other machines, where the site keeps users apart"
        )
    if settings.portal.isolation == "off":
        words = "off (portal.isolation): every user of the portal can do what the engine's account can"
        return CheckFinding(check, WARNING, words, "set portal.isolation to required unless all of them may")
    runtimes = [one for one in settings.portal.runtimes or settings.node.runtimes if one in ISOLATING]
    if not runtimes:
        words = f"required, but none of the runtimes keeps tools apart: {', '.join(settings.node.runtimes)}"
        return CheckFinding(check, FAILURE, words, f"put {' or '.join(ISOLATING)} into node.runtimes")
    if runtimes == ["userns"] and support.USER in missing:
        remedy = "or set portal.isolation to off if every user may do what the engine's account can"
        return CheckFinding(check, FAILURE, f"required, but {support.USER}: {missing[support.USER]}", remedy)
    network = settings.node.network or NETWORK_OWN
    if not any(network in NETWORKS[one] for one in runtimes):
        words = f"required, but {' or '.join(runtimes)} cannot give a tool the network {network!r}"
        return CheckFinding(
            check, FAILURE, words, "put userns into node.runtimes, or set node.network to none"
        )
    part = {NETWORK_OWN: support.OUTSIDE, NETWORK_NONE: support.NETWORK}.get(network, "")
    if part in missing:
        remedy = "or set node.network to none, or to machine: then tools reach whatever this machine does"
        return CheckFinding(check, FAILURE, f"{part}: {missing[part]}", remedy)
    if network == NETWORK_MACHINE:
        words = "tools reach whatever this machine reaches, its loopback included (node.network: machine)"
        return CheckFinding(check, WARNING, words, "set node.network to own or none")
    return CheckFinding(check, OK, f"required; by {' or '.join(runtimes)}, with the network {network!r}")


def check_policy(settings: Settings, *, local: bool) -> str:
    """Refuse to serve users where their tools cannot be kept apart; give a warning, or nothing.

    Raises:
        SettingsError: this machine cannot keep what portal.isolation or node.network says.
    """
    if not local:
        return ""
    found = policy(settings, support.missing(), local=local)
    if found.verdict == FAILURE:
        raise SettingsError(f"isolation of jobs: {found.message}", remedy=found.remedy)
    return found.message if found.verdict == WARNING else ""


def _fallback(part: str) -> str:
    if part == support.USER:
        return (
            "until then udocker with proot is used, which keeps no tool apart from the account that runs it"
        )
    return (
        "until then node.network can only be machine"
        if part == support.NETWORK
        else "or set node.network: none"
    )
