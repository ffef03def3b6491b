"""How much the platform is used: `/admin/usage`, and VIP's `/statistics` from the same figures."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from engine.api.carmin.administrator import TAG, Administrator
from engine.app.portal.carmin import CarminError, Code
from engine.app.portal.users import Users
from engine.errors import BadRequest

Usage = Callable[[Sequence[str], str, str], list[dict[str, Any]]]
_VIP_DATE = re.compile(r"(\d{2})-(\d{2})-(\d{4})( \d{2}:\d{2}:\d{2})?", re.ASCII)


def statistics_routes(usage: Usage, users: Users) -> APIRouter:
    """Make the routes."""
    router = APIRouter(tags=[TAG])

    @router.get("/admin/usage", response_model=list[dict[str, Any]])
    def by_dimensions(
        caller: Administrator,
        by: Annotated[list[str] | None, Query(max_length=6)] = None,
        since: Annotated[str, Query(max_length=7)] = "",
        until: Annotated[str, Query(max_length=7)] = "",
    ) -> list[dict[str, Any]]:
        """Give jobs, core hours, GPU hours, bytes and failures, summed by dimensions, of whole months."""
        try:
            return usage(list(dict.fromkeys(by or ["user"])), since, until)
        except BadRequest as error:
            raise CarminError(Code.GENERIC, str(error)) from None

    @router.get("/statistics/service/vip", response_model=dict[str, Any])
    @router.get("/statistics/service/vip/{start}", response_model=dict[str, Any])
    @router.get("/statistics/service/vip/{start}/{end}", response_model=dict[str, Any])
    def service(caller: Administrator, start: str = "", end: str = "") -> dict[str, Any]:
        """Count the jobs that ended in the months between two dates."""
        found = usage([], _month(start), _month(end))
        return {"start": start or None, "end": end or None, "total": found[0]["jobs"] if found else 0}

    @router.get("/statistics/users", response_model=dict[str, Any])
    @router.get("/statistics/users/{start}", response_model=dict[str, Any])
    @router.get("/statistics/users/{start}/{end}", response_model=dict[str, Any])
    def people(caller: Administrator, start: str = "", end: str = "") -> dict[str, Any]:
        """Tell whose jobs ended in the months between two dates."""
        active = {one["user"] for one in usage(["user"], _month(start), _month(end))}
        found = [one.name for one in users.all() if one.name in active]
        return {"start": start or None, "end": end or None, "total": len(found), "users": found}

    return router


def _month(date: str) -> str:
    """Read a date as VIP writes it, `dd-MM-yyyy HH:mm:ss`."""
    if not date:
        return ""
    found = _VIP_DATE.fullmatch(date)
    try:
        day, month, year = (int(part) for part in found.groups()[:3]) if found else (0, 0, 0)
        return datetime(year, month, day, tzinfo=UTC).strftime("%Y-%m")
    except ValueError:
        raise CarminError(Code.BAD_DATE, f"{date[:40]!r} is no date: dd-MM-yyyy HH:mm:ss") from None
