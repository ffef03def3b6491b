"""What the platform is, and how to log in."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from engine.api.carmin.caller import HEADER
from engine.api.carmin.models import AuthenticationHeader, ErrorCode, NameAndPassword, PlatformProperties
from engine.api.passwords import Passwords
from engine.app.portal.carmin import CarminError, Code
from engine.app.portal.users import Users
from engine.settings.service import PortalSection

LIMIT = 500
"""Executions of one page at most."""


def platform_routes(settings: PortalSection, users: Users, passwords: Passwords) -> APIRouter:
    """`/platform` and `/authenticate`."""
    router = APIRouter(tags=["platform"])
    properties = _properties(settings)

    @router.get("/platform", response_model=PlatformProperties)
    @router.put("/platform", response_model=PlatformProperties)  # how vip-client tries a key
    @router.post("/platform", response_model=PlatformProperties)
    def platform() -> PlatformProperties:
        """Describe the platform and what it can do. A wrong key is refused here too."""
        return properties

    @router.post("/authenticate", response_model=AuthenticationHeader)
    async def authenticate(credentials: NameAndPassword, request: Request) -> AuthenticationHeader:
        """Change a name and a password for the header that opens everything else."""
        address = request.client.host if request.client else ""
        account = await passwords.account(credentials.username, credentials.password, address)
        if account is None:
            raise CarminError(Code.BAD_CREDENTIALS, "Bad credentials")
        session = await run_in_threadpool(users.session, account)
        return AuthenticationHeader(httpHeader=HEADER, httpHeaderValue=session)

    return router


def _properties(settings: PortalSection) -> PlatformProperties:
    words = {code: code.name.lower().replace("_", " ") for code in Code}
    return PlatformProperties(
        platformName=settings.name,
        APIErrorCodesAndMessages=[
            ErrorCode(errorCode=int(code), errorMessage=text) for code, text in words.items()
        ],
        supportedTransferProtocols=["https"],
        supportedModules=["Processing", "Data"],
        defaultLimitListExecutions=LIMIT,
        email=settings.email,
        platformDescription=settings.description,
        minAuthorizedExecutionTimeout=0,
        maxAuthorizedExecutionTimeout=0,
        unsupportedMethods=[],
        maxSizeDirectTransfer=2**63 - 1,
        defaultStudy=None,
        supportedAPIVersion="0.3",
        oidcLoginProviders=sorted(settings.issuers),
    )
