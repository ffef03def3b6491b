"""Small results that came home beside the report, where no storage would take them from the node."""

from __future__ import annotations

import hashlib
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.domain.options import Place
from engine.errors import BadRequest
from engine.reconcile import layout
from engine.reconcile.place import Round
from engine.reconcile.testimony import words
from wrappers import wire

PACKED_RESULTS = ".results.tar"
_CHUNK = 1 << 20


def unpack(
    round_: Round, place: Place, names: Mapping[str, str], here: Sequence[wire.Product], archive: Path
) -> dict[str, str]:
    """Put each result from the archive to its final name at a place; gives the URLs.

    Raises:
        BadRequest: the archive does not hold what the report says.
        Unavailable: the place does not take them now.
    """
    try:
        with tarfile.open(archive) as packed:
            return {made.path: _put(round_, place, names[made.path], made, packed) for made in here}
    except (OSError, tarfile.TarError) as error:
        raise BadRequest(f"results beside the report cannot be read: {words(str(error))}") from None


def _put(round_: Round, place: Place, name: str, made: wire.Product, packed: tarfile.TarFile) -> str:
    url = layout.final_url(place, name, made)
    storage = round_.storage(url)
    there = storage.stat(url)
    if there is not None and there.size == made.size and storage.checksum(url) == made.sha256:
        return url  # before a crash
    member = made.path + layout.PACKED if made.packed else made.path
    with tempfile.NamedTemporaryFile(dir=round_.workspace, delete=False) as file:
        local = Path(file.name)
        try:
            found = packed.extractfile(member)
            if found is None:
                raise KeyError(member)
            hashed = hashlib.sha256()
            while piece := found.read(_CHUNK):
                hashed.update(piece)
                file.write(piece)
            file.flush()
            if hashed.hexdigest() != made.sha256:
                raise BadRequest(f"result {made.path} beside the report is not what the report says")
            storage.send(local, url)
        except KeyError:
            raise BadRequest(f"result {made.path} is not beside the report") from None
        finally:
            local.unlink(missing_ok=True)
    return url
