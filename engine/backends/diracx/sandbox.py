"""Sandboxes: small archives in DiracX's own store, named by their content and private to their owner."""

from __future__ import annotations

from engine.backends.diracx.client import DiracxClient
from engine.backends.wms.payload import PayloadArchive


async def upload(client: DiracxClient, archive: PayloadArchive, form: str = "tar.zst") -> str:
    """Bring an archive there if it is not there yet; its name, as job descriptions want it.

    Raises:
        Refused: it is too large.
        BackendUnavailable, CredentialExpired: as for every request.
    """
    description = {
        "checksum_algorithm": "sha256",
        "checksum": archive.sha256,
        "size": len(archive.data),
        "format": form,
    }
    answer = (await client.request("POST", "/api/jobs/sandbox", description)).data
    if answer.get("url"):
        files = {"file": ("file", archive.data)}
        await client.store("POST", answer["url"], data=answer["fields"], files=files)
    return str(answer["pfn"])


async def download(client: DiracxClient, name: str) -> bytes:
    """Download the bytes of a sandbox.

    Raises:
        Refused: the store does not know it, or it lies in another store.
        BackendUnavailable, CredentialExpired: as for every request.
    """
    answer = (await client.request("GET", "/api/jobs/sandbox", pfn=name)).data
    return await client.store("GET", answer["url"])


async def outputs_of(client: DiracxClient, native_id: str) -> list[str]:
    """List the names of the output sandboxes of a job: none while it has not ended, or when it brought
    none.
    """
    found = (await client.request("GET", f"/api/jobs/{int(native_id)}/sandbox/output")).data
    return [str(name) for name in found or [] if name]
