"""Files of Girder as VIP's portal names them: `girder:/NAME?apiurl=URL&fileId=ID&token=TOKEN`.

The portal makes the token of its user's key when it launches (VIP-portal, GirderStorageBusiness). It is good
for a day, and for files and folders alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from engine.app.portal.carmin import Code, Refused
from engine.settings.data import StorageSection

_START = "girder:/"


class GirderLocation(NamedTuple):
    """What such a location names."""

    platform: str
    """The name of the storage in the settings."""
    id: str
    token: str


def girder_location(value: str, storages: Mapping[str, StorageSection]) -> GirderLocation | None:
    """Parse what a value names in the form of VIP's portal; None when it has another form.

    Raises:
        Refused: no storage of the settings is at this address, or something is missing.
    """
    name, mark, query = value.rpartition("?")
    fields = {key: found[-1] for key, found in parse_qs(query, keep_blank_values=True).items()}
    if not mark or not name.startswith(_START) or "apiurl" not in fields:
        return None
    for field in ("fileId", "token"):
        if not fields.get(field):
            raise Refused(Code.BAD_INPUT, f"{name[:200]}: its {field} is missing")
    for platform, section in storages.items():
        here = urlsplit(section.url).scheme == "girder" and not section.credential
        if here and section.api.rstrip("/") == fields["apiurl"].rstrip("/"):
            return GirderLocation(platform, fields["fileId"], fields["token"])
    raise Refused(
        Code.BAD_INPUT,
        f"{name[:200]}: no Girder with the address {fields['apiurl'][:200]} is known here",
        remedy="the administrator adds it to the settings: storages.NAME: {url: girder://HOST, api: ADDRESS}",
    )
