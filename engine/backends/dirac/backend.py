"""Implements `engine.ports.Backend` on the services of DIRAC 8 and 9."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from engine.backends.dirac.questions import DiracQuestions
from engine.backends.dirac.section import DiracSection
from engine.backends.dirac.submit import submit
from engine.backends.wms.backend import Described, GridBackend, SubmitOutcome
from engine.backends.wms.jdl import CLAIMS, LAUNCHER
from engine.backends.wms.outputs import UnreadableArchive, unpack
from engine.backends.wms.settings import GridSettings, proxy_init
from engine.dirac.client import DiracBridge, DiracRefused, bridge
from engine.dirac.settings import DiracClientSettings, dirac_client_settings
from engine.errors import CredentialExpired, NotFound
from engine.ports import Identity, Rejected
from engine.settings.tree import Settings

BATCH = 200
"""Submissions that share a sandbox: DIRAC makes some 75 jobs a second of them (measured)."""
RETRIEVALS = 4
"""Output sandboxes fetched at a time."""


@dataclass(frozen=True, slots=True)
class DiracSettings:
    """Which client, and how it is used."""

    client: DiracClientSettings
    grid: GridSettings
    parametric: bool = True
    """Whether jobs that are alike are submitted together."""


class DiracBackend(GridBackend):
    """Jobs of one user at one DIRAC installation."""

    section = DiracSection
    _ask: DiracQuestions

    def __init__(self, name: str, settings: DiracSettings) -> None:
        self._settings = settings
        ask = DiracQuestions(bridge(settings.client))
        super().__init__(name, settings.grid, ask, batch_size=BATCH, retrievals=RETRIEVALS)

    @property
    def bridge(self) -> DiracBridge:
        """The DIRAC client."""
        return bridge(self._settings.client)

    @classmethod
    def from_settings(cls, name: str, section: DiracSection, settings: Settings) -> Self:
        """Make the back-end of a section."""
        return cls(
            name, DiracSettings(dirac_client_settings(section), section.grid(), parametric=section.parametric)
        )

    def check(self) -> None:
        """See that the client works, and that the service for jobs knows us as who we are meant to be.

        Raises:
            SettingsError: there is no DIRAC client where the settings say.
        """
        self.bridge.version()
        self.identity()
        self._expect("the proxy", group=self._ask.ask("check")["group"])

    def retrieve(self, native_id: str, into: Path) -> Sequence[Path]:
        """Take reports and logs out of the output sandbox. One that cannot be read is as good as none."""
        if not native_id.isdigit():
            return []
        with tempfile.TemporaryDirectory(prefix="engine-", dir=into.parent) as scratch:
            try:
                packed = self._ask.ask("fetch_output", number=int(native_id), into=scratch)
                brought = []
                for path in packed:
                    brought += unpack(Path(path).read_bytes(), into)
                return brought
            except (DiracRefused, NotFound, UnreadableArchive):
                return []

    def history(self, native_id: str) -> Sequence[tuple[float, str]]:
        """Return DIRAC's own history of a job: when, and in which words."""
        return self._ask.history(int(native_id)) if native_id.isdigit() else []

    def identity(self) -> Identity:
        """Return what the proxy says.

        Raises:
            CredentialExpired: there is none, it is over, or it is for another group than the settings say.
        """
        who = self._ask.ask("whoami")
        if who["left"] <= 0:
            raise CredentialExpired(
                f"the proxy {who['path']} has run out", remedy="`engine login` tells what to type"
            )
        self._expect("the proxy", vo=who["vo"], group=who["group"])
        return Identity(who["owner"], f"{who['vo']} {who['group']}".strip(), time.time() + who["left"])

    def login_steps(self) -> Sequence[str]:
        """Return how a proxy is made."""
        client = self._settings.client
        source = f". {client.diracosrc} && " if client.diracosrc else ""
        return [
            f"  {source}{proxy_init(self._grid.group, client.proxy)}",
            "the engine takes up the new one by itself",
        ]

    def close(self) -> None:
        """End the DIRAC client; whoever asks next starts it again."""
        self.bridge.close()

    # --- parts -------------------------------------------------------------------------------------

    @cached_property
    def _most(self) -> int:
        """Jobs of one parametric description."""
        return int(self._ask.ask("check")["most"]) if self._settings.parametric else 1

    def _upload(self, files: Mapping[str, bytes]) -> str | Rejected:
        with tempfile.TemporaryDirectory(prefix="engine-") as directory:
            for name, data in files.items():
                path = Path(directory, name)
                path.touch(0o600 if name == CLAIMS else 0o755 if name == LAUNCHER else 0o644)
                path.write_bytes(data)
            try:
                return str(self._ask.ask("upload_sandbox", directory=directory))
            except DiracRefused as error:  # it is too large
                return Rejected(f"DIRAC refuses its sandbox: {error}")

    def _hand_over(self, items: Sequence[Described]) -> SubmitOutcome:
        return submit(self._ask, items, self._most, self._grid.at_once)
