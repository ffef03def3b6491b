"""Starting executions of the portal, from what a client asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from sqlalchemy.engine import Connection

from engine.app.access.paths import encoded
from engine.app.application import Application
from engine.app.data.platforms import PlatformKeys
from engine.app.portal import sessions, values, virtual
from engine.app.portal.audit import AuditTrail
from engine.app.portal.carmin import CarminError, Code
from engine.app.portal.executor_settings import ExecutorSettings
from engine.app.portal.inputs import Inputs
from engine.app.portal.pipelines import Pipelines
from engine.app.portal.quotas import Quotas, has_no_room
from engine.app.portal.records import Records
from engine.app.portal.tasks import most_running
from engine.app.portal.tree import FileTree
from engine.app.portal.trial import Trials
from engine.app.portal.uploads import check_uploaded
from engine.app.portal.virtual import owner_of
from engine.app.requests import SubmitRequest
from engine.clock import Clock
from engine.domain.access import may_launch
from engine.domain.account import Account
from engine.domain.execution import Intent
from engine.errors import BadRequest
from engine.ids import ExecutionId, new_id
from engine.planning import CompiledTool, Descriptor, Sweep, compile_tool, is_published, load_descriptor
from engine.planning.vip_keys import RESULTS_DIRECTORY
from engine.settings.tree import Settings
from engine.store import accounts, executions, launches
from engine.store.database import Database
from engine.store.executions import Execution
from engine.store.launches import Launch

DEFAULT_LOCATION = "/vip/Home"


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """What a client asks to have run."""

    name: str
    pipeline: str = ""
    """`name/version`, or the DOI of a descriptor (`zenodo.N`)."""
    descriptor: Mapping[str, Any] | None = None
    """A descriptor of the user's own, in place of a pipeline."""
    values: Mapping[str, Any] = field(default_factory=dict)
    location: str = ""
    """Where results go: a directory of the virtual tree, or a directory of a registered storage."""
    study: str = ""
    key: str | None = None
    """The client's: the same key again is the execution of then."""
    address: str = ""
    """Of the client."""
    trusted: bool = False
    """Whether another portal asks, which has checked its users: its descriptor is as good as a published one,
    and files of the shared directories may be named."""
    settings: ExecutorSettings = field(default_factory=ExecutorSettings)
    """What it asks of the back-end."""


_APART_S = 1.1
"""Seconds that a launch takes at least whose results go directly into a folder elsewhere: vip-client's
VipGirder names the folder of each run by the second, and two runs in one would get each other's files."""


class Launcher:
    """Starts executions."""

    def __init__(
        self,
        db: Database,
        settings: Settings,
        pipelines: Pipelines,
        trail: AuditTrail,
        applications: Callable[[str, str], Application],
        tree: FileTree,
        records: Records,
        quotas: Quotas,
        trials: Trials,
        clock: Clock,
    ) -> None:
        self._db = db
        self._settings = settings
        self._pipelines = pipelines
        self._trail = trail
        self._applications = applications
        self._tree = tree
        self._records = records
        self._quotas = quotas
        self._trials = trials
        self._clock = clock

    def launch(self, account: Account, wanted: LaunchRequest) -> Launch:
        """Start an execution, or have it wait for its turn.

        Raises:
            Refused: something of the wish is wrong, or not for this account.
            Unavailable: a service that is needed does not answer.
        """
        if not may_launch(account):
            raise CarminError(Code.BAD_EXECUTION, "this account may not start executions")
        values.check_name(wanted.name)
        location = wanted.location or _text(wanted.values.get(RESULTS_DIRECTORY)) or DEFAULT_LOCATION
        detached = sessions.detach(wanted.values, location, self._settings.storages)
        wanted = replace(wanted, values=detached.values, location=detached.location)
        self._check_queue(account)
        id_, storages = ExecutionId(new_id()), self._settings.storages
        keys = PlatformKeys.of(account.id, storages, id_)
        with sessions.kept(detached.sessions, keys, storages, self._clock.now()):
            return self._start(account, wanted, id_)

    def _start(self, account: Account, wanted: LaunchRequest, id_: ExecutionId) -> Launch:
        location = wanted.location
        descriptor, compiled, uploaded, trusted = self._descriptor(account, wanted)
        invocation = values.invocation(compiled.tool, wanted.values)
        app = self._applications(account.id, id_)
        begun = app.now()
        asked, backend = wanted.settings, self._backend(wanted.settings.executor)
        remote = app.needs_staging(backend)
        inputs = Inputs(
            account,
            self._settings,
            self._tree,
            remote=remote,
            shared=wanted.trusted,
            url_of_id=app.url_of_id,
        )
        inputs.look_at(values.files(compiled.tool, invocation))  # refused with the code of its reason
        self._check_room(account, location)
        results, stores, copies = inputs.results(location, self._records.check_writable)
        most = account.quota.jobs if account.quota.jobs is not None else self._settings.portal.jobs
        request = SubmitRequest(
            descriptor=descriptor,
            invocations=[invocation],
            backend=backend,
            environment=asked.environment,
            retries=asked.retries,
            grid=asked.grid,
            wall=None if remote else asked.grid.cpu_time,
            sweep=Sweep(vip=True, max_jobs=min(most, asked.jobs or most), list_directory=inputs.names),
            results=results,
            stores=stores,
            copies=copies,
            spare=encoded(virtual.logs_of(account.id)),  # where its user finds them
            runtimes=[one for one in self._settings.portal.runtimes if one != "none" or not uploaded],
            understand=inputs.understand,
            isolated=self._isolated(app, backend, trusted=trusted),
            key=f"{account.id}:{wanted.key}" if wanted.key else None,
            id=id_,
        )
        made: list[Launch] = []

        def also(connection: Connection, execution: Execution) -> None:
            new = Launch(
                execution.id,
                account.id,
                wanted.pipeline,
                wanted.name,
                _plain(wanted.values),
                location,
                wanted.study,
                address=wanted.address,
            )
            made.append(self._write(connection, account, new, execution, inputs.names_used))

        try:
            view, new = app.submit(app.plan(request), also=also)
        except CarminError:
            raise
        except BadRequest as error:
            raise self._refused(account, error) from None
        if new:
            if copies:
                app.pause(begun + _APART_S - app.now())
            return made[0]
        with self._db.read() as connection:
            earlier = launches.get(connection, view.id)
        if earlier is None:
            raise CarminError(Code.BAD_EXECUTION, "the execution of this key was purged; use another key")
        return earlier

    def _write(
        self,
        connection: Connection,
        account: Account,
        new: Launch,
        execution: Execution,
        used: Sequence[str],
    ) -> Launch:
        """Write what becomes true together with the execution: its launch, whose turn it is, the audit
        record.
        """
        accounts.lock(connection, account.id)
        current = accounts.by_id(connection, account.id)
        if current is None or not may_launch(current):  # since planning began
            raise CarminError(Code.BAD_CREDENTIALS, "this account is locked", status=401)
        running, _ = launches.in_progress(connection, account.id)
        waits = running >= most_running(account, self._settings.portal)
        new = replace(new, waiting=waits)
        launches.add(connection, new)
        if waits:
            executions.set_intent(connection, execution.id, Intent.PAUSE, now=execution.created_at)
        record = self._trail.entry(
            account.id,
            "launch",
            "waiting" if waits else "running",
            execution_id=execution.id,
            pipeline=new.pipeline,
            descriptor_sha256=execution.descriptor_sha256,
            data=self._trail.data_ids([*used, new.location]),
        )
        self._trail.append(connection, [record])
        return new

    def _backend(self, executor: str) -> str:
        """Find the back-end that stands for an executor of GASW.

        Raises:
            Refused: there is none.
        """
        usual = self._settings.backend
        kinds = {"": (), "LOCAL": ("local",), "DIRAC": ("diracx", "dirac")}[executor]
        backends = self._settings.backends
        if not kinds or (usual in backends and backends[usual].kind in kinds):
            return usual
        for kind in kinds:
            for name, section in backends.items():
                if section.kind == kind:
                    return name
        raise CarminError(
            Code.BAD_EXECUTION, f"settings: 'default.executor' {executor}: there is no such back-end here"
        )

    def _isolated(self, app: Application, backend: str, *, trusted: bool) -> bool:
        """Say whether a tool must be kept apart from the engine; elsewhere the site keeps users apart."""
        return self._settings.portal.isolation == "required" and app.runs_here(backend) and not trusted

    def _check_queue(self, account: Account) -> None:
        with self._db.read() as connection:
            running, waiting = launches.in_progress(connection, account.id)
        quota, usual = account.quota, self._settings.portal
        most = quota.waiting if quota.waiting is not None else usual.waiting
        if running >= most_running(account, usual) and waiting >= most:
            raise CarminError(
                Code.USER_FULL,
                f"{running} executions of yours run and {waiting} wait: no more can be taken now",
                remedy="wait for the end of some, or kill some",
            )

    def _check_room(self, account: Account, location: str) -> None:
        """Where results and logs will lie there must be room for them."""
        owners = {owner_of(virtual.home_of(account.id))}
        if location.startswith("/") and (stored := virtual.locate_text(account, location).stored):
            owners.add(owner_of(stored))
        if why := has_no_room(self._quotas, owners):
            raise CarminError(
                Code.GENERIC,
                f"the quota is used up: {why}",
                remedy="remove files, also from /vip/Trash",
                status=413,
            )

    def _descriptor(
        self, account: Account, wanted: LaunchRequest
    ) -> tuple[Descriptor, CompiledTool, bool, bool]:
        """Find the descriptor, compiled; tell whether it is the user's own, and whether it is trusted."""
        if wanted.descriptor is None and "/" in wanted.pipeline and not is_published(wanted.pipeline):
            found = self._pipelines.get(account, wanted.pipeline)
            return found.descriptor, found.compiled, False, found.pipeline.trusted
        if wanted.descriptor is None and not is_published(wanted.pipeline):
            raise CarminError(
                Code.BAD_PIPELINE_IDENTIFIER, "a pipeline is needed: name/version, or a DOI of Zenodo"
            )
        if wanted.trusted and wanted.descriptor is not None:
            return *self._looked_through(account, partial(Descriptor.of, wanted.descriptor)), False, False
        if not self._settings.portal.uploads:
            raise CarminError(Code.PIPELINE_NOT_ALLOWED, "only published pipelines can be launched here")
        find = partial(
            load_descriptor,
            wanted.pipeline,
            network=self._settings.portal.zenodo,
            endpoint=self._settings.zenodo,
        )
        if wanted.descriptor is not None:
            find = partial(Descriptor.of, wanted.descriptor)
        descriptor, compiled = self._looked_through(account, find)
        check_uploaded(compiled.tool, self._settings.portal.registries)
        return descriptor, compiled, True, False

    def _looked_through(
        self, account: Account, find: Callable[[], Descriptor]
    ) -> tuple[Descriptor, CompiledTool]:
        """Compile a descriptor of somebody else's, if that does not take long."""
        try:
            descriptor = find()
            self._trials.check(account.id, descriptor.data)
            return descriptor, compile_tool(descriptor)
        except BadRequest as error:
            raise CarminError(Code.WRONG_DESCRIPTOR, error.message) from None

    def _refused(self, account: Account, error: BadRequest) -> CarminError:
        """Translate a refusal for a user: nothing of this machine is said."""
        text = error.problems[0] if error.problems else error.message
        for base in (virtual.home_of(account.id), ()):
            text = text.replace(self._tree.address(base, remote=False), "/vip/Home" if base else "")
        return CarminError(Code.BAD_INPUT, text)


def _text(value: Any) -> str:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) else ""


def _plain(given: Mapping[str, Any]) -> dict[str, Any]:
    return {id_: value for id_, value in given.items() if id_ != RESULTS_DIRECTORY}
