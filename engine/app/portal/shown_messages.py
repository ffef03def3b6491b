"""What the engine says of a user's job, in words that tell nothing of the machine."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote, unquote

_PATH = re.compile(
    r"(?:(?P<url>file:(?://(?:localhost)?)?)|(?<![\w./:%~-]))(?P<path>/[^\s'\"<>|;,()\[\]{}:]+)"
)


def shown_message(text: str, virtual_path: Callable[[str], str | None]) -> str:
    """Rewrite a text with paths of this machine, and `file:` URLs, as the user knows them; of those that are
    not the user's the last name is left. `virtual_path` gives the virtual path of a `file:` URL.
    """

    def shown(match: re.Match[str]) -> str:
        path = match["path"].rstrip(".")
        end = match["path"][len(path) :]
        if not match["url"] and path.startswith("/vip/"):
            return match[0]
        url = f"file://{path if match['url'] else quote(path, errors='surrogateescape')}"
        name = path.rstrip("/").rpartition("/")[2]
        return (virtual_path(url) or f".../{unquote(name) if match['url'] else name}") + end

    return _PATH.sub(shown, text)
