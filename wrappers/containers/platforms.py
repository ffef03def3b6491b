"""Platforms as registries name them: `linux/amd64`, `linux/arm/v7`."""

import os

USUAL_PLATFORM = "linux/amd64"
_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
}


def platform() -> str:
    """This machine's."""
    machine = os.uname().machine
    return "linux/" + _ARCHITECTURES.get(machine, machine)


def without_variant(name: str) -> str:
    """System and architecture: what a machine says of itself."""
    return "/".join(name.split("/")[:2])
