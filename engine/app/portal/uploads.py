"""Descriptors that users bring along: not all that an administrator may publish is allowed in them."""

from __future__ import annotations

from collections.abc import Sequence

from engine.app.portal.carmin import CarminError, Code
from engine.domain.tool import Tool
from engine.planning.vip_keys import IMAGE_PATH
from wrappers.containers.errors import InvalidReference
from wrappers.containers.reference import parse


def check_uploaded(tool: Tool, registries: Sequence[str]) -> None:
    """Return if a user may run this descriptor.

    Raises:
        CarminError: it has no image, or one that is not in an allowed registry.
    """
    image = tool.image
    if image is None or image.type == "rootfs" or not image.image:
        raise CarminError(
            Code.WRONG_DESCRIPTOR,
            "container-image: an image in a registry is needed",
            remedy="engine pipeline propose asks for its publication, which may do without",
        )
    if IMAGE_PATH in tool.custom:
        raise CarminError(Code.WRONG_DESCRIPTOR, f"custom.{IMAGE_PATH}: only published pipelines may have it")
    try:
        host = parse(image.image, index=image.index or "").host
    except InvalidReference as error:
        raise CarminError(Code.WRONG_DESCRIPTOR, f"container-image: {error}") from None
    if host not in registries:
        raise CarminError(
            Code.WRONG_DESCRIPTOR,
            f"container-image: images of {host} are not allowed here",
            remedy=f"they may come from {', '.join(registries)}",
        )
