"""External platforms, and the keys that a user keeps for them."""

from __future__ import annotations

from fastapi import APIRouter, Response

from engine.api.carmin.caller import Caller
from engine.api.carmin.models import ExternalKey, ExternalKeyModel, ExternalPlatform
from engine.app.data.platforms import PlatformKeys, default_root
from engine.settings.tree import Settings


def account_routes(settings: Settings) -> APIRouter:
    """`/externalPlatforms` and `/user/externalKeys`."""
    router = APIRouter(tags=["external platforms"])

    def keys_of(account_id: str) -> PlatformKeys:
        return PlatformKeys(default_root(), account_id, settings.storages)

    @router.get("/externalPlatforms", response_model=list[ExternalPlatform])
    def platforms(caller: Caller) -> list[ExternalPlatform]:
        """Storages from which files can be taken as `identifier:reference`."""
        return [
            ExternalPlatform(
                identifier=name,
                description=section.site or name,
                url=section.api or section.url,
                uploadUrl=(section.api or None) if section.refresh else None,
                keycloakClientId=None,
                refreshTokenUrl=section.refresh or None,
            )
            for name, section in settings.storages.items()
        ]

    @router.get("/user/externalKeys", response_model=list[ExternalKeyModel])
    def keys(caller: Caller) -> list[ExternalKeyModel]:
        """Return for which platforms there are keys; never the keys."""
        return [
            ExternalKeyModel(storageIdentifier=one.platform, userEmail="", apiKey=None)
            for one in keys_of(caller.id).all()
        ]

    @router.put("/user/externalKeys", status_code=204)
    def add(key: ExternalKey, caller: Caller) -> Response:
        """Keep a key, or replace it."""
        keys_of(caller.id).add(key.storageIdentifier, key.apiKey)
        return Response(status_code=204)

    @router.delete("/user/externalKeys/{storage}", status_code=204)
    def remove(storage: str, caller: Caller) -> Response:
        """Forget a key."""
        keys_of(caller.id).remove(storage)
        return Response(status_code=204)

    return router
