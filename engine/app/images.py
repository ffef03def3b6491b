"""From the image that a descriptor names to the digest that runs, settled when the execution is planned."""

from __future__ import annotations

from engine.domain.tool import ContainerImage
from engine.errors import BadRequest, CredentialExpired, SettingsError, Unavailable
from engine.settings import NodeSettings
from wrappers import wire
from wrappers.containers import credentials, errors, reference, registry
from wrappers.containers.transport import Patience

PATIENCE = Patience(tries=3, first_wait=0.5, timeout=10.0)
"""For a person who waits: a registry that is down is told after seconds, not after minutes."""


def pin(image: ContainerImage, node: NodeSettings, source: str) -> wire.Image:
    """Ask the registry (its mirrors first) what the reference means today; `source` names the descriptor.

    Raises:
        BadRequest: the name is wrong, or there is no such image.
        Unavailable: the registry does not answer.
        CredentialExpired: the registry wants other credentials.
    """
    if image.type == "rootfs":
        raise BadRequest(
            f"{source}: container-image: type rootfs is not available yet", remedy="publish it as an image"
        )
    try:
        name = reference.parse(image.image, index=image.index or "")
        client = registry.Client(node.mirrors, credentials.load(node.credentials), PATIENCE)
        resolved = client.resolve(name)
    except (errors.InvalidReference, errors.ImageMissing) as error:
        raise BadRequest(f"{source}: container-image.image: {error}") from None
    except errors.AccessDenied as error:
        raise CredentialExpired(str(error), remedy="see the setting node.credentials") from None
    except errors.NodeTrouble as error:
        raise SettingsError(f"setting node.credentials: {error}") from None
    except errors.ContainerError as error:
        raise Unavailable(str(error), remedy="try later, or set a mirror in node.mirrors") from None
    return wire.Image(name.text, resolved.digest, resolved.size)
