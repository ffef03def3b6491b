"""How the nodes of a back-end are set up, in the words of the wrapper."""

from __future__ import annotations

from engine.settings.node import NodeSettings
from wrappers import wire


def node(settings: NodeSettings) -> wire.Node:
    """Write a node's settings as the wrapper reads them."""
    written = settings.model_dump(mode="json")
    written["patience"] = written.pop("file_system_timeout")
    return wire.from_json(wire.Node, written)
