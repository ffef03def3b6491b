"""Platforms as registries name them: `linux/amd64`, `linux/arm/v7`."""

import os
from typing import Any, NamedTuple, Optional

USUAL_PLATFORM = "linux/amd64"
_ARCHITECTURES = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "x64": "amd64",
    "aarch64": "arm64",
    "armhf": "arm",
    "armel": "arm",
    "armv5tel": "arm",
    "armv6l": "arm",
    "armv7l": "arm",
    "armv8l": "arm",
    "i386": "386",
    "i486": "386",
    "i586": "386",
    "i686": "386",
    "x86": "386",
    "loongarch64": "loong64",
}
"""Other names, of kernels and of careless builders, for what the registries' rules call otherwise."""


class Platform(NamedTuple):
    """A platform by its parts; a part that is not told is ""."""

    system: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(filter(None, self))

    @property
    def level(self) -> float:
        """What a variant asks of a machine, beside others of its architecture; plain ones ask least."""
        digits = self.variant.lower().lstrip("v")
        try:
            return float(digits) if digits else 0.0
        except ValueError:
            return float("inf")


def platform() -> str:
    """Return this machine's platform."""
    return f"linux/{_architecture(os.uname().machine)}"


def without_variant(name: str) -> str:
    """System and architecture: what a machine says of itself."""
    return "/".join(name.split("/")[:2])


def read(text: str) -> Platform:
    """Parse a platform that somebody wrote, as `linux/arm/v7`."""
    system, _, rest = text.partition("/")
    architecture, _, variant = rest.partition("/")
    return Platform(system.lower(), _architecture(architecture), variant.lower())


def described(document: Any) -> Platform:
    """Read the platform from an image's entry in an index, or from its own configuration."""
    parts = document if isinstance(document, dict) else {}
    system, architecture, variant = (str(parts.get(key) or "") for key in ("os", "architecture", "variant"))
    return Platform(system.lower(), _architecture(architecture), variant.lower())


def fits(found: Platform, wanted: Platform) -> bool:
    """Say whether an image may be for the wanted platform: it says nothing else."""
    return (
        found.system in ("", wanted.system)
        and found.architecture in ("", wanted.architecture)
        and (not wanted.variant or found.variant in ("", wanted.variant))
    )


def order(found: Platform, wanted: Platform) -> Optional[float]:
    """Return where an image of an index stands among those that fit, lowest first; None when it does not.

    A machine is only known to have what every machine of its architecture has: a plain image comes first,
    then the lowest variant. When a variant is asked for by name, this comes first.
    """
    if not found.architecture or not fits(found, wanted):
        return None
    return -1.0 if wanted.variant and found.variant == wanted.variant else found.level


def _architecture(name: str) -> str:
    name = name.strip().lower()
    return _ARCHITECTURES.get(name, name)
