"""Telling a DiracX server: application status and signs of life of one job."""

import json
import time
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Optional
from urllib.parse import urlencode

from wrappers.dirac.credential import Source, Token, renewed
from wrappers.transfer.addresses import NOBODY, Access
from wrappers.transfer.budget import Budget
from wrappers.transfer.client import Bytes, Client
from wrappers.transfer.errors import Permanent, of_status
from wrappers.transfer.response import Response
from wrappers.transfer.trust import Trust

PATIENCE = 20.0  # seconds for one request
_STALE = 2.0  # seconds by which the Date of an answer may be too early (measured: 1.5)
_BLUNT = 5.0  # seconds by which clocks may differ
_OURS = "grid-engine"
_EVERYONES_CLIENT = "myDIRACClientID"  # the one that every installation knows


class DiracX:
    """One job at one server."""

    def __init__(self, source: Source, job: str, authorities: str = "") -> None:
        self._source = source
        self._job = job
        self._trust = Trust(authorities)
        self._kept: Optional[Token] = None
        self._ahead: Optional[float] = None  # our clock, before the server's; seconds

    def say(self, text: str) -> bool:
        """Set the application status; whether DIRAC wants the end of the job.

        Raises:
            TransferError, ValueError: the server was not told.
        """
        if self._ahead is None:
            with self._ask("GET", "/.well-known/openid-configuration", None):
                pass
        # The latest stamp wins, also over what is told later; and a job's story cannot be read any more once
        # an application status is stamped before its first state (both measured). DIRAC's own wrapper uses
        # the clock of this node: ours is never later than that, nor far from the truth.
        ahead = self._ahead or 0.0
        if ahead < -_BLUNT:
            raise Permanent(f"the clock of this node is {-ahead:.0f} s late")
        late = ahead - _STALE if ahead > _BLUNT else 0.0
        stamp = datetime.fromtimestamp(time.time() - late, timezone.utc).isoformat()
        update = {stamp: {"ApplicationStatus": text, "Source": _OURS}}
        self._tell("/api/jobs/status", {self._job: update})
        return False

    def beat(self) -> bool:
        """Give a sign of life; whether DIRAC wants the end of the job: it says so once.

        Raises:
            TransferError, ValueError: the server was not told.
        """
        # Without figures: two of one kind in one second, ours and the watchdog's, are an error (measured).
        answer = self._tell("/api/jobs/heartbeat", {self._job: {}})
        commands = answer if isinstance(answer, list) else []
        return any(isinstance(one, dict) and one.get("command") == "Kill" for one in commands)

    def _tell(self, path: str, body: Any) -> Any:
        text = json.dumps(body).encode("ascii")
        access = Access({"Authorization": f"Bearer {self._token().text}"})
        with self._ask("PATCH", path, Bytes(text), access) as answer:
            return json.loads(answer.read(1 << 20).decode("utf-8"))

    def _token(self) -> Token:
        found = self._source.read()
        if found is not None and found.lasts():
            return found
        if self._kept is not None and self._kept.lasts():
            return self._kept
        old = self._kept or found
        if old is None or not old.refresh:
            raise Permanent("the node's DiracX token has run out")
        words = {"grant_type": "refresh_token", "refresh_token": old.refresh, "client_id": _EVERYONES_CLIENT}
        body, form = Bytes(urlencode(words).encode("ascii")), "application/x-www-form-urlencoded"
        with self._ask("POST", "/api/auth/token", body, kind=form) as answer:
            self._kept = renewed(json.loads(answer.read(1 << 20).decode("utf-8")), old)
        return self._kept

    def _ask(
        self,
        method: str,
        path: str,
        body: Optional[Bytes],
        access: Access = NOBODY,
        kind: str = "application/json",
    ) -> Response:
        """A good answer, on a connection of its own: the next question comes minutes later.

        Raises:
            TransferError: there is none.
        """
        client = Client(Budget(PATIENCE, PATIENCE), self._trust)
        headers = {"Connection": "close", **({"Content-Type": kind} if body else {})}
        answer = client.request(method, self._source.url + path, headers, body, access)
        self._ahead = time.time() - _date(answer.headers.get("date", ""))
        if answer.status >= 300:
            error = of_status(answer.status, answer.headers, f"{method} {path}")
            answer.close()
            raise error
        return answer


def _date(text: str) -> float:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return time.time()
