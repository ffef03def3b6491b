"""Names of files as users are told them. Jobs may write names that are not UTF-8, and JSON has none of these:
their bytes are told percent-encoded, and found again by what was told.
"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes


def is_text(name: str) -> bool:
    """Say whether it is UTF-8 on the disk."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(name: str) -> str:
    """Render a name, or a path, as it is shown: where it is not UTF-8, with `%` and the odd bytes
    percent-encoded.
    """
    if is_text(name):
        return name
    return "".join(_encoded(character) for character in name)


def _encoded(character: str) -> str:
    if character == "%":
        return "%25"
    return f"%{ord(character) & 0xFF:02X}" if "\udc80" <= character <= "\udcff" else character


def meant(text: str) -> str | None:
    """Find the name that is not UTF-8 and is shown like this; None when there can be none."""
    name = unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
    return name if not is_text(name) and is_text(text) and printable(name) == text else None
