"""Small results that came home beside the report, where no storage would take them from the node."""

from __future__ import annotations

import hashlib
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from engine.domain.options import SANDBOX, Destination
from engine.errors import BadRequest, CredentialExpired, EngineError, Unavailable
from engine.reconcile import layout
from engine.reconcile.context import TickContext, log
from engine.reconcile.reports import storable
from wrappers import wire
from wrappers.containers.members import opened, pieces_of

PACKED_RESULTS = ".results.tar"


def unpack(
    context: TickContext,
    destinations: Sequence[Destination],
    names: Mapping[str, str],
    here: Sequence[wire.DeliveredOutput],
    archive: Path,
) -> dict[str, Destination]:
    """Put each result from the archive to its final name at the first destination that takes it; gives that.

    Raises:
        BadRequest: the archive does not hold what the report says, or all destinations refuse.
        Unavailable, CredentialExpired: none takes them, and one does not do so now.
    """
    left = [destination for destination in destinations if destination.url != SANDBOX]
    try:
        with opened(str(archive)) as packed:
            return {made.path: _put(context, left, names[made.path], made, packed) for made in here}
    except (OSError, tarfile.TarError) as error:
        raise BadRequest(f"results beside the report cannot be read: {storable(str(error))}") from None


def _put(
    context: TickContext,
    left: list[Destination],
    name: str,
    made: wire.DeliveredOutput,
    packed: tarfile.TarFile,
) -> Destination:
    """Put one result; destinations that do not take it are left out for the next."""
    trouble: list[EngineError] = []
    with _unpacked(context, made, packed) as local:
        for destination in list(left):
            try:
                _send(context, local, layout.final_url(destination, name, made), made)
            except (Unavailable, CredentialExpired, BadRequest) as error:
                log.info(
                    "result %s beside the report goes to the next destination: %s", storable(made.path), error
                )
                trouble.append(error)
                if len(left) > 1:
                    left.remove(destination)
            else:
                return destination
    raise next((error for error in trouble if not isinstance(error, BadRequest)), trouble[0])


def _send(context: TickContext, local: Path, url: str, made: wire.DeliveredOutput) -> None:
    storage = context.storage(url)
    there = storage.stat(url)
    if there is None or there.size != made.size or storage.checksum(url) != made.sha256:
        storage.send(local, url, keep=True)  # else it was brought there before a crash


@contextmanager
def _unpacked(context: TickContext, made: wire.DeliveredOutput, packed: tarfile.TarFile) -> Iterator[Path]:
    """Unpack a result from the archive, as the report has it."""
    member = made.path + layout.PACKED if made.packed else made.path
    with tempfile.NamedTemporaryFile(dir=context.workspace, delete=False) as file:
        local = Path(file.name)
        try:
            hashed = hashlib.sha256()
            for piece in pieces_of(packed, _member(packed, member)):
                hashed.update(piece)
                file.write(piece)
            file.flush()
            if hashed.hexdigest() != made.sha256:
                raise BadRequest(f"result {made.path} beside the report is not what the report says")
            yield local
        finally:
            local.unlink(missing_ok=True)


def _member(packed: tarfile.TarFile, name: str) -> tarfile.TarInfo:
    try:
        return packed.getmember(name)
    except KeyError:
        raise BadRequest(f"result {name} is not beside the report") from None
