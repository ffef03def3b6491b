"""The only module that imports the udocker package (1.3.17), as a library and not as a command.

Its command line would first look for new tools on the network, and read settings of the account; its engine
class does neither.
"""

import os
import sys
from typing import Any, Dict, List, NamedTuple

from wrappers.runtimes import programs
from wrappers.runtimes.base import Unusable


class UdockerOptions(NamedTuple):
    """The options of one run by udocker."""

    top: str  # directory with `containers`
    container: str  # name below it
    proot: str
    proot_options: List[str]
    volumes: List[str]  # host:inside
    environment: Dict[str, str]  # the tool's whole environment
    cwd: str
    argv: List[str]


def load(directory: str) -> str:
    """Import udocker, from a directory or wheel when `directory` names one; returns its version.

    Raises:
        Unusable: it is not there.
    """
    programs.check(directory, "udocker")
    if directory and directory not in sys.path:
        sys.path.insert(0, directory)
    try:
        import udocker
        import udocker.container.localrepo
        import udocker.engine.execmode
        import udocker.engine.proot
        import udocker.utils.uenv
    except ImportError as error:
        raise Unusable(
            f"the udocker package is missing ({error}): name it in the setting `udocker`"
        ) from None
    return str(udocker.__version__)


def run(options: UdockerOptions) -> int:
    """Run a container in mode P1 to its end; returns proot's exit code."""
    from udocker.config import Config
    from udocker.container.localrepo import LocalRepository
    from udocker.engine.execmode import ExecutionMode
    from udocker.msg import Msg
    from udocker.utils.uenv import Uenv

    Config.conf.update(
        topdir=options.top,
        homedir=options.top,
        tmpdir=os.environ["PROOT_TMP_DIR"],
        use_proot_executable=options.proot,
        sysdirs_list=(),
        verbose_level=Msg.ERR,
        valid_host_env=("PROOT_TMP_DIR",),
    )
    Msg().setlevel(Msg.ERR)
    repository = LocalRepository(options.top)
    mode = ExecutionMode(repository, options.container)
    mode.force_mode = "P1"
    engine = _engine(repository, mode, options)
    surroundings = Uenv()
    surroundings.env = dict(options.environment)  # its own way of adding would strip values
    engine.opt.update(
        nobanner=True,
        kernel="",
        netcoop=False,
        vol=list(options.volumes),
        env=surroundings,
        user="root",
        cwd=options.cwd,
        entryp=[],
        cmd=list(options.argv),
    )
    return int(engine.run(options.container))


def _engine(repository: Any, mode: Any, options: UdockerOptions) -> Any:
    from udocker.engine.proot import PRootEngine

    class UdockerUdockerEngine(PRootEngine):  # type: ignore[misc] # udocker has no types
        """udocker's engine, with the tool's environment exactly as given."""

        def _run_env_set(self) -> None:
            pass

        def _setup_container_user(self, user: str) -> bool:
            # root, whatever the image's /etc/passwd holds: it may be no text, or lack root
            self.opt.update(user=user, uid="0", gid="0", home="/", hostauth=False, containerauth=False)
            return True

        def _get_qemu_string(self) -> List[str]:
            # No qemu: the image was chosen for this platform, and the look at its programs takes 20 ms.
            return list(options.proot_options)

    return UdockerUdockerEngine(repository, mode)
