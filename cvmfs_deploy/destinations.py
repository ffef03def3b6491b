"""Settings become the destination where a run publishes."""

from __future__ import annotations

from pathlib import Path

from cvmfs_deploy.deploy import PublishDestination
from cvmfs_deploy.layout import Layout
from cvmfs_deploy.publish.base import Publisher
from cvmfs_deploy.publish.cvmfs_server import CvmfsPublisher
from cvmfs_deploy.publish.directory import DirectoryPublisher
from cvmfs_deploy.settings import DeploySettings


def destination_of(settings: DeploySettings) -> PublishDestination:
    """Make the destination that the settings name.

    Raises:
        SettingsError: they name none that is possible.
    """
    layout = Layout(settings.root)
    publisher: Publisher
    if settings.repository:
        publisher = CvmfsPublisher(settings, layout)
    else:
        publisher = DirectoryPublisher(Path(settings.to).absolute(), layout)
    return PublishDestination(settings, publisher, layout)
