"""Passwords of strangers: hashing them is slow on purpose, so it has a thread of its own, and a queue.

Whoever has guessed wrong stands behind those who have not, and nobody who knows the password is refused for
others' guesses: it may take longer. What was found right once is known without hashing, as is what was found
wrong a short while ago.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from fastapi.concurrency import run_in_threadpool

from engine.api.rate_limited_log import RateLimitedLog
from engine.app.portal import passwords
from engine.app.portal.carmin import CarminError, Code
from engine.app.portal.failures import WINDOW_S, Failures
from engine.app.portal.users import Users
from engine.clock import Clock
from engine.domain.account import Account

_KNOWN = 10_000


@dataclass(order=True, slots=True)
class _Try:
    """Sort those who wait: who guessed less comes first, then who came first."""

    guessed: tuple[int, int]
    number: int
    turn: asyncio.Future[None] = field(compare=False)


class Passwords:
    """Recognises accounts by name and password. Used by one event loop only."""

    def __init__(
        self, users: Users, failures: Failures, clock: Clock, *, waiting: int, known: int = _KNOWN
    ) -> None:
        """Set the limits. `waiting`: tries that wait for their turn at a time; a thread hashes about twenty
        in a second. `known`: right ones, and wrong ones, that are remembered.
        """
        self._users = users
        self._failures = failures
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._most_waiting, self._most_known = waiting, known
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._wrong: OrderedDict[bytes, float] = OrderedDict()
        self._executor = ThreadPoolExecutor(1, "passwords")
        self._waiting: list[_Try] = []
        self._hashing = False
        self._number = 0
        self._seldom = RateLimitedLog()

    async def account(self, name: str, password: str, address: str) -> Account | None:
        """Find the account that a name and password open, if any.

        Raises:
            Refused: it is wrong, like many others from there; or too many wait, all with fewer guesses.
        """
        found, kept = await run_in_threadpool(self._users.named, name)
        text = f"{name}\0{kept}\0{password}".encode("utf-8", "surrogateescape")
        digest = hmac.digest(self._secret, text, hashlib.sha256)
        right = digest in self._right
        if not right and self._clock.now() - self._wrong.get(digest, float("-inf")) > WINDOW_S:
            right = await self._hashed(password, kept, address, name)
            self._remember(digest, right=right)
        if right and found is not None:
            return None if found.locked else found
        self._failures.add(address)
        self._failures.add(address, name)
        if self._failures.too_many(address, name):
            raise CarminError(Code.AUTHENTICATION, "too many wrong passwords; wait a minute", status=429)
        return None

    @property
    def waiting(self) -> int:
        """Tries that wait for their turn."""
        return len(self._waiting)

    def close(self) -> None:
        """End the thread."""
        self._executor.shutdown()

    def _remember(self, digest: bytes, *, right: bool) -> None:
        """Keep what was found. Guesses, however many, push out no right one."""
        if right:
            self._right[digest] = None
        else:
            self._wrong[digest] = self._clock.now()
        for kept in (self._right, self._wrong):
            if len(kept) > self._most_known:
                kept.popitem(last=False)

    async def _hashed(self, password: str, kept: str, address: str, name: str) -> bool:
        self._number += 1
        guessed = (self._failures.count(address), self._failures.count(address, name))
        one = _Try(guessed, self._number, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        if len(self._waiting) > self._most_waiting:
            last = max(self._waiting)
            self._waiting.remove(last)
            last.turn.set_exception(
                CarminError(Code.AUTHENTICATION, "too many log in; try again", status=429)
            )
            self._seldom.warn("too many passwords to look at", waiting=self._most_waiting)
        self._next()
        try:
            await one.turn
        except BaseException:
            if one in self._waiting:
                self._waiting.remove(one)
            elif one.turn.done() and not one.turn.cancelled() and one.turn.exception() is None:
                self._done()
            raise
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._executor, passwords.matches, password, kept)
        finally:
            self._done()

    def _done(self) -> None:
        self._hashing = False
        self._next()

    def _next(self) -> None:
        if not self._hashing and self._waiting:
            first = min(self._waiting)
            self._waiting.remove(first)
            self._hashing = True
            first.turn.set_result(None)
