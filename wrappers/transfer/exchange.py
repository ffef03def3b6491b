"""The engine's node end point: an attempt's claim is exchanged for grants, each for one URL and a while."""

import email.utils
import threading
import time
from typing import Dict, List, NamedTuple, Optional, Tuple

from wrappers import wire
from wrappers.transfer.addresses import Access
from wrappers.transfer.client import Bytes, HttpClient
from wrappers.transfer.errors import Denied, OutOfTime, TransferError, Transient, of_status

_NEAR_S = 60.0  # seconds before its end from which on a grant is renewed
_BATCH = 200  # wants in one request
_REST_S = 5.0  # seconds for which an end point that failed is not asked again


class _Kept(NamedTuple):
    grant: wire.Grant
    until: float  # by our own monotonic clock; the engine's and ours may tell different times


class ExchangeClient:
    """Gets grants and keeps them until shortly before their end. Shared by threads."""

    def __init__(self, url: str, claim: str, client: HttpClient) -> None:
        self._url = url
        self._claim = claim
        self._client = client
        self._kept: Dict[Tuple[str, str], _Kept] = {}
        self._refused: Dict[Tuple[str, str], str] = {}
        self._trouble: Optional[TransferError] = None
        self._ask_again = 0.0
        self._lock = threading.Lock()

    def prepare(self, wants: List[wire.Want]) -> None:
        """Get many grants at once; what is not granted is told when it is asked for."""
        with self._lock:
            for start in range(0, len(wants), _BATCH):
                self._ask(wants[start : start + _BATCH])

    def grant(self, url: str, method: str, other_than: Optional[wire.Grant] = None) -> Optional[wire.Grant]:
        """Find a grant that is good for a while; None when the engine has none for this. A fresh one, when
        the one that is kept is `other_than`, which a storage has refused.

        Raises:
            TransferError: the engine does not answer, or does not accept the claim (Denied).
        """
        key = (url, method)
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and kept.grant != other_than and time.monotonic() < kept.until:
                return kept.grant
            if key in self._refused and other_than is None:
                return None
            if self._trouble is None or time.monotonic() >= self._ask_again:
                self._ask([wire.Want(url, method)])
            if self._trouble is not None:
                raise self._trouble
            kept = self._kept.get(key)
            return None if kept is None else kept.grant

    def refusal(self, url: str, method: str) -> str:
        """Why the engine grants nothing for this; "" when it did not say."""
        with self._lock:
            return self._refused.get((url, method), "")

    def _ask(self, wants: List[wire.Want]) -> None:
        headers = {"Content-Type": "application/json"}
        access = Access({"Authorization": f"Bearer {self._claim}"})
        body = Bytes(wire.dumps(wire.Wants(wants)).encode("ascii"))
        self._trouble = None
        try:
            with self._client.request("POST", self._url, headers, body, access) as answer:
                text = answer.read()
                if answer.status != 200:
                    raise of_status(answer.status, answer.headers, f"POST {self._url}")
            granted = wire.loads(wire.Grants, text)
        except OutOfTime:
            raise
        except TransferError as error:
            kind = Denied if isinstance(error, Denied) else Transient
            self._trouble = kind(f"the engine grants nothing: {error}")
            self._ask_again = time.monotonic() + _REST_S
            return
        except wire.WireError as error:
            self._trouble = Transient(f"the engine's grants cannot be read: {error}")
            return
        now = time.monotonic()
        theirs = _date(answer.headers.get("date", ""))
        for grant in granted.grants:
            left = grant.expires - theirs - _NEAR_S if grant.expires else float("inf")
            self._kept[(grant.url, grant.method)] = _Kept(grant, now + left)
        for want in wants:
            if want.url in granted.refused:
                self._refused[(want.url, want.method)] = granted.refused[want.url]


def _date(text: str) -> float:
    """Read the engine's time as it answered: a node's clock may be hours off."""
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return time.time()
