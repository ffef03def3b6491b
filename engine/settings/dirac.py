"""A DIRAC client that is installed beside the engine, and what it is used for."""

from __future__ import annotations

from pathlib import Path

from engine.settings.section import GridName, Section


class DiracClientSection(Section):
    """A DIRAC client, for jobs and for files at `lfn:`."""

    command: tuple[str, ...] = ()
    """DIRAC's own Python, with arguments; empty: `python`, in the environment of `diracosrc`."""
    diracosrc: Path | None = None
    """A file to source before, such as the `diracosrc` of a DIRAC client; none: the engine's environment."""
    proxy: Path | None = None
    """The proxy; none: where DIRAC finds it (`X509_USER_PROXY`, else `/tmp/x509up_u<uid>`)."""
    storage_elements: tuple[GridName, ...] = ()
    """Storage elements for what is written to `lfn:`, in order; the first that takes a file has it."""
    failover: tuple[GridName, ...] = ()
    """Storage elements that take it when none of those does; DIRAC moves it from there by itself."""
