"""How the jobs of one execution are to be run: settled when it is planned, and kept with it."""

# No postponed annotations here: wrappers.wire reads them to build these values from JSON.
from typing import Dict, List, NamedTuple, Optional  # noqa: UP035

from wrappers import wire
from wrappers.wire import Image, Limits, Transfers

SANDBOX = wire.SANDBOX
"""The destination beside the report: small results travel home with it, where nothing else will do."""


class Destination(NamedTuple):
    """A storage where an execution may have its results."""

    url: str  # of the execution's own directory there, or SANDBOX
    rename: bool = True  # results are renamed to their final names; else they stay where they were written
    door: bool = False  # the same storage as the destination before it, reached in another way


class GridOptions(NamedTuple):
    """The wishes of one execution's jobs to a grid, beside the settings of the back-end."""

    sites: List[str] = []  # noqa: UP006, RUF012  # where they may run; empty: where the settings say
    banned: List[str] = []  # noqa: UP006, RUF012  # where they must not, beside those of the settings
    tags: List[str] = []  # noqa: UP006, RUF012  # that nodes must have, beside those of the settings
    priority: Optional[int] = None  # noqa: UP045  # None: that of the settings
    cpu_time: Optional[int] = None  # noqa: UP045  # CPUTime of DIRAC; None: by the wall time limit


class Options(NamedTuple):
    """The settled choices of one execution, as they are stored."""

    image: Optional[Image] = None  # noqa: UP045
    limits: Limits = Limits()
    runtimes: List[str] = []  # noqa: UP006, RUF012  # empty: the node's own order
    root: str = ""  # "readonly": the tool never writes outside its directory and /tmp
    gpu: bool = False
    workdir: str = ""  # where the tool starts inside of the image; "" is the job's directory
    environment: Dict[str, str] = {}  # noqa: UP006, RUF012  # added to the descriptor's
    compat: bool = False  # the reference library's text rules
    group: int = 1  # attempts that share one job of the back-end
    naming: str = ""  # where a result lies: {job} and {path}; "" is {path} for one job, {job}/{path} for more
    places: List[Destination] = []  # noqa: UP006, RUF012  # destinations (the key is stored), in order; empty: only the execution's directory of results
    replicas: int = 1  # copies of each result, at different destinations
    copies: List[str] = []  # noqa: UP006, RUF012  # URLs of directories that get a copy of each, besides
    registered: bool = False  # results are told to the outer catalogue too
    exchange: str = ""  # where nodes exchange claims for grants
    transfers: Transfers = Transfers()
    network: str = wire.NETWORK_MACHINE  # what its tools can reach
    grid: GridOptions = GridOptions()
    retries: Optional[int] = None  # noqa: UP045  # further attempts after one kind of failure, at most
    isolated: bool = False  # only runtimes that keep the tool apart from the engine
