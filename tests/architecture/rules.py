"""The parts of the project, and who may import whom: arrows point at the poorest place that runs the code.

`docs/architecture.md` shows them as a table.
"""

from __future__ import annotations

from pathlib import Path

PARTS = {
    "engine/cli": "the command line: one file a command",
    "engine/api": (
        "what `engine serve` answers over HTTP: embedded storage, node end point, CARMIN, use cases, page"
    ),
    "engine/vip": "what VIP's portal reads of its engine: a process of its own, which reads rows and events",
    "engine/client": "a daemon used from Python",
    "engine/usecases.py": (
        "what can be asked of executions, here or at a daemon: a protocol over plain values"
    ),
    "engine/app": (
        "use cases: plan, submit, follow, explain; in packages of their own `data` (storages, copies, "
        "results brought home), `access` (claims, tokens), `portal` (accounts, pipelines, launches), "
        "`health` (doctor, and the *table* of sites: whether one rests is decided in "
        "`engine/domain/site.py`)"
    ),
    "engine/planning": "the Boutiques compiler: a descriptor once, then any number of invocations",
    "engine/reconcile": "the loop: reads rows, calls ports, records what it learned",
    "engine/store": "all SQL",
    "engine/domain": "values and rules: jobs, attempts, state tables, retry, sites",
    "engine/ports.py": "what the engine asks of back-ends, storages and catalogues",
    "engine/backends": "where jobs run, each with the section of the settings that is its own",
    "engine/storages": "where files lie, one file for each family of URLs",
    "engine/catalogues": (
        "what knows under which URLs the file of a logical name lies, beside the engine's own"
    ),
    "engine/dirac": "a DIRAC client beside the engine: a process in DIRAC's own Python that is asked",
    "engine/settings": (
        "everything that can be set: a file of sections for each part, `tree` of all, `reading` of file "
        "and variables"
    ),
    "engine/wiring.py": "puts the concrete parts together",
    "engine/storage_registry.py": (
        "the storages of the settings, with their credentials, as one user sees them"
    ),
    "engine/plugins.py": "back-ends, storages and catalogues of installed packages, by entry point",
    "engine/testing": "what packages of others test their back-ends and storages with",
    "engine/errors.py": "every failure that a user can meet, by what to do next",
    "engine/clock.py": "time",
    "engine/ids.py": "names of things",
    "engine/interrupts.py": "when Ctrl-C may interrupt",
    "engine/holder.py": "which process holds the lease, and whether it lives",
    "engine/http.py": "requests to services over HTTP",
    "engine/jwt.py": "tokens of others, read and not verified",
    "engine/log.py": "the daemon's log",
    "engine/terminal.py": "how our programs print, and how their commands end",
    "engine/units.py": "amounts of bytes, as people write and read them",
    "engine/xdg.py": "where files of a user belong",
    "engine/extras.py": "which extra brings a package that is missing",
    "wrappers": "what runs on a worker node; the standard library of Python 3.6",
    "cvmfs_deploy": "publishes images on CVMFS",
}
"""What each part is."""

SHARED = {
    "engine.__version__",
    "engine.errors",
    "engine.clock",
    "engine.ids",
    "engine.interrupts",
    "engine.usecases",
    "wrappers.backoff",
    "wrappers.wire",
    "wrappers.causes",
    "wrappers.containers",
}
"""Words that every part of the engine speaks."""

CORE = {"engine.domain", "engine.ports"}

TRANSFER_WORDS = {
    "wrappers.transfer.checksums",
    "wrappers.transfer.digest",
    "wrappers.transfer.errors",
    "wrappers.transfer.proxies",
    "wrappers.transfer.redact",
    "wrappers.transfer.source",
    "wrappers.transfer.tree",
}
"""What nodes and engine must do alike: sum bytes, know this machine, cut secrets, pack directories."""

NODE_WORDS = {
    "wrappers.backoff",
    "wrappers.causes",
    "wrappers.prctl",
    "wrappers.wire",
    "wrappers.containers.errors",
    "wrappers.containers.members",
    "wrappers.containers.programs",
    "wrappers.containers.remote",
    "wrappers.containers.timed",
    "wrappers.containers.tree",
    "wrappers.node.failure",
    "wrappers.node.files",
    "wrappers.node.names",
    "wrappers.node.procfs",
}
"""The lowest layer of the wrapper: what it says, and how it looks at the machine that it runs on."""

TRANSFER = {"wrappers.transfer", "wrappers.dirac_bridge", "wrappers.containers.directory_cache"}
RUNTIMES = {"wrappers.runtimes", "wrappers.containers", *TRANSFER}
NODE = {"wrappers.node", "wrappers.dirac", *RUNTIMES}

MAY_IMPORT = {
    "wrappers": {"wrappers"},
    # from the lowest layer of the wrapper to the highest
    **{f"{name.replace('.', '/')}.py": NODE_WORDS for name in sorted(NODE_WORDS)},
    "wrappers/dirac_bridge": {"wrappers.dirac_bridge"},  # it runs in the Python of a DIRAC client
    "wrappers/containers/directory_cache.py": NODE_WORDS,
    "wrappers/transfer": {*TRANSFER, *NODE_WORDS},
    "wrappers/containers": {"wrappers.containers", *TRANSFER, *NODE_WORDS},
    "wrappers/dirac": {"wrappers.dirac", *TRANSFER, *NODE_WORDS},
    "wrappers/runtimes": {*RUNTIMES, *NODE_WORDS},
    "wrappers/node": {*NODE, *NODE_WORDS},
    "wrappers/serve": {"wrappers.serve", *NODE, *NODE_WORDS},
    # the publication tool runs without an engine: it shares the words for failures, and how images are pulled
    "cvmfs_deploy": {
        "cvmfs_deploy",
        "engine.__version__",
        "engine.errors",
        "engine.clock",
        "engine.terminal",
        "engine.units",
        "wrappers.containers",
    },
    "engine/terminal.py": {"engine.__version__", "engine.errors", "engine.extras", "engine.xdg"},
    "engine/units.py": set(),
    "engine/xdg.py": set(),
    "engine/extras.py": set(),
    # a back-end's class says what its section of the settings holds
    "engine/settings": {"engine.settings", "engine.plugins", "engine.xdg", "engine.errors", "engine.ports"},
    "engine/errors.py": set(),
    "engine/http.py": set(),
    "engine/jwt.py": set(),
    "engine/clock.py": set(),
    "engine/ids.py": set(),
    "engine/interrupts.py": set(),
    "engine/usecases.py": {"engine.domain", "engine.errors"},
    "engine/ports.py": {"engine.domain", *SHARED},
    "engine/domain": {"engine.domain", *(SHARED - {"engine.ids"})},
    "engine/planning": {"engine.planning", "engine.domain", "engine.http", *SHARED},
    "engine/store": {"engine.store", "engine.domain", *SHARED},
    "engine/reconcile": {"engine.reconcile", "engine.store", *CORE, *SHARED},
    "engine/dirac": {"engine.dirac", "engine.settings.dirac", "wrappers.dirac_bridge", *CORE, *SHARED},
    "engine/backends": {
        "engine.backends",
        "engine.extras",
        "engine.http",
        "engine.jwt",
        "engine.dirac",
        "engine.settings",
        "engine.xdg",
        "wrappers.build",
        *CORE,
        *SHARED,
    },
    "engine/app": {
        "engine.app",
        "engine.http",
        "engine.jwt",
        "engine.settings",
        "engine.planning",
        "engine.reconcile",
        "engine.store",
        "engine.xdg",
        *TRANSFER_WORDS,
        *CORE,
        *SHARED,
    },
    "engine/api": {
        "engine.api",
        "engine.app",
        "engine.reconcile.context",
        "engine.settings",
        "engine.store",
        *TRANSFER_WORDS,
        *CORE,
        *SHARED,
    },
    "engine/vip": {
        "engine.extras",
        "engine.vip",
        "engine.app",
        "engine.log",
        "engine.planning.vip_keys",
        "engine.reconcile.layout",
        "engine.settings",
        "engine.store",
        "engine.wiring",
        "engine.xdg",
        "wrappers.transfer.redact",
        *CORE,
        *SHARED,
    },
    "engine/cli": {
        "engine.cli",
        "engine.client",
        "engine.app",
        "engine.log",
        "engine.planning",  # expanding and linting need no engine
        "engine.settings",
        "engine.terminal",
        "engine.units",
        "engine.wiring",
        "engine.xdg",
        "engine.domain",
        *SHARED,
    },
    "engine/catalogues": {
        "engine.catalogues",
        "engine.dirac",
        "engine.app.data.replica_map",
        *CORE,
        *SHARED,
    },
    "engine/holder.py": {"engine.ids", "wrappers.node.procfs"},
    "engine/log.py": set(),
    "engine/plugins.py": {"engine.errors"},
    "engine/testing": {"engine.testing", "wrappers.transfer.checksums", *CORE, *SHARED},
    "engine/client": {"engine.client", "engine.domain.job", "engine.domain.shown_states", *SHARED},
    "engine/storages": {
        "engine.storages",
        "engine.dirac",
        "engine.extras",
        "engine.http",
        "engine.jwt",
        "wrappers.transfer",
        *CORE,
        *SHARED,
    },
}
"""For each part, the prefixes of our own modules that it may import; what is not here may import all."""

EXCEPTIONS = {
    # on this machine the engine starts the serving wrapper itself and meets it in a directory
    Path("engine/backends/local.py"): {"wrappers.serve", "wrappers.node.files"},
    # it says how far the tables of another portal are
    Path("engine/cli/doctor.py"): {"engine.vip.plug"},
    # it starts and stops what answers over HTTP, and tries this machine out
    Path("engine/cli/serve.py"): {"engine.api.parts", "engine.vip.plug", "wrappers.runtimes.choose"},
    # commands close themselves to others of their account
    Path("engine/cli/session.py"): {"wrappers.prctl"},
    Path("engine/vip/__main__.py"): {"wrappers.prctl"},
    # what nodes speak decides what may be submitted
    Path("engine/app/access/node_files.py"): {"wrappers.transfer.schemes"},
    # it looks at this machine with the eyes of a job
    Path("engine/app/health/doctor.py"): {"wrappers.node.probe"},
    Path("engine/app/health/isolation.py"): {"wrappers.runtimes.support"},
}
