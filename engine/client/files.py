"""Files of a daemon's virtual tree, from Python."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from engine.client.requests import PIECE, WORK, Requests
from engine.errors import BadRequest
from engine.ids import new_id


class FilesClient(Requests):
    """Requests for files below `/vip`."""

    def exists(self, path: str) -> bool:
        """Say whether something lies at a path of the virtual tree."""
        return bool(self._json("GET", f"{_path(path)}?action=exists")["exists"])

    def list(self, path: str) -> Sequence[Mapping[str, Any]]:
        """List a directory of the virtual tree."""
        return list(self._json("GET", f"{_path(path)}?action=list"))

    def delete(self, path: str) -> None:
        """Put a file or directory into the trash."""
        self._json("DELETE", _path(path), within=WORK)

    def upload(self, source: Path, path: str) -> None:
        """Bring a file, or a directory with all it holds, to a path of the virtual tree; verified.

        Directories on the way are made.

        Raises:
            BadRequest: what came there is something else.
        """
        self._make_above(path)
        self._upload(source, path)

    def bring(self, source: Path, path: str) -> None:
        """Do the same, but for files that are there already with the same content; what is neither file nor
        directory is left out.

        Raises:
            BadRequest: what came there is something else.
        """
        self._make_above(path)
        try:
            self._upload(source, path, anew=False)
        except OSError as error:
            raise BadRequest(f"{error.filename or source}: {error.strerror}") from None

    def _make_above(self, path: str) -> None:
        """Make the directories in which a path lies, where they are missing."""
        parent = path.strip("/").rpartition("/")[0]
        if parent.count("/") > 1 and not self.exists(parent):  # /vip/Home and its like are always there
            self._json("PUT", f"{_path(parent)}/")

    def _upload(self, source: Path, path: str, *, anew: bool = True) -> None:
        if source.is_dir():
            self._json("PUT", f"{_path(path)}/")
            here = source.resolve()
            for each in sorted(source.iterdir()):
                if each.is_symlink() and each.resolve() in (here, *here.parents):
                    if not anew:
                        continue
                    raise BadRequest(f"{each}: a link to a directory that it is in", remedy="leave it out")
                if anew or each.is_file() or each.is_dir():
                    self._upload(each, f"{path.rstrip('/')}/{each.name}", anew=anew)
            return
        if not anew and self._holds(path, source):
            return
        summed = hashlib.md5(usedforsecurity=False)

        def body() -> Iterator[bytes]:
            nonlocal summed
            summed = hashlib.md5(usedforsecurity=False)
            with source.open("rb") as file:
                while piece := file.read(PIECE):
                    summed.update(piece)
                    yield piece

        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(source.stat().st_size),
            "Want-Digest": "md5",  # computed there while the bytes come in, and asked for below
        }
        self._repeated("PUT", _path(path), body, headers, within=WORK)
        if self._md5(path) != summed.hexdigest():
            raise BadRequest(f"{path}: what arrived is not what was sent", remedy="upload it again")

    def _holds(self, path: str, source: Path) -> bool:
        if not self.exists(path):
            return False
        with source.open("rb") as file:
            return self._md5(path) == hashlib.file_digest(file, "md5").hexdigest()

    def download(self, path: str, target: Path) -> None:
        """Bring a file of the virtual tree, or a directory with all it holds, here: each file verified or not
        at all, going on where it broke off.

        Raises:
            BadRequest: it changed meanwhile, or cannot be written here.
        """
        properties = self._json("GET", f"{_path(path)}?action=properties")
        self._fetch(path, target, directory=bool(properties["exists"] and properties["isDirectory"]))

    def _fetch(self, path: str, target: Path, *, directory: bool) -> None:
        try:
            if directory:
                self._fetch_directory(path, target)
            else:
                self._fetch_file(path, target)
        except OSError as error:
            raise BadRequest(f"{error.filename2 or error.filename or target}: {error.strerror}") from None

    def _fetch_directory(self, path: str, target: Path) -> None:
        target.mkdir(parents=True, exist_ok=True)
        for one in self.list(path):
            name = str(one["path"]).rpartition("/")[2]
            if name in ("", ".", "..") or "\0" in name:
                raise BadRequest(f"{path}: the daemon tells a name that leads elsewhere: {name!r}")
            self._fetch(f"{path.rstrip('/')}/{name}", target / name, directory=bool(one["isDirectory"]))

    def _fetch_file(self, path: str, target: Path) -> None:
        wanted = self._md5(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{new_id()}.part")
        try:
            with part.open("w+b") as file:
                self._repeated("GET", f"{_path(path)}?action=content", None, {}, into=file)
                file.seek(0)
                if hashlib.file_digest(file, "md5").hexdigest() != wanted:
                    raise BadRequest(f"{path}: it changed while it was fetched", remedy="fetch it again")
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)

    def _md5(self, path: str) -> str:
        return str(self._json("GET", f"{_path(path)}?action=md5", within=WORK)["md5"])


def _path(path: str) -> str:
    return f"path/{quote(path.strip('/'))}"
