"""What every command needs: the options before its name, and the destination that they lead to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cvmfs_deploy import log
from cvmfs_deploy.deploy import PublishDestination
from cvmfs_deploy.destinations import destination_of
from cvmfs_deploy.settings import load


@dataclass(slots=True)
class CallOptions:
    """The options of this call."""

    config: Path | None = None
    to: str = ""
    work: Path | None = None
    quiet: bool = False

    def destination(self, logged: bool = True) -> PublishDestination:
        """Open the destination; with `logged`, the log as well.

        Raises:
            SettingsError, BadRequest: the settings.
        """
        settings = load(self.config, self.to, self.work)
        log.configure(self.quiet or not logged, settings.log if logged else "")
        return destination_of(settings)


session = CallOptions()
