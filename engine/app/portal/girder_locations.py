"""Files of Girder as VIP's portal names them: `girder:/NAME?apiurl=URL&fileId=ID&token=TOKEN`.

The portal makes the token of its user's key when it launches (VIP-portal, GirderStorageBusiness). It is good
for a day, and for files and folders alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from engine.app.portal.carmin import CarminError, Code
from engine.settings.data import StorageSection

_START = "girder:/"


class GirderLocation(NamedTuple):
    """The parts of such a location."""

    platform: str
    """The name of the storage in the settings."""
    id: str
    token: str


def girder_location(value: str, storages: Mapping[str, StorageSection]) -> GirderLocation | None:
    """Find what a value names in the form of VIP's portal; None when it has another form, lacks something, or
    is of a Girder that is not known here: the value may be no file, only a text like one.
    """
    _, fields = _parts(value)
    platform = _platform(fields.get("apiurl", ""), storages)
    if not (platform and fields.get("fileId") and fields.get("token")):
        return None
    return GirderLocation(platform, fields["fileId"], fields["token"])


def check_girder_location(value: str, storages: Mapping[str, StorageSection]) -> None:
    """Return if a value has another form, or names something.

    Raises:
        Refused: no storage of the settings is at this address, or something is missing.
    """
    name, fields = _parts(value)
    if not fields:
        return
    if not _platform(fields["apiurl"], storages):
        raise CarminError(
            Code.BAD_INPUT,
            f"{name[:200]}: no Girder with the address {fields['apiurl'][:200]} is known here",
            remedy="the administrator adds it: storages.NAME: {url: girder://HOST, api: ADDRESS}",
        )
    for field in ("fileId", "token"):
        if not fields.get(field):
            raise CarminError(Code.BAD_INPUT, f"{name[:200]}: its {field} is missing")


def _parts(value: str) -> tuple[str, dict[str, str]]:
    """Split a location into its name and its fields; without fields where it has another form."""
    name, mark, query = value.rpartition("?")
    fields = {key: found[-1] for key, found in parse_qs(query, keep_blank_values=True).items()}
    is_one = mark and name.startswith(_START) and "apiurl" in fields
    return name, fields if is_one else {}


def _platform(address: str, storages: Mapping[str, StorageSection]) -> str:
    """Find the Girder at an address to which users bring keys or tokens of their own; "": there is none."""
    for name, section in storages.items():
        is_girder = urlsplit(section.url).scheme == "girder" and not section.credential
        if is_girder and address and section.api.rstrip("/") == address.rstrip("/"):
            return name
    return ""
