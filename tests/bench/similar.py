"""Making the container of an image that has all layers but its last one from another: only that is unpacked.

Beside it, the same image from all of its layers, which are all on disk in both cases. Looking at each file of
the published tree, to see that it is sound, is part of it.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from cvmfs_deploy.create import CreatedContainer, base_of, create
from cvmfs_deploy.layers import Layers
from cvmfs_deploy.settings import DeploySettings
from cvmfs_deploy.sources.registry import RegistrySource
from tests.bench.creation import layers_of_files
from tests.bench.figures import row
from tests.bench.place import median, place
from tests.services.images import one_file_layer, push
from tests.services.registry import start_registry
from wrappers.containers.listing import ListingEntry, read_tree
from wrappers.containers.manifests import Resolved
from wrappers.containers.platforms import platform
from wrappers.containers.reference import parse

ROUNDS = 2


def main() -> None:
    """Print the table's line."""
    with place(1) as here, start_registry(here.directory / "registry") as registry:
        files = list(layers_of_files())
        for number in "12":
            push(registry.url, f"bench/similar:{number}", [*files, one_file_layer("own", number)])
        source = RegistrySource(DeploySettings())
        first, second = (
            source.resolve(parse(f"{registry.host}/bench/similar:{number}"), platform()) for number in "12"
        )
        with Layers(here.directory / "layers", 4) as layers:
            published = here.directory / "published"
            create(source, first, platform(), layers, published, "now")
            for layer in second.layers:
                layers.request(source, second, layer).result()

            def timed(image: Resolved, base: Path | None, into: Path) -> tuple[float, CreatedContainer]:
                start = time.perf_counter()
                found = base_of(base, image) if base else None
                assert bool(found) == bool(base)
                made = create(source, image, platform(), layers, into, "now", base=found)
                return time.perf_counter() - start, made

            whole, similar, records = [], [], []
            for turn in range(ROUNDS):
                directories = here.directory / f"whole-{turn}", here.directory / f"similar-{turn}"
                seconds, _ = timed(second, None, directories[0])
                whole.append(seconds)
                seconds, made = timed(second, published, directories[1])
                similar.append(seconds)
                records.append(made.record)
                assert _root(directories[0]) == _root(directories[1])
                shutil.rmtree(directories[0])
        ratio = median(whole) / median(similar)
        megabytes, files_in_it = records[-1].size / 1e6, records[-1].entries
        what = f"create an image like a published one, {megabytes:.0f} MB, {files_in_it} files"
        row(
            f"{what}: {median(similar):.1f} s",
            f"{ratio:.1f} x less than from its layers",
            ">= 3 x",
            ratio >= 3,
        )


def _root(container: Path) -> dict[bytes, ListingEntry]:
    """The list of an image's own files."""
    return {path: entry for path, entry in read_tree(container).items() if path.startswith(b"ROOT/")}
