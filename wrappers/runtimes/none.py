"""No container at all: the tool runs on the bare node, in a small environment of its own."""

from wrappers import wire
from wrappers.runtimes.base import Job, Launch

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def prepare(job: Job, node: wire.Node) -> Launch:
    """Run the script by the node's own shell; nothing of our environment reaches it."""
    environment = {
        "PATH": PATH,
        "HOME": str(job.directory),
        "TMPDIR": str(job.tmp),
        "PWD": str(job.directory),
        "LANG": "C.UTF-8",
    }
    environment.update(job.manifest.environment)
    return Launch(
        argv=[job.manifest.shell, str(job.script)],
        environment=environment,
        cwd=job.directory,
        used=wire.RuntimeUsed("none"),
    )
