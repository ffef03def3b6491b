"""The back-ends of the settings: each kind is a class, which says what its section holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Protocol, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, SerializeAsAny

from engine import plugins
from engine.errors import BadRequest
from engine.ports import Backend
from engine.settings.node import NodeSettings
from engine.settings.section import Section, WrongValue

LOCAL = "local"
"""The back-end of this machine, which is there without any settings."""

_S = TypeVar("_S", bound="BackendSection", contravariant=True)


def _is_installed(kind: str) -> str:
    try:
        kind_named(kind)
    except BadRequest as error:
        raise WrongValue(error.message, error.remedy) from None
    return kind


class BackendSection(Section):
    """A back-end of the settings. Each kind adds what it needs to know."""

    kind: Annotated[str, AfterValidator(_is_installed)] = ""
    """What runs its jobs: `local`, `dirac`, `diracx`, or a kind that an installed package registers; not set:
    the name of the back-end."""

    def node_settings(self, machine: NodeSettings) -> NodeSettings:
        """Tell how the nodes of this back-end are set up; `machine` says it of this machine."""
        return machine


class BackendKind(Protocol[_S]):
    """A class that is registered as an entry point of `engine.backends`, under the name of its kind."""

    section: type[BackendSection]
    """What can be set for it."""

    def from_settings(self, name: str, section: _S, settings: Any) -> Backend:
        """Make a back-end (a class method). `settings` is an `engine.settings.tree.Settings`: everything that
        is set.

        Raises:
            SettingsError: what is set cannot be.
        """


def kind_named(kind: str) -> BackendKind[Any]:
    """Find the class of a kind of back-ends.

    Raises:
        BadRequest: none is installed, or it is not what the engine can use; says what there is.
    """
    found = plugins.load("backends", kind)
    section = getattr(found, "section", None)
    fits = (
        isinstance(section, type) and issubclass(section, BackendSection) and hasattr(found, "from_settings")
    )
    if not fits:
        raise BadRequest(
            f"{found!r}, which is registered for it, has no `section` and `from_settings`",
            remedy="docs/how-to/add-a-backend.md says what such a class needs",
        )
    made: BackendKind[Any] = found
    return made


def _with_kinds(value: Any) -> Any:
    """Add this machine, and to each its name as its kind where it says no other."""
    if value is not None and not isinstance(value, Mapping):
        return value  # it is told to be none
    given = {LOCAL: {}, **(value or {})}
    return {
        name: {"kind": name, **(section or {})}
        if section is None or isinstance(section, Mapping)
        else section
        for name, section in given.items()
    }


def _of_its_kind(value: Any) -> Any:
    """Let the class of its kind say what a section holds."""
    kind = value.get("kind") if isinstance(value, Mapping) else None
    if not isinstance(kind, str):
        return value
    try:
        return kind_named(kind).section.model_validate(value)
    except BadRequest:
        return {"kind": kind}  # which is told to be none


def _local_is_here(backends: dict[str, BackendSection]) -> dict[str, BackendSection]:
    """Keep the name of this machine for this machine."""
    if backends[LOCAL].kind != LOCAL:
        raise WrongValue(f"{LOCAL} is the back-end of this machine", "choose another name")
    return backends


BackendName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Backends = Annotated[
    dict[BackendName, Annotated[SerializeAsAny[BackendSection], BeforeValidator(_of_its_kind)]],
    BeforeValidator(_with_kinds),
    AfterValidator(_local_is_here),
]
