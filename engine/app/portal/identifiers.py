"""Identifiers of pipelines, `name/version`: which of them every client can write in a URL and reach.

vip-client puts them into URLs as they are: `#`, `?` and `%` change what is asked for, dot segments disappear,
and a backslash becomes a slash. Others are taken by the interface for something else.
"""

from __future__ import annotations

import unicodedata

from engine.planning import is_published

REMEDY = "name it otherwise with --as NAME/VERSION"
_LONGEST_NAME, _LONGEST_VERSION = 120, 60
_CHANGES_URLS = "#?%\\"
_DESCRIPTOR_ROUTE = "boutiquesdescriptor"
_FILE_SUFFIX = ".json"


def identifier_problem(identifier: str) -> str:
    """Why a pipeline cannot be called so; "" when every client can reach it."""
    name, slash, version = identifier.partition("/")
    if not slash or not name or not version or "/" in version:
        return "it is NAME/VERSION, with exactly one slash"
    if len(name) > _LONGEST_NAME or len(version) > _LONGEST_VERSION:
        return f"a name has at most {_LONGEST_NAME} characters, a version {_LONGEST_VERSION}"
    if not identifier.isprintable() or not unicodedata.is_normalized("NFC", identifier):
        return "it has characters that cannot be typed, or not in one way only"
    if bad := next((one for one in identifier if one in _CHANGES_URLS), ""):
        return f"{bad} changes the meaning of a URL, so that no client can reach it"
    if name != name.strip() or version != version.strip():
        return "a space at the beginning or the end is lost"
    if name in (".", "..") or version in (".", ".."):
        return "clients remove . and .. from a URL"
    if version.lower() == _DESCRIPTOR_ROUTE or version.lower().endswith(_FILE_SUFFIX):
        return f"the version {version} means a descriptor, or a file of one, to clients"
    if is_published(identifier):
        return "this is a DOI of Zenodo, which is looked up there"
    return ""
