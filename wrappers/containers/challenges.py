"""Challenges: what a server that answers 401 asks for, in its WWW-Authenticate headers (RFC 9110, 11.6.1).

One header may hold several challenges and several headers one each; parameters may stand without quotes, and
commas separate both parameters and challenges.
"""

import re
from typing import Dict, List, NamedTuple

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(
    rf'\s*({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"=][^\s,"]*(?=\s*(?:,|$))|{_WORD}))\s*(?:,|$|(?=\s))',
    re.DOTALL,
)
_SCHEME = re.compile(rf"[\s,]*({_WORD})(?=[\s,]|$)")
_SIXTY_EIGHT = re.compile(r"\s*[A-Za-z0-9._~+/-]+=*\s*(?:,|$)")
_SKIPPED = re.compile(r"[^,]*,?")


class Challenge(NamedTuple):
    """A scheme, in small letters, with its parameters by their names in small letters."""

    scheme: str
    parameters: Dict[str, str]


def parse(header: str) -> List[Challenge]:
    """Parse the challenges of the WWW-Authenticate headers of an answer, joined by commas, in order, but for
    what is malformed.
    """
    found: List[Challenge] = []
    at = 0
    while at < len(header):
        parameter = _PARAMETER.match(header, at)
        if parameter and found:
            name, quoted, plain = parameter.groups()
            value = re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL) if quoted is not None else plain
            found[-1].parameters.setdefault(name.lower(), value)
            at = parameter.end()
            continue
        scheme = _SCHEME.match(header, at)
        if scheme:
            found.append(Challenge(scheme.group(1).lower(), {}))
            at = scheme.end()
            continue
        skipped = (_SIXTY_EIGHT.match(header, at) if found else None) or _SKIPPED.match(header, at)
        at = max(skipped.end() if skipped else at, at + 1)
    return found
