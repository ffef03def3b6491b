"""What DIRAC answers (S_OK and S_ERROR): the value, or trouble by what to do next."""

from typing import Any, Dict

REFUSED = "refused"  # it would say so again
UNAVAILABLE = "unavailable"  # later, perhaps
CREDENTIAL = "credential"  # with another credential
ABSENT = "absent"  # there is no such thing
DEFECT = "defect"  # of ours, or of the installation here

# Numbers of DIRAC.Core.Utilities.DErrno, the same in DIRAC 8 and 9.
_CREDENTIAL = (*range(1100, 1109), 1111, 1121, 1150, 1151, 1152)  # X.509, not authorised, VOMS, tokens
_REFUSED = (1000, 1004, 1501, 1503)  # ETYPE, EVALUE, EWMSJDL, EWMSSUBM
_ABSENT = 2  # ENOENT
_DENIED = (1, 13)  # EPERM, EACCES


class BridgeError(Exception):
    """A request that was not done; the text is one line."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(" ".join(str(message).split())[:500])
        self.kind = kind

    def as_answer(self) -> Dict[str, str]:
        """As it goes over the line."""
        return {"kind": self.kind, "message": str(self)}


def value(result: Any, doing: str, *, judged: bool = False) -> Any:
    """Return the value of an answer. `judged`: what the server says without a number is of the request
    itself.

    Raises:
        BridgeError: it is an error.
    """
    if not isinstance(result, dict) or "OK" not in result:
        raise BridgeError(DEFECT, f"{doing}: DIRAC answered {result!r:.100}")
    if result["OK"]:
        return result.get("Value")
    raise BridgeError(kind_of(result, judged), f"{doing}: {result.get('Message') or 'no reason is given'}")


def kind_of(result: Dict[str, Any], judged: bool) -> str:
    """Choose what to do about an error.

    DIRAC's services take the call stack out of what they answer, its clients leave it in: with one, nobody
    has judged the request, because it did not get there (DIRAC 8 and 9, `RequestHandler`).
    """
    number = result.get("Errno") or 0
    if number in _CREDENTIAL:
        return CREDENTIAL
    if number in _REFUSED:
        return REFUSED
    if number == _ABSENT:
        return ABSENT
    if number in _DENIED:
        return CREDENTIAL
    if judged and not number and "CallStack" not in result:
        return REFUSED
    return UNAVAILABLE
