"""Implements `engine.ports.Backend` on a DiracX server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from engine.backends.diracx import sandbox
from engine.backends.diracx.answers import DiracxRefused
from engine.backends.diracx.client import DiracxClient
from engine.backends.diracx.questions import DiracxQuestions
from engine.backends.diracx.section import DiracxSection
from engine.backends.diracx.submit import submit
from engine.backends.wms.backend import Described, GridBackend, SubmitOutcome
from engine.backends.wms.outputs import UnreadableArchive, unpack
from engine.backends.wms.payload import pack
from engine.backends.wms.settings import GridSettings, proxy_init
from engine.ports import Identity, Rejected
from engine.settings.tree import Settings
from wrappers import wire

BATCH = 1000
"""Submissions that share a sandbox, and with it the time in which nothing else is on its way: a fiftieth of
what their descriptions take (measured). Their manifests are some bytes each, beside the wrapper's 230 kB."""
RETRIEVALS = 8
"""Output sandboxes fetched at a time: each takes three requests."""


@dataclass(frozen=True, slots=True)
class DiracxSettings:
    """Which server, and with what we are let in."""

    url: str
    credential: Path
    grid: GridSettings
    proxy: bool = False
    """Whether the credential is a proxy that holds a token."""
    authorities: str = ""
    """File of certificate authorities; empty: the system's."""


class DiracxBackend(GridBackend):
    """Jobs of one user at one DiracX server."""

    section = DiracxSection
    _ask: DiracxQuestions

    def __init__(self, name: str, settings: DiracxSettings) -> None:
        self._settings = settings
        self._client = DiracxClient(
            settings.url, settings.credential, proxy=settings.proxy, authorities=settings.authorities
        )
        ask = DiracxQuestions(self._client)
        super().__init__(name, settings.grid, ask, batch_size=BATCH, retrievals=RETRIEVALS)

    @classmethod
    def from_settings(cls, name: str, section: DiracxSection, settings: Settings) -> Self:
        """Make the back-end of a section."""
        made = DiracxSettings(
            url=section.url,
            credential=(section.proxy or section.token).expanduser(),
            grid=section.grid(),
            proxy=section.proxy is not None,
            authorities=section.authorities,
        )
        return cls(name, made)

    def check(self) -> None:
        """See that the server knows us as who we are meant to be."""
        token = self._client.token()
        self._expect(f"the token in {self._settings.credential}", vo=token.vo, group=token.group)
        self._client.call("GET", "/api/auth/userinfo")

    def retrieve(self, native_id: str, into: Path) -> Sequence[Path]:
        """Take reports and logs out of the output sandbox. One that cannot be read is as good as none."""
        if not native_id.isdigit():
            return []
        return self._client.run(_download(self._client, native_id, into))

    def history(self, native_id: str) -> Sequence[tuple[float, str]]:
        """Return DIRAC's own history of a job: when, and in which words."""
        return self._ask.history(int(native_id)) if native_id.isdigit() else []

    def identity(self) -> Identity:
        """Return what the credential says. The server is not asked, unless the token must be renewed."""
        token = self._client.token()
        return Identity(token.owner, f"{token.vo} {token.group}".strip(), self._client.credentials.ends())

    def login_steps(self) -> Sequence[str]:
        """Return how a session, or a proxy with a token in it, is begun."""
        ours, grid = self._settings, self._grid
        if ours.proxy:
            return [
                f"  {proxy_init(grid.group, ours.credential)}",
                "which must be DIRAC 9's: it puts a DiracX token into the proxy",
            ]
        group = f" --group {grid.group}" if grid.group else ""
        where = f"DIRACX_URL={ours.url} DIRACX_CREDENTIALS_PATH={ours.credential}"
        return [
            f"  {where} dirac login {grid.vo or 'VO'}{group}",
            "(pip install diracx-cli). The engine renews the session by itself while it lasts.",
            "Never copy that file to another host: its tokens are for one use",
        ]

    def close(self) -> None:
        """Give back the connections."""
        self._client.close()

    # --- parts -------------------------------------------------------------------------------------

    def _node(self) -> wire.Node:
        return self._grid.node._replace(diracx=self._client.url)

    def _upload(self, files: Mapping[str, bytes]) -> str | Rejected:
        try:
            return self._client.run(sandbox.upload(self._client, pack(files)))
        except DiracxRefused as error:  # it is too large
            return Rejected(f"DiracX refuses its sandbox: {error}")

    def _hand_over(self, items: Sequence[Described]) -> SubmitOutcome:
        return self._client.run(submit(self._client, items, self._grid.at_once))


async def _download(client: DiracxClient, native_id: str, into: Path) -> list[Path]:
    try:
        names = await sandbox.outputs_of(client, native_id)
        brought = []
        for name in names:
            brought += unpack(await sandbox.download(client, name), into)
        return brought
    except (DiracxRefused, UnreadableArchive):
        return []
