"""Claims: the one secret that comes with an attempt. Taken into memory before any tool could see the file."""

import json
import os
from typing import Dict, Iterable

SUFFIX = ".claim"


def take(directory: str, attempts: Iterable[str]) -> Dict[str, str]:
    """Read the claims of these attempts and remove them from the disk; gives those there are.

    `directory` is a directory with a file `<attempt>.claim` for each, or one file with a JSON object.
    """
    if os.path.isdir(directory):
        found = {attempt: _take(os.path.join(directory, attempt + SUFFIX)) for attempt in attempts}
        return {attempt: claim for attempt, claim in found.items() if claim}
    try:
        document = json.loads(_take(directory) or "{}")
    except ValueError:
        return {}
    wanted = set(attempts)
    pairs = document.items() if isinstance(document, dict) else ()
    return {attempt: claim for attempt, claim in pairs if attempt in wanted and isinstance(claim, str)}


def _take(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            claim = file.read().strip()
        os.unlink(path)
    except (OSError, ValueError):
        return ""
    return claim
