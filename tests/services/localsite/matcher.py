"""A DiracX server with the two parts that it lacks to run jobs: an optimizer and a matcher.

For tests and small trials only. In production these are DIRAC's own services (OptimizationMind and the
optimizers; Matcher), and DiracX 0.7 has none of its own. Nothing of the server is changed: this application
adds a background task and one route, `POST /api/localsite/match`, to it.

This file runs in the Python of the server (diracx-routers, diracx-testing), not in the engine's:

    uvicorn --factory matcher:create_app --app-dir <this directory>
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from DIRACCommon.Core.Utilities.ClassAd.ClassAdLight import ClassAd
from DIRACCommon.WorkloadManagementSystem.DB.JobDBUtils import extractJDL
from diracx.core.config import ConfigSource
from diracx.core.exceptions import SandboxAlreadyAssignedError, SandboxNotFoundError
from diracx.core.models import AccessTokenPayload, JobLoggingRecord, JobStatus, JobStatusUpdate, SandboxType
from diracx.core.properties import GENERIC_PILOT, JOB_ADMINISTRATOR
from diracx.core.settings import AuthSettings
from diracx.db.sql import JobDB, JobLoggingDB, SandboxMetadataDB
from diracx.db.sql.job.schema import Jobs
from diracx.db.sql.utils import BaseSQLDB
from diracx.logic.auth.token import create_token
from diracx.logic.jobs import set_job_statuses
from diracx.routers.fastapi_classes import DiracxRouter
from diracx.routers.utils import AuthorizedUserInfo, verify_dirac_access_token
from diracx.testing.routers import create_app as create_server
from fastapi import Depends, HTTPException
from pydantic import BaseModel
from sqlalchemy import select, update
from uuid_utils import uuid7

log = logging.getLogger("localsite")
router = DiracxRouter()

CANDIDATES = 50
"""Waiting jobs that one match looks at."""
PAUSE = float(os.environ.get("LOCALSITE_PAUSE", "0.2"))
"""Seconds between two looks for new jobs; `IDLE_PAUSE` when there was none for `IDLE_AFTER` seconds."""
IDLE_AFTER, IDLE_PAUSE = 30.0, 1.0
BATCH = 500


class Pilot(BaseModel):
    """Who asks for a job."""

    site: str
    tags: list[str] = []
    token_minutes: int = 24 * 60


@router.post("/match")
async def match(
    pilot: Pilot,
    job_db: JobDB,
    job_logging_db: JobLoggingDB,
    sandbox_db: SandboxMetadataDB,
    settings: AuthSettings,
    user: Annotated[AuthorizedUserInfo, Depends(verify_dirac_access_token)],
) -> dict[str, Any]:
    """Give a waiting job to a pilot, once: the job's description, and a token to act for its owner."""
    if not ({GENERIC_PILOT, JOB_ADMINISTRATOR} & set(user.properties)):
        raise HTTPException(403, "pilots only")
    jobs = Jobs.__table__
    waiting = select(jobs.c.JobID, jobs.c.Owner, jobs.c.OwnerGroup, jobs.c.VO).where(
        jobs.c.Status == "Waiting", jobs.c.Site.in_([pilot.site, "ANY", "Multiple"]), user.vo == jobs.c.VO
    )
    order = waiting.order_by(jobs.c.UserPriority.desc(), jobs.c.JobID).limit(CANDIDATES)
    for job in (await job_db.conn.execute(order)).all():
        jdl = extractJDL((await job_db.get_job_jdls([job.JobID]))[job.JobID])
        if not suits(ClassAd(jdl), pilot):
            continue
        now = datetime.now(UTC)
        taken = await job_db.conn.execute(
            update(jobs)
            .where(jobs.c.JobID == job.JobID, jobs.c.Status == "Waiting")
            .values(Status="Matched", MinorStatus="Assigned", Site=pilot.site, LastUpdateTime=now)
        )
        if taken.rowcount != 1:
            continue
        await job_logging_db.insert_records([record(job.JobID, now)])
        return {
            "JobID": job.JobID,
            "Description": description_of(ClassAd(jdl)),
            "Token": token_for(job, settings, now + timedelta(minutes=pilot.token_minutes)),
            "InputSandbox": await sandbox_db.get_sandbox_assigned_to_job(job.JobID, SandboxType.Input),
        }
    return {}


def description_of(jdl: ClassAd) -> dict[str, Any]:
    """What a site must know of a job."""
    texts = {
        name: jdl.getAttributeString(name) for name in ("Executable", "Arguments", "StdOutput", "StdError")
    }
    lists = {name: jdl.getListFromExpression(name) or [] for name in ("InputSandbox", "OutputSandbox")}
    return {**texts, **lists}


def suits(description: ClassAd, pilot: Pilot) -> bool:
    """Whether a job may run at a site."""
    sites = description.getListFromExpression("Site") or []
    banned = description.getListFromExpression("BannedSites") or []
    tags = description.getListFromExpression("Tags") or []
    wanted = [site for site in sites if site not in ("ANY", "Any")]
    allowed = pilot.site not in banned and (not wanted or pilot.site in wanted)
    return allowed and set(tags) <= set(pilot.tags)


def record(job_id: int, at: datetime) -> JobLoggingRecord:
    """The line of the job's story that tells of its match."""
    return JobLoggingRecord(
        job_id=job_id,
        status=JobStatus.MATCHED,
        minor_status="Assigned",
        application_status="idem",
        date=at,
        source="LocalMatcher",
    )


def token_for(job: Any, settings: AuthSettings, expires: datetime) -> str:
    """An access token of the job's owner, as pilots of the future will get one."""
    claims = AccessTokenPayload(
        sub=f"{job.VO}:{job.Owner}",
        vo=job.VO,
        iss=settings.token_issuer,
        jti=str(uuid7()),
        dirac_properties=["NormalUser"],
        preferred_username=job.Owner,
        dirac_group=job.OwnerGroup,
        dirac_policies={},
        exp=expires,
    )
    return str(create_token(claims, settings))


async def optimise(dbs: dict[str, Any], config: Any) -> int:
    """Bring new jobs to Waiting, and tie their input sandboxes to them; gives how many."""
    jobs, se = Jobs.__table__, os.environ.get("DIRACX_SANDBOX_STORE_SE_NAME", "SandboxSE")
    async with dbs["JobDB"] as job_db:
        new = select(jobs.c.JobID).where(jobs.c.Status.in_(["Submitting", "Received"])).limit(BATCH)
        ids = list((await job_db.conn.execute(new)).scalars())
        jdls = await job_db.get_job_jdls(ids) if ids else {}
    changes: dict[int, dict[datetime, JobStatusUpdate]] = {}
    now = datetime.now(UTC)
    for id_ in ids:
        for name in ClassAd(extractJDL(jdls[id_])).getListFromExpression("InputSandbox") or []:
            with contextlib.suppress(SandboxAlreadyAssignedError, SandboxNotFoundError):
                async with dbs["SandboxMetadataDB"] as sandbox_db:
                    await sandbox_db.assign_sandbox_to_jobs(
                        [id_], name.split("|", 1)[-1], SandboxType.Input, se
                    )
        steps = [
            ("Received", "Job accepted"),
            ("Checking", "JobSanity"),
            ("Waiting", "Pilot Agent Submission"),
        ]
        changes[id_] = {
            now + timedelta(microseconds=n): JobStatusUpdate(Status=s, MinorStatus=m, Source="LocalOptimizer")
            for n, (s, m) in enumerate(steps)
        }
    if changes:
        async with dbs["JobDB"] as job_db, dbs["JobLoggingDB"] as logging_db, dbs["TaskQueueDB"] as queue_db:
            await set_job_statuses(
                changes, config=config, job_db=job_db, job_logging_db=logging_db, task_queue_db=queue_db
            )
    return len(ids)


@contextlib.asynccontextmanager
async def optimizer() -> AsyncIterator[None]:
    """Runs `optimise` for as long as the server."""
    urls = BaseSQLDB.available_urls()
    names = ("JobDB", "JobLoggingDB", "TaskQueueDB", "SandboxMetadataDB")
    dbs = {name: BaseSQLDB.available_implementations(name)[0](urls[name]) for name in names}
    source = ConfigSource.create()

    async def loop() -> None:
        worked = time.monotonic()
        while True:
            try:
                if await optimise(dbs, await source.read_non_blocking()):
                    worked = time.monotonic()
                    continue
            except Exception as error:  # the server may not be ready yet
                log.warning("optimizer: %r", error)
            is_idle = time.monotonic() - worked > IDLE_AFTER
            await asyncio.sleep(max(PAUSE, IDLE_PAUSE) if is_idle else PAUSE)

    async with contextlib.AsyncExitStack() as stack:
        for db in dbs.values():
            await stack.enter_async_context(db.engine_context())
        task = asyncio.create_task(loop())
        try:
            yield
        finally:
            task.cancel()


def create_app() -> Any:
    """The server, with what it lacks."""
    app = create_server()
    app.include_router(
        router,
        prefix="/api/localsite",
        tags=["localsite"],
        dependencies=[Depends(verify_dirac_access_token)],
    )
    if os.environ.get("LOCALSITE_OPTIMIZER", "yes") == "yes":
        app.lifetime_functions.append(optimizer)
    return app
