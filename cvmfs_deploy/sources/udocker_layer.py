"""A program of its own: udocker's code fetches one layer. Started by `sources.udocker`, which checks it.

Its own process, since udocker keeps its settings in its classes, and can only be stopped together with the
`curl` that it starts.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

_TIMEOUT_S = 24 * 3600  # seconds for a layer; udocker's own limit of half an hour is short for 20 GB


def main(base: str, repository: str, digest: str, top: str) -> int:
    """Fetch a layer to `TOP/layers/DIGEST`; the exit code says whether udocker thinks that it has."""
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    from udocker.config import Config
    from udocker.container.localrepo import LocalRepository
    from udocker.docker import DockerIoAPI
    from udocker.msg import Msg

    Config().getconf()
    Config.conf["download_timeout"] = _TIMEOUT_S
    Msg().setlevel(Msg.ERR)
    local = LocalRepository(top)
    local.layersdir = os.path.join(top, "layers")  # whatever its settings files say
    os.makedirs(local.layersdir)
    api = DockerIoAPI(local)
    api.set_registry(base)
    return 0 if api.get_v2_image_layer(repository, digest) else 1


def _end_with_the_parent() -> None:
    """End this process when the other end of its standard input closes: the run has ended, in whatever
    way.
    """
    os.read(0, 1)  # not `sys.stdin`, whose lock would break the end of the program
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
