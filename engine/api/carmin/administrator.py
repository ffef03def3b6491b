"""Who may use `/admin/...`: asked by each of its routes, decided in `engine.domain.access`."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from engine.api.carmin.caller import Caller
from engine.app.portal.carmin import CarminError, Code
from engine.domain.access import may_administer
from engine.domain.account import Account


async def _administrator(caller: Caller) -> Account:
    if not may_administer(caller):
        raise CarminError(Code.PIPELINE_NOT_ALLOWED, "only administrators may do this", status=403)
    return caller


Administrator = Annotated[Account, Depends(_administrator)]
"""The account of whoever calls, who is an administrator; everybody else is refused."""
TAG = "administration (not of CARMIN)"
