"""Apply the layers of an image to a directory, by the rules of the OCI image specification (layer.md).

Runs unprivileged: everything belongs to the caller, set-uid bits are dropped, special files and extended
attributes are left out, and all of that is told. Nothing a layer says can reach outside the directory:
parents are resolved component by component inside it, links are created and never followed, and what stands
at a name is removed before something else is written there.
"""

import errno
import hashlib
import os
import shutil
import stat
import tarfile
from pathlib import Path
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Set, Tuple, cast

from wrappers.containers.decompress import ZLIB, Gunzip
from wrappers.containers.errors import CorruptImage, of_os
from wrappers.containers.tarstream import Layer, TarStream, Unpacker
from wrappers.containers.tree import remove, resolve

_WHITEOUT = b".wh."
_OPAQUE = b".wh..wh..opq"
_AUFS = b".wh..wh."  # book-keeping of aufs, found in old images
_LATEST = 1 << 33  # seconds; file systems refuse times far beyond
_NO_LINK = (errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.EXDEV)  # this file system makes no hard link
# What entries that contradict each other lead to. All else that the system says is about this machine.
_IMAGE_ERRORS = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ELOOP)
_LONGEST_NAME = 255  # bytes; no Linux file system takes more
_XATTR = "SCHILY.xattr."  # how pax headers name extended attributes


class Findings(NamedTuple):
    """The findings of an extraction: what could not be kept as it was. Paths are as the layers name them."""

    files: int
    size: int  # bytes of the files' contents
    special: List[str]  # devices, pipes: left out
    setuid: List[str]  # unpacked without the bit
    xattrs: List[str]  # unpacked without their extended attributes
    closed: List[str] = []  # to other accounts, in the image; opened to them if `readable`

    def warnings(self) -> List[str]:
        """One line for each kind of loss."""
        pairs = (
            (self.special, "special files of the image were left out"),
            (self.setuid, "files of the image lost their set-uid bit"),
            (self.xattrs, "files of the image lost their extended attributes"),
        )
        return [f"{len(paths)} {what}, e.g. {paths[0]}" for paths, what in pairs if paths]


class ExtractionObserver:
    """An observer of an extraction while it goes on: nothing is done with it here. Paths are full ones."""

    def made(self, path: bytes) -> None:
        """Take note of a directory that was only implied."""

    def losing(self, path: bytes) -> None:
        """Take note of what is about to be removed, with all below it."""

    def changing(self, path: bytes) -> None:
        """Take note of a directory whose mode is about to change."""

    def ended(self, made: Iterable[bytes], findings: Findings) -> None:
        """Take note of the end of a layer: what it made, or named as a parent, and all findings so far."""


def extract(
    layers: Iterable[Layer],
    root: Path,
    readable: bool = False,
    sums: Optional[Dict[bytes, str]] = None,
    gunzip: Gunzip = ZLIB,
    onto: bool = False,
    watch: Optional[ExtractionObserver] = None,
) -> Findings:
    """Apply layers, lowest first, to the directory `root`, which is made and must not exist, unless `onto`.

    Each layer is decompressed once and checked against its diff_id; the iterable may still be fetching the
    later ones while the first are unpacked. `readable` opens everything to other accounts too (for CVMFS).
    `sums`, when given, takes the sha256 of every file by its path, but for sparse ones. `gunzip` is a faster
    library than the standard one, where there is one.
    After any error the directory is gone.

    Raises:
        CorruptImage: a layer is not what its diff_id says, is no tar file, or names something outside.
        UnsuitableNode: no space, or zstd is missing.
    """
    if not onto:
        os.mkdir(str(root), 0o755)
    try:
        work = _Extraction(os.fsencode(str(root)), readable, sums, watch or ExtractionObserver())
        with Unpacker(layers, gunzip) as unpacker:
            for stream in unpacker.streams():
                _apply(work, stream)
        return work.findings()
    except BaseException:
        remove(root)
        raise


def _apply(work: "_Extraction", stream: TarStream) -> None:
    try:
        work.apply(stream)
    except (tarfile.TarError, ValueError, OverflowError) as error:
        raise CorruptImage(f"a layer is no valid tar file: {error}") from None
    except OSError as error:
        path = os.fsencode(error.filename) if error.filename else b""
        name = os.fsdecode(path) if path else "a file"
        impossible = error.errno == errno.ENAMETOOLONG and max(map(len, path.split(b"/"))) > _LONGEST_NAME
        if error.errno not in _IMAGE_ERRORS and not impossible:
            raise of_os(error, f"the image cannot be unpacked here: {name}: {error.strerror}") from None
        raise CorruptImage(f"a layer cannot be unpacked: {name}: {error.strerror}") from None


class _Extraction:
    """The state of one extraction; paths are bytes, since image names need not be text."""

    def __init__(
        self, root: bytes, readable: bool, sums: Optional[Dict[bytes, str]], watch: ExtractionObserver
    ) -> None:
        self._root = root
        self._watch = watch
        self._sums = sums
        self._readable = readable
        self._parents: Dict[bytes, bytes] = {}  # directory as named in the tar -> where it really is
        self._made: Set[bytes] = set()  # by the present layer; whiteouts spare it
        self._times: List[Tuple[bytes, int]] = []
        self._files = self._size = 0
        self._special: List[str] = []
        self._setuid: List[str] = []
        self._xattrs: List[str] = []
        self._closed: List[str] = []
        self._left_out: Set[bytes] = set()  # where special files would be

    def findings(self) -> Findings:
        return Findings(self._files, self._size, self._special, self._setuid, self._xattrs, self._closed)

    def apply(self, stream: TarStream) -> None:
        self._made.clear()
        if not stream.is_empty():  # not even the zeros that end a tar
            self._entries(stream)
        self._watch.ended(self._made, self.findings())

    def _entries(self, stream: TarStream) -> None:
        # errors="surrogateescape" keeps every byte of a name that is not UTF-8
        tar = tarfile.TarFile(fileobj=stream, mode="r", encoding="utf-8", errors="surrogateescape")  # type: ignore[arg-type]
        while True:
            member = tar.next()
            if member is None:
                break
            tar.members = []  # type: ignore[attr-defined] # tarfile would keep them all
            self._entry(member, stream)
        stream.drain()
        # last, since every file written changed its directory's time
        for path, when in self._times:
            if os.path.isdir(path) and not os.path.islink(path):
                os.utime(path, (when, when))
        self._times = []

    def _entry(self, member: tarfile.TarInfo, stream: TarStream) -> None:
        directory, _, base = _bytes(member.name).rstrip(b"/").rpartition(b"/")
        if base in (b"", b"."):
            return  # the root directory itself
        if base == b"..":
            raise CorruptImage(f"a layer names something outside of the image: {member.name}")
        parent = self._parents.get(directory) or self._parent(directory)
        if base.startswith(_WHITEOUT):
            self._whiteout(parent, base)
            return
        path = parent + b"/" + base
        self._left_out.discard(path)
        if member.isreg():
            self._file(path, member, stream)
        elif member.isdir():
            self._directory(path, member)
        elif member.issym():
            self._clear(path)
            os.symlink(_bytes(member.linkname), path)
        elif member.islnk():
            self._hard_link(path, member)
        else:
            self._clear(path)
            self._leave_out(path, member)
        if path in self._left_out or (member.islnk() and not os.path.lexists(path)):  # a link to itself
            return
        while path not in self._made and path != self._root:  # and the directories that were only implied
            self._made.add(path)
            path = path.rpartition(b"/")[0]
        self._files += 1
        for key in member.pax_headers or ():
            if key.startswith(_XATTR):
                self._xattrs.append(member.name)
                break

    def _file(self, path: bytes, member: tarfile.TarInfo, stream: TarStream) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            file = os.open(path, flags, 0o600)
        except FileExistsError:
            self._clear(path)
            file = os.open(path, flags, 0o600)
        try:
            stretches = cast(Optional[List[Tuple[int, int]]], member.sparse)
            digest = hashlib.sha256() if self._sums is not None and stretches is None else None
            if stretches is None:
                _write(file, stream, member.size, digest)
            else:
                for offset, size in stretches:
                    os.lseek(file, offset, os.SEEK_SET)
                    _write(file, stream, size)
                os.ftruncate(file, member.size)
            os.fchmod(file, self._mode(member))
            when = _when(member)
            os.utime(file, (when, when))
        finally:
            os.close(file)
        self._note_sum(path, digest.hexdigest() if digest else None)
        self._size += member.size
        if member.mode & (stat.S_ISUID | stat.S_ISGID):
            self._setuid.append(member.name)

    def _directory(self, path: bytes, member: tarfile.TarInfo) -> None:
        mode = self._mode(member) | stat.S_IRWXU
        if not self._clear(path, keep_directory=True):
            os.mkdir(path, 0o700)
        elif stat.S_IMODE(os.lstat(path).st_mode) != mode:
            self._watch.changing(path)
        os.chmod(path, mode)
        self._times.append((path, _when(member)))

    def _hard_link(self, path: bytes, member: tarfile.TarInfo) -> None:
        directory, _, base = _bytes(member.linkname).rstrip(b"/").rpartition(b"/")
        if base in (b"", b".", b".."):
            raise CorruptImage(
                f"a layer links {member.name} to something outside of the image: {member.linkname}"
            )
        target = self._parent(directory) + b"/" + base
        if target == path:
            return
        self._clear(path)
        if target in self._left_out:
            self._leave_out(path, member)
            return
        try:
            os.link(target, path, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            if stat.S_ISDIR(os.lstat(target).st_mode):
                raise CorruptImage(f"a layer links {member.name} to a directory: {member.linkname}") from None
            shutil.copy2(target, path, follow_symlinks=False)
        self._note_sum(path, (self._sums or {}).get(target))

    def _leave_out(self, path: bytes, member: tarfile.TarInfo) -> None:
        self._left_out.add(path)
        self._special.append(member.name)

    def _note_sum(self, path: bytes, digest: Optional[str]) -> None:
        """Whatever makes a file says so: what an earlier one of that name had must not stay."""
        if self._sums is not None:
            self._sums.pop(path, None)
            if digest is not None:
                self._sums[path] = digest

    def _parent(self, directory: bytes) -> bytes:
        """Return where a directory of the tar really is; made when it is missing."""
        if b".." in directory.split(b"/"):
            raise CorruptImage(f"a layer names something outside of the image: {os.fsdecode(directory)}/")
        found = missing = resolve(self._root, directory)
        if not os.path.isdir(found):
            while not os.path.lexists(missing):
                self._watch.made(missing)
                missing = missing.rpartition(b"/")[0]
            os.makedirs(found, 0o755)
        self._parents[directory] = found
        return found

    def _clear(self, path: bytes, keep_directory: bool = False) -> bool:
        """Remove what stands at `path`; True when it is a directory that may stay."""
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            return False
        if keep_directory and stat.S_ISDIR(mode):
            return True
        self._watch.losing(path)
        self._made.discard(path)
        if stat.S_ISDIR(mode):
            remove(Path(os.fsdecode(path)))
            self._made.difference_update([one for one in self._made if one.startswith(path + b"/")])
        else:
            os.unlink(path)
        if not stat.S_ISREG(mode):  # directories may now be somewhere else
            self._parents.clear()
        return False

    def _whiteout(self, parent: bytes, base: bytes) -> None:
        if base == _OPAQUE:
            self._hide_lower(parent)
        elif not base.startswith(_AUFS):
            name = base[len(_WHITEOUT) :]
            if name in (b"", b".", b".."):
                raise CorruptImage(f"a layer removes something outside of the image: {os.fsdecode(base)}")
            self._hide(parent + b"/" + name)

    def _hide_lower(self, directory: bytes) -> None:
        """Remove what earlier layers put into a directory."""
        for name in os.listdir(directory):
            self._hide(directory + b"/" + name)

    def _hide(self, path: bytes) -> None:
        if path not in self._made:
            self._clear(path)
        elif os.path.isdir(path) and not os.path.islink(path):
            self._hide_lower(path)

    def _mode(self, member: tarfile.TarInfo) -> int:
        mode = member.mode & 0o1777 | stat.S_IRUSR | stat.S_IWUSR
        if mode & 0o111:
            mode |= stat.S_IXUSR
        if self._readable:
            if not member.mode & 0o004:
                self._closed.append(member.name)
            mode |= 0o444 | (0o111 if mode & stat.S_IXUSR or member.isdir() else 0)
            mode &= ~0o022
        return mode


def _write(file: int, stream: TarStream, size: int, digest: Optional[Any] = None) -> None:
    for piece in stream.pieces(size):
        if digest is not None:
            digest.update(piece)
        while len(piece):
            piece = piece[os.write(file, piece) :]


def _when(member: tarfile.TarInfo) -> int:
    return int(min(max(member.mtime, 0), _LATEST))


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
