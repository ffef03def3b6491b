"""The storages of the settings with their credentials, and the storage that a URL belongs to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from engine import plugins
from engine.app.access import tokens
from engine.app.access.key import Key
from engine.app.access.needs import embedded_url
from engine.app.data.platforms import WITH_KEYS, WITH_SESSIONS, PlatformKeys
from engine.clock import Clock
from engine.dirac.settings import CatalogueSettings, dirac_client_settings
from engine.errors import BadRequest, SettingsError
from engine.ports import CredentialKind, Storage
from engine.settings.data import StorageSection
from engine.settings.tree import Settings
from engine.storages.credentials import ApiKey, BearerToken, CredentialFile, CredentialSource, MadeToken
from engine.storages.scoping import scope_down
from engine.storages.sections import UNCONFIGURED, StorageSettings, scheme_of, storage_of
from wrappers.wire import Grant

if TYPE_CHECKING:
    from engine.storages.refreshing import RefreshedToken


def grid(settings: Settings) -> CatalogueSettings | None:
    """Read what files at `lfn:` need; None where no DIRAC client is configured."""
    ours = settings.dirac_client()
    return (
        CatalogueSettings(dirac_client_settings(ours), ours.storage_elements, ours.failover) if ours else None
    )


class StorageRegistry:
    """The storages where files may lie, as one user sees them."""

    def __init__(
        self, settings: Settings, owner: str, key: Callable[[], Key], clock: Clock, execution: str = ""
    ) -> None:
        """Make the storages of the settings.

        `execution`: that of the owner for which files are reached, with the tokens that came with it.

        Raises:
            SettingsError: a storage names a credential that there is not.
        """
        self._settings = settings
        self._clock = clock
        self._credentials = {
            name: CredentialFile(name, section.kind, section.file, clock)
            for name, section in settings.credentials.items()
        }
        self._keys = PlatformKeys.of(owner, settings.storages, execution)
        self._sessions: dict[str, RefreshedToken] = {}
        self._registered: dict[str, CredentialSource] = {
            name: self._of_user(name, section)
            for name, section in settings.storages.items()
            if scheme_of(section.url) in (*WITH_KEYS, WITH_SESSIONS)
        }
        self._known = [self._storage(name, section) for name, section in settings.storages.items()]
        if embedded := embedded_url(settings.api):
            ours = MadeToken("of the engine", lambda: tokens.own(key(), clock.now()), clock)
            self._known.append(
                self._with_timeouts(StorageSettings(url=embedded, credential=ours, checksum="adler32"))
            )
        self._made = lru_cache(maxsize=256)(_make)

    def storage(self, url: str) -> Storage:
        """Find the storage that holds a URL: a configured one, else anybody's of that scheme.

        Raises:
            BadRequest: no storage speaks that scheme.
        """
        return self._made(scheme_of(url), self._settings_of(url) or self._with_timeouts(UNCONFIGURED))

    def scope_down(self, url: str, method: str, seconds: float) -> Grant:
        """Make a grant for a node from what the engine itself shows there: see `engine.storages.scoping`."""
        settings = self._settings_of(url)
        if settings and settings.credential is None and scheme_of(settings.url) in WITH_KEYS:
            raise BadRequest(f"no API key is registered for {settings.url}", remedy="engine keys add")
        return scope_down(url, method, seconds, settings, self._clock)

    def renew(self, platform: str) -> None:
        """Renew the token of the user's session at a platform, if it is time."""
        self._sessions[platform].keep_alive()

    def _of_user(self, name: str, section: StorageSection) -> CredentialSource:
        """Find what each user has of their own for a platform: a key, or a session."""
        file = self._keys.file(name)
        if scheme_of(section.url) == WITH_SESSIONS:
            from engine.storages.refreshing import RefreshedToken  # HTTP, which other commands do without

            _check_session(name, section)
            self._sessions[name] = RefreshedToken(
                name, file, section.refresh, self._settings.data.authorities, self._clock
            )
            return self._sessions[name]
        kind: CredentialKind = "token" if self._keys.came_with_launch(name) else "key"
        return CredentialFile(name, kind, file, self._clock)

    def credentials(self) -> list[CredentialSource]:
        """Every credential of the settings."""
        return list(self._credentials.values())

    def token(self, setting: str, name: str) -> str:
        """Read the token or key of the credential that a setting names.

        Raises:
            SettingsError, CredentialExpired: there is none that is good.
        """
        found = self._named(setting, name).current()
        if not isinstance(found, (ApiKey, BearerToken)):
            raise SettingsError(f"setting {setting}: credential {name} is neither a token nor a key")
        return found.value.reveal()

    def _storage(self, name: str, section: StorageSection) -> StorageSettings:
        return self._with_timeouts(
            StorageSettings(
                url=section.url,
                aliases=section.aliases,
                credential=self._credential(name, section),
                api=section.api,
                region=section.region,
                checksum=section.checksum,
                rename=section.rename,
            )
        )

    def _credential(self, name: str, section: StorageSection) -> CredentialSource | None:
        """Find the credential of the section; else the key that its user may register for it."""
        if not section.credential or self._keys.came_with_launch(name):
            return self._registered.get(name)
        return self._named(f"storages.{name}.credential", section.credential)

    def _named(self, setting: str, name: str) -> CredentialSource:
        if name not in self._credentials:
            known = ", ".join(sorted(self._credentials)) or "none"
            raise SettingsError(
                f"setting {setting}: no credential is called {name}", remedy=f"in the settings: {known}"
            )
        return self._credentials[name]

    def _settings_of(self, url: str) -> StorageSettings | None:
        """Find the storage of a URL as it is now: a key may have been registered, or forgotten, since."""
        settings = storage_of(url, self._known)
        held = settings.credential if settings else None
        if settings is None or held is None or held not in self._registered.values():
            return settings
        return settings if self._keys.file(held.name).exists() else replace(settings, credential=None)

    def _with_timeouts(self, settings: StorageSettings) -> StorageSettings:
        """Set the timeouts, which are the same everywhere."""
        data = self._settings.data
        return replace(
            settings,
            stall=data.stall,
            parallel=data.parallel,
            read_back=data.read_back,
            authorities=data.authorities,
            dirac=grid(self._settings),
        )


def _make(scheme: str, settings: StorageSettings) -> Storage:
    storage: Storage = plugins.load("storages", scheme)(settings)
    return storage


def _check_session(name: str, section: StorageSection) -> None:
    """Return if tokens of users can be shown and renewed at a platform.

    Raises:
        SettingsError: a URL is missing, or would get them in the clear.
    """
    for setting, url in (("api", section.api), ("refresh", section.refresh)):
        parts = urlsplit(url)
        here = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
        if not (parts.hostname and (parts.scheme == "https" or here)):
            raise SettingsError(
                f"setting storages.{name}.{setting}: {url!r} is no https URL",
                remedy="shanoir: needs api (its datasets/carmin-data/path) and refresh (its token end point)",
            )
