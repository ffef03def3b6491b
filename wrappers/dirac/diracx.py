"""Telling a DiracX server: application status and signs of life of one job."""

import json
import time
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Optional
from urllib.parse import urlencode

from wrappers.dirac.credential import CurrentToken, TokenSource, renewed
from wrappers.transfer.addresses import NOBODY, Access
from wrappers.transfer.budget import Budget
from wrappers.transfer.client import Bytes, HttpClient
from wrappers.transfer.errors import Permanent, of_status
from wrappers.transfer.trust import Trust

TIMEOUT_S = 20.0  # seconds for one request
_STALE_S = 2.0  # seconds by which the Date of an answer may be too early (measured: 1.5)
_BLUNT_S = 5.0  # seconds by which clocks may differ
_OURS = "boutiques-engine"
_EVERYONES_CLIENT = "myDIRACClientID"  # the one that every installation knows


class DiracX:
    """A job at one DiracX server."""

    pause = 10.0
    patient = False

    def __init__(self, source: TokenSource, job: str, authorities: str = "") -> None:
        self._source = source
        self._job = job
        self._trust = Trust(authorities)
        self._kept: Optional[CurrentToken] = None
        self._ahead: Optional[float] = None  # our clock, before the server's; seconds

    def say(self, text: str) -> bool:
        """Set the application status; whether DIRAC wants the end of the job.

        Raises:
            TransferError, ValueError: the server was not told.
        """
        if self._ahead is None:
            self._ask("GET", "/.well-known/openid-configuration")
        # The latest stamp wins, also over what is set later, and a job's history cannot be read once
        # an application status is stamped before its first state (both measured). DIRAC's own wrapper uses
        # the clock of this node: ours is never later than that, nor far from the truth.
        ahead = self._ahead or 0.0
        if ahead < -_BLUNT_S:
            raise Permanent(f"the clock of this node is {-ahead:.0f} s late")
        late = ahead - _STALE_S if ahead > _BLUNT_S else 0.0
        stamp = datetime.fromtimestamp(time.time() - late, timezone.utc).isoformat()
        update = {stamp: {"ApplicationStatus": text, "Source": _OURS}}
        self._post("/api/jobs/status", {self._job: update})
        return False

    def beat(self) -> bool:
        """Give a sign of life; whether DIRAC wants the end of the job: it says so once.

        Raises:
            TransferError, ValueError: the server was not told.
        """
        # Without figures: two of one kind in one second, ours and the watchdog's, are an error (measured).
        answer = self._post("/api/jobs/heartbeat", {self._job: {}})
        commands = answer if isinstance(answer, list) else []
        return any(isinstance(one, dict) and one.get("command") == "Kill" for one in commands)

    def _post(self, path: str, body: Any) -> Any:
        access = Access({"Authorization": f"Bearer {self._token().text}"})
        return self._ask("PATCH", path, json.dumps(body).encode("ascii"), access)

    def _token(self) -> CurrentToken:
        found = self._source.read()
        if found is not None and found.lasts():
            return found
        if self._kept is not None and self._kept.lasts():
            return self._kept
        old = self._kept or found
        if old is None or not old.refresh:
            raise Permanent("the node's DiracX token has run out")
        words = {"grant_type": "refresh_token", "refresh_token": old.refresh, "client_id": _EVERYONES_CLIENT}
        form = "application/x-www-form-urlencoded"
        answer = self._ask("POST", "/api/auth/token", urlencode(words).encode("ascii"), kind=form)
        self._kept = renewed(answer, old)
        return self._kept

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        access: Access = NOBODY,
        kind: str = "application/json",
    ) -> Any:
        """Send a request on a connection of its own, and return a good answer: the next request comes minutes
        later.

        Raises:
            TransferError, ValueError: there is none.
        """
        client = HttpClient(Budget(TIMEOUT_S, TIMEOUT_S), self._trust)
        headers = {"Content-Type": kind} if body else {}
        try:
            url = self._source.url + path
            with client.request(method, url, headers, Bytes(body) if body else None, access) as answer:
                self._ahead = time.time() - _date(answer.headers.get("date", ""))
                if answer.status >= 300:
                    raise of_status(answer.status, answer.headers, f"{method} {path}")
                return json.loads(answer.read(1 << 20).decode("utf-8"))
        finally:
            client.close()


def _date(text: str) -> float:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return time.time()
