"""No container: the tool runs as it is on this machine, or in the image that the back-end has started the
wrapper in. Only where a job asks for exactly that.
"""

import os

from wrappers import wire
from wrappers.containers.programs import which
from wrappers.runtimes.base import JobSpec, ToolStart, Unusable
from wrappers.runtimes.image import JobImage

_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "USER", "LOGNAME")


def prepare(job: JobSpec, node: wire.Node, image: JobImage) -> ToolStart:
    """Get ready to run the job without a container.

    Raises:
        Unusable: the job has an image without us in it, allows other runtimes, or its shell is not here.
    """
    manifest = job.manifest
    if (manifest.image is not None) != manifest.inside or list(manifest.runtimes) != ["none"]:
        raise Unusable("runs only jobs that have no image and ask for nothing else")
    kept = os.environ if manifest.inside else _KEPT  # what the image sets is there already
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment.setdefault("PATH", os.defpath)
    environment.update(HOME=str(job.directory), TMPDIR=str(job.tmp))
    environment.update(manifest.environment)
    if not which(manifest.shell, environment["PATH"]):
        raise Unusable(f"there is no {manifest.shell} on this machine")
    return ToolStart(
        argv=[manifest.shell, str(job.script)],
        environment=environment,
        cwd=job.directory / manifest.workdir,
        used=wire.RuntimeUsed(name="none"),
    )
