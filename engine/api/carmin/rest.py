"""The portal's interface as one part of the HTTP side: guarded, with its own threads for files."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from fastapi.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from engine.api.asgi import Message, Receive, Send
from engine.api.carmin.app import carmin
from engine.api.carmin.caller import Authenticator, Bearer
from engine.api.carmin.files import TreeFiles
from engine.api.carmin.guard import Observe, RequestGuard
from engine.api.passwords import Passwords
from engine.app.portal.failures import Failures
from engine.app.portal.portal import Portal
from engine.app.portal.tree import FileTree
from engine.clock import Clock

_THREADS = 16
_TRANSFERS = 64
"""Files that move at a time; nothing is held in memory for the others but their requests."""


class RestApplication:
    """The ASGI application below `/rest`."""

    def __init__(self, portal: Portal, tree: FileTree, clock: Clock, observe: Observe) -> None:
        failures = Failures(portal.settings.portal.failures, clock)
        half = max(1, portal.settings.api.connections // 2)  # the others are for who does not guess
        self.passwords = Passwords(portal.users, failures, clock, waiting=half)
        self._executor = ThreadPoolExecutor(_THREADS, "files")
        self._transfers = ThreadPoolExecutor(_TRANSFERS, "transfers")

        files = TreeFiles(tree, portal.quotas, self._executor, self._transfers)
        doorkeeper = Authenticator(portal.users, _bearer(portal, clock), failures)
        guard = RequestGuard(carmin(portal, files, failures, self.passwords), doorkeeper, observe, clock)
        self._app: ASGIApp = _for_pages(guard, portal.settings.portal.origins)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._app(scope, receive, send)

    def close(self) -> None:
        """Wait for what is being written, and end the threads."""
        self.passwords.close()
        self._transfers.shutdown()
        self._executor.shutdown()


def _for_pages(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Let scripts of these web pages read every answer, refusals too; never with a cookie."""
    if not origins:
        return app
    headers = ("X-Request-Id", "Retry-After")
    return CORSMiddleware(
        app, allow_origins=origins, allow_methods=["*"], allow_headers=["*"], expose_headers=headers
    )


def _bearer(portal: Portal, clock: Clock) -> Bearer:
    sections = portal.settings.portal.issuers
    if not sections:
        return lambda token: None
    from engine.app.portal.oidc import Issuers  # its cryptography need not be loaded without

    return Issuers(sections, portal.users, clock).account
