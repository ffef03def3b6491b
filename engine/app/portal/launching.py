"""Starting executions of the portal, from what a client asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from engine.app.access.paths import encoded
from engine.app.application import Application
from engine.app.data.platforms import PlatformKeys
from engine.app.portal import sessions, values, virtual
from engine.app.portal.audit import AuditTrail
from engine.app.portal.carmin import CarminError, Code
from engine.app.portal.given_jobs import merged, points_of
from engine.app.portal.inputs import Inputs
from engine.app.portal.launch_descriptors import LaunchDescriptors
from engine.app.portal.launch_options import check_resources, chosen_runtimes
from engine.app.portal.launch_request import Launched, LaunchRequest
from engine.app.portal.pipelines import Pipelines
from engine.app.portal.quotas import Quotas, has_no_room
from engine.app.portal.records import Records
from engine.app.portal.shown_messages import shown_message
from engine.app.portal.tasks import most_running
from engine.app.portal.tree import FileTree
from engine.app.portal.trial import Trials
from engine.app.portal.virtual import owner_of
from engine.app.requests import SubmitRequest
from engine.clock import Clock
from engine.domain.access import may_launch
from engine.domain.account import Account
from engine.domain.execution import Intent
from engine.domain.file_urls import to_url
from engine.domain.urls import name_of
from engine.errors import BadRequest
from engine.ids import ExecutionId, new_id
from engine.planning import Sweep
from engine.planning.vip_keys import RESULTS_DIRECTORY
from engine.settings.tree import Settings
from engine.store import accounts, executions, launches
from engine.store.database import Database
from engine.store.executions import Execution
from engine.store.launches import Launch

DEFAULT_LOCATION = "/vip/Home"
LARGEST_PLAN = 16 << 20
"""Characters of a plan that is shown: each job has its command line, which may be long."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A request, understood."""

    app: Application
    request: SubmitRequest
    inputs: Inputs


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
        self.descriptors = LaunchDescriptors(settings, pipelines, trials)
        self._trail = trail
        self._applications = applications
        self._tree = tree
        self._records = records
        self._quotas = quotas
        self._clock = clock

    def launch(self, account: Account, wanted: LaunchRequest) -> Launch:
        """Start an execution, or have it wait for its turn.

        Raises:
            CarminError, Unavailable: see `submit`.
        """
        return self.submit(account, wanted).launch

    def submit(self, account: Account, wanted: LaunchRequest) -> Launched:
        """Start an execution, or have it wait for its turn; tell whether it is new, and what its user should
        know.

        Raises:
            CarminError: something of the wish is wrong, or not for this account.
            Unavailable: a service that is needed does not answer.
        """
        with self._detached(account, wanted) as (wanted, id_):
            with self._db.read() as connection:
                self._check_queue(connection, account)
            return self._start(account, wanted, id_)

    def plan(
        self, account: Account, wanted: LaunchRequest
    ) -> tuple[Sequence[Mapping[str, Any]], Sequence[str]]:
        """Tell each job as it would run, and what its user should know; nothing is written.

        Raises:
            CarminError, Unavailable: as for `submit`.
        """
        seen = virtual.bases(account)

        def said(text: str) -> str:
            url = to_url(Path(text)) if text.startswith("/") else text
            stored = self._tree.path_of(url)
            found = url if stored is None else virtual.virtual_path(seen, stored)
            return found if found and not found.startswith("file:") else f".../{name_of(url)}"

        with self._detached(account, wanted, keep=False) as (wanted, id_):
            prepared = self._prepared(account, wanted, id_)
            try:
                planned = prepared.app.plan(prepared.request)
                jobs, left = list[Mapping[str, Any]](), LARGEST_PLAN
                for one in prepared.app.dry_run(planned):
                    jobs.append(_shown(one, said))
                    left -= len(str(jobs[-1]))
                    if left < 0:
                        words = f"the plan is larger than {LARGEST_PLAN >> 20} MB of text"
                        raise CarminError(Code.BAD_EXECUTION, words, remedy="--first N shows the first ones")
            except CarminError:
                raise
            except BadRequest as error:
                raise self._refused(account, error) from None
        return jobs, _warning_texts(planned.warnings)

    @contextmanager
    def _detached(
        self, account: Account, wanted: LaunchRequest, *, keep: bool = True
    ) -> Iterator[tuple[LaunchRequest, ExecutionId]]:
        """Take the tokens out of what is wanted, and keep them for the execution of a new id; for good if
        nothing is raised, and `keep` says so.
        """
        if not may_launch(account):
            raise CarminError(Code.BAD_EXECUTION, "this account may not start executions")
        values.check_name(wanted.name)
        self._check_number(account, wanted)
        id_, storages = ExecutionId(new_id()), self._settings.storages
        location = wanted.location or _text(wanted.values.get(RESULTS_DIRECTORY)) or DEFAULT_LOCATION
        found = sessions.detach(wanted.values, location, storages)
        wanted = replace(wanted, values=found.values, location=found.location)
        if wanted.jobs is not None:
            jobs = []
            for job in wanted.jobs:
                one = sessions.detach(job.values, "", storages)
                jobs.append(replace(job, values=one.values))
                found.sessions.update(one.sessions)
            wanted = replace(wanted, jobs=jobs, values=merged(jobs))
        keys = PlatformKeys.of(account.id, storages, id_)
        with sessions.kept(found.sessions, keys, storages, self._clock.now()):
            yield wanted, id_
        if not keep and keys.exist:
            keys.forget()

    def _prepared(self, account: Account, wanted: LaunchRequest, id_: ExecutionId) -> _Prepared:
        """Understand a request, but for where its results go."""
        descriptor, compiled, uploaded, trusted = self.descriptors.find(account, wanted)
        tool = compiled.tool
        points = None if wanted.jobs is None else points_of(tool, wanted.jobs)
        given = (
            [values.invocation(tool, wanted.values)]
            if points is None
            else [point.invocation for point in points]
        )
        app = self._applications(account.id, id_)
        asked, options, backend = wanted.settings, wanted.options, self._backend(wanted.settings.executor)
        check_resources(options, tool, self._settings.limits)
        remote = app.needs_staging(backend)
        inputs = Inputs(
            account,
            self._settings,
            self._tree,
            remote=remote,
            shared=wanted.trusted,
            url_of_id=app.url_of_id,
            coming=wanted.coming,
        )
        # refused with the code of its reason
        inputs.look_at(named for one in given for named in values.files(tool, one))
        offered, usual = (
            [one for one in some if one != "none" or not uploaded]
            for some in (self._settings.portal.runtimes, self._settings.node_of(backend).runtimes)
        )
        if tool.image is not None:  # nobody takes a tool out of its container
            usual = [one for one in usual if one != "none"]
        return _Prepared(
            app,
            SubmitRequest(
                descriptor=descriptor,
                invocations=given if points is None else (),
                points=points,
                backend=backend,
                environment=asked.environment,
                retries=asked.retries,
                grid=asked.grid,
                cores=options.cores,
                memory=options.memory,
                wall=options.wall or (None if remote else asked.grid.cpu_time),
                group=options.group,
                root="readonly" if options.read_only else "",
                results_name=options.results_name,
                sweep=Sweep(vip=True, max_jobs=self._most_jobs(account, wanted), list_directory=inputs.names),
                spare=encoded(virtual.logs_of(account.id)),  # where its user finds them
                runtimes=chosen_runtimes(options.runtimes, offered, usual),
                understand=inputs.understand,
                coming=inputs.coming,
                isolated=self._isolated(app, backend, trusted=trusted),
                key=f"{account.id}:{wanted.key}" if wanted.key else None,
                id=id_,
            ),
            inputs,
        )

    def _start(self, account: Account, wanted: LaunchRequest, id_: ExecutionId) -> Launched:
        location = wanted.location
        prepared = self._prepared(account, wanted, id_)
        app, inputs = prepared.app, prepared.inputs
        begun = app.now()
        self._check_room(account, location)
        results, stores, copies = inputs.results(location, self._records.check_writable)
        request = replace(prepared.request, results=results, stores=stores, copies=copies)
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
            planned = app.plan(request)
            view, new = app.submit(planned, also=also)
        except CarminError:
            raise
        except BadRequest as error:
            raise self._refused(account, error) from None
        warnings = _warning_texts(planned.warnings)
        if new:
            if copies:
                app.wait(begun + _APART_S - app.now())
            return Launched(made[0], True, warnings)
        with self._db.read() as connection:
            earlier = launches.get(connection, view.id)
        if earlier is None:
            raise CarminError(Code.BAD_EXECUTION, "the execution of this key was purged; use another key")
        return Launched(earlier, False, warnings)

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
        running = self._check_queue(connection, account)  # others of the same account may have come first
        waits = running >= most_running(account, self._settings.portal)
        new = replace(new, waiting=waits)
        launches.add(connection, new)
        if waits:
            executions.set_intent(connection, execution.id, Intent.WAIT, now=execution.created_at)
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
            CarminError: there is none.
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

    def _most_jobs(self, account: Account, wanted: LaunchRequest) -> int:
        most = account.quota.jobs if account.quota.jobs is not None else self._settings.portal.jobs
        return min(most, wanted.settings.jobs or most)

    def _check_number(self, account: Account, wanted: LaunchRequest) -> None:
        """See that there are not too many jobs, before anything is made of each."""
        most = self._most_jobs(account, wanted)
        if wanted.jobs is not None and len(wanted.jobs) > most:
            words = f"the request makes more than {most} jobs"
            raise CarminError(Code.BAD_EXECUTION, words, remedy="--first takes the first ones")

    def _check_queue(self, connection: Connection, account: Account) -> int:
        """Return how many executions of an account run.

        Raises:
            CarminError: no more may wait either.
        """
        running, waiting = launches.in_progress(connection, account.id)
        quota, usual = account.quota, self._settings.portal
        most = quota.waiting if quota.waiting is not None else usual.waiting
        if running >= most_running(account, usual) and waiting >= most:
            raise CarminError(
                Code.USER_FULL,
                f"{running} executions of yours run and {waiting} wait: no more can be taken now",
                remedy="wait for the end of some, or kill some",
            )
        return running

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

    def _refused(self, account: Account, error: BadRequest) -> CarminError:
        """Translate a refusal for a user: nothing of this machine is said."""
        text = error.problems[0] if error.problems else error.message
        text = text.replace(f"key {account.id}:", "key ")
        for base in (virtual.home_of(account.id), ()):
            text = text.replace(self._tree.address(base, remote=False), "/vip/Home" if base else "")
        return CarminError(Code.BAD_INPUT, text)


def _warning_texts(warnings: Sequence[str]) -> list[str]:
    return [shown_message(line, lambda url: None) for line in warnings]


def _shown(job: Mapping[str, Any], said: Callable[[str], str]) -> Mapping[str, Any]:
    """Tell a job that is planned, with the paths of its user in place of those of this machine."""
    inputs = [{**one, "from": said(one["from"])} for one in job["inputs"]]
    image = job["image"] and shown_message(job["image"], lambda url: None)
    by = job["pinned_by"] and shown_message(job["pinned_by"], lambda url: None)
    return {**job, "inputs": inputs, "image": image, "pinned_by": by}


def _text(value: Any) -> str:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) else ""


def _plain(given: Mapping[str, Any]) -> dict[str, Any]:
    return {id_: value for id_, value in given.items() if id_ != RESULTS_DIRECTORY}
