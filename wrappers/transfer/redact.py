"""Cutting what is secret from every text that leaves us: logs, reports, errors.

Secret are: the query of a URL (presigned URLs carry their signature there) and its fragment, `user:password@`
in one, and what follows `Bearer`, `Basic` or a header that carries a token.
"""

import re

CUT = "..."

# file: URLs have neither query nor login: "?" and "@" are part of a name there.
_URL = re.compile(r"\b(?!file:)([A-Za-z][A-Za-z0-9+.-]*)://([^\s\"<>]*)")
_LOGIN = re.compile(r"^[^/?#]*@")
_TAIL = re.compile(r"[?#].*$")
_HEADER = r"(?:girder-token|authorization|x-auth-token)[\"']?\s*[:=]"
_TOKEN = re.compile(
    rf"(?i)\b(bearer\s+(?!{_HEADER})(?=[^\s,;\"']{{8}})|{_HEADER}\s*[\"']?"
    r"(?:(?:bearer|basic)\s+)?)[^\s,;\"']+"
)


def redact(text: str) -> str:
    """Return the text without anything secret; what is left of a URL still says which file on which
    storage.
    """
    return _TOKEN.sub(lambda match: match.group(1) + CUT, _URL.sub(_cut_url, text))


def _cut_url(match: "re.Match[str]") -> str:
    rest = _LOGIN.sub("", match.group(2))
    return f"{match.group(1)}://{_TAIL.sub(lambda tail: tail.group()[0] + CUT, rest)}"
