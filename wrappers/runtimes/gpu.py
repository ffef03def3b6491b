"""NVIDIA devices and driver libraries of the node, for tools that ask for a GPU."""

import glob
import os
from typing import Dict, List, NamedTuple

from wrappers.runtimes.base import Unusable

INSIDE = "/usr/local/nvidia"  # where images built for NVIDIA's own runtime look for the driver
_DIRECTORIES = (
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib64/nvidia",
    "/usr/lib/x86_64-linux-gnu/nvidia/current",
    "/usr/local/nvidia/lib64",
)
_LIBRARIES = (
    "libcuda.so.*",
    "libnvidia-*.so.*",
    "libnvcuvid.so.*",
    "libnvoptix.so.*",
    "libcudadebugger.so.*",
)


class Gpu(NamedTuple):
    """The files and devices of a GPU driver to show inside."""

    devices: List[str]  # names below /dev
    files: Dict[str, str]  # host path -> path inside

    def environment(self, found: Dict[str, str]) -> Dict[str, str]:
        """Compute the variables that make programs find the driver, given the others."""
        libraries = [INSIDE + "/lib64", *filter(None, [found.get("LD_LIBRARY_PATH")])]
        return {
            "LD_LIBRARY_PATH": ":".join(libraries),
            "PATH": found.get("PATH", "") + f":{INSIDE}/bin",
            "NVIDIA_VISIBLE_DEVICES": "all",
        }


def find() -> Gpu:
    """Find the node's GPU.

    Raises:
        Unusable: there is none, or its driver's libraries are not found.
    """
    devices = [os.path.relpath(path, "/dev") for path in sorted(glob.glob("/dev/nvidia*"))]
    if not os.path.exists("/dev/nvidiactl"):
        raise Unusable("the job asks for a GPU, and this node has no NVIDIA device (/dev/nvidiactl)")
    files: Dict[str, str] = {}
    for directory in _DIRECTORIES:
        for pattern in _LIBRARIES:
            for path in glob.glob(os.path.join(directory, pattern)):
                files.setdefault(os.path.realpath(path), f"{INSIDE}/lib64/{os.path.basename(path)}")
    if not any(os.path.basename(path).startswith("libcuda.so") for path in files.values()):
        raise Unusable("the job asks for a GPU, and the driver's libraries (libcuda.so.1) are not found here")
    if os.path.exists("/usr/bin/nvidia-smi"):
        files[os.path.realpath("/usr/bin/nvidia-smi")] = INSIDE + "/bin/nvidia-smi"
    return Gpu(devices, files)
