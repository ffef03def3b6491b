"""Files and directories as inputs and outputs: walking, hashing, copying, removing."""

import hashlib
import os
import stat
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple, TypeVar

from wrappers.containers.tree import remove_all
from wrappers.node.names import portable

CHUNK = 1 << 20
_ZEROS = bytes(CHUNK)
DEEPEST = 64
"""Levels of directories in an input or a result."""
_LONGEST = 3500  # bytes of a path that may get another name at its end
_NEVER = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX | stat.S_IWOTH  # rights that no result has
_T = TypeVar("_T")


class TooDeep(Exception):
    """A tree with more levels than may be delivered."""

    def __init__(self) -> None:
        super().__init__(f"has more than {DEEPEST} levels of directories; pack it into an archive")


class File(NamedTuple):
    """A regular file of a tree."""

    name: str  # relative to the root of the tree
    path: str


class ListedTree(NamedTuple):
    """The content of a directory, links replaced by what they point to but for those that are kept."""

    directories: List[str]  # relative, parents first
    files: List[File]  # sorted by name
    left_out: List[str]  # sentences: what is neither file nor directory, or may not be followed
    plain: bool  # no link and nothing left out: the directory can be moved as it is
    links: List[Tuple[str, str]]  # name and relative target, which is in the tree; none unless they are kept


class Held(NamedTuple):
    """The content of a directory."""

    sums: List[Tuple[str, str]]  # name and sha256 of each file
    size: int  # sum of the files

    def sha256(self) -> str:
        """Give the checksum of the directory."""
        return listing_digest(self.sums)

    def below(self, name: str) -> Dict[str, str]:
        """Give the checksums of the files by their paths, where the directory is called `name`."""
        return {f"{name}/{file}": sha256 for file, sha256 in self.sums}


def walk(root: str, within: Optional[str] = None, keep_links: bool = False) -> ListedTree:
    """List a tree. A link that leads out of the directory `within` is left out, as are dangling ones,
    links to a directory above, devices, pipes and sockets. With `keep_links`, links to what is in the tree
    itself stay links.

    Raises:
        TooDeep: it has too many levels.
    """
    directories: List[str] = []
    files: List[File] = []
    left_out: List[str] = []
    links: List[Tuple[str, str]] = []
    top = os.path.realpath(root)
    linked = False
    bound = os.path.realpath(within) if within is not None else None
    todo: List[Tuple[str, str, Tuple[str, ...]]] = [("", root, (top,))]
    while todo:
        prefix, path, above = todo.pop()
        if len(above) > DEEPEST + 1:
            raise TooDeep()
        for entry in os.scandir(path):
            name = prefix + entry.name
            if entry.is_symlink():
                linked = True
                real = os.path.realpath(entry.path)
                if bound is not None and not is_within(real, bound):
                    left_out.append(f"{portable(name)} (a link that leaves the job directory)")
                    continue
                if real in above or not os.path.exists(real):
                    left_out.append(f"{portable(name)} (a link that leads nowhere)")
                    continue
                if keep_links and is_within(real, top) and (os.path.isfile(real) or os.path.isdir(real)):
                    links.append((name, os.path.relpath(os.path.relpath(real, top), os.path.dirname(name))))
                    continue
            if entry.is_dir():
                directories.append(name)
                todo.append((name + "/", entry.path, above + (os.path.realpath(entry.path),)))
            elif entry.is_file():
                files.append(File(name, entry.path))
            else:
                left_out.append(f"{portable(name)} (neither a file nor a directory)")
    files.sort(key=lambda file: os.fsencode(file.name))
    return ListedTree(
        sorted(directories), files, sorted(left_out), not linked and not left_out, sorted(links)
    )


def is_within(real: str, directory: str) -> bool:
    """Say whether a resolved path is `directory` or lies under it."""
    return real == directory or real.startswith(directory.rstrip("/") + "/")


def digest(path: str) -> Tuple[str, int]:
    """Compute the sha256 and size of a file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _pump(descriptor, None)
    finally:
        os.close(descriptor)


def sync(path: str) -> None:
    """Have a file or directory on the disk before going on."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def copy(source: str, target: str) -> Tuple[str, int]:
    """Copy a file to a name that must be free, giving its sha256 and size on the way.

    The copy can be written by its owner; being executable is the only permission that is carried over.
    """
    reading = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        mode = 0o755 if os.fstat(reading).st_mode & stat.S_IXUSR else 0o644
        writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            return _pump(reading, writing)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _pump(reading: int, writing: Optional[int]) -> Tuple[str, int]:
    """Hash a file, and perhaps copy it: where there is nothing but zeros a hole stays, or comes to be."""
    hashed = hashlib.sha256()
    size = 0
    while True:
        chunk = os.read(reading, CHUNK)
        if not chunk:
            if writing is not None:
                os.ftruncate(writing, size)  # a hole at its end
            return hashed.hexdigest(), size
        hashed.update(chunk)
        size += len(chunk)
        if writing is None:
            continue
        if chunk == _ZEROS[: len(chunk)]:
            os.lseek(writing, len(chunk), os.SEEK_CUR)
            continue
        view = memoryview(chunk)
        while view:
            view = view[os.write(writing, view) :]


def listing_digest(sums: List[Tuple[str, str]]) -> str:
    """Compute the sha256 of a directory: of what `sha256sum` prints for its files, sorted by the bytes of the
    name.

    By hand: `find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0r sha256sum | sha256sum`.
    """
    hashed = hashlib.sha256()
    for name, sha256 in sorted((os.fsencode(name), sha256) for name, sha256 in sums):
        escaped = name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
        mark = b"\\" if escaped != name else b""
        hashed.update(mark + sha256.encode("ascii") + b"  " + escaped + b"\n")
    return hashed.hexdigest()


def copy_tree(tree: ListedTree, target: str) -> Held:
    """Copy a tree into a directory that is made."""
    os.mkdir(target)
    for name in tree.directories:
        os.mkdir(os.path.join(target, name))
    held = _total(tree, lambda file: copy(file.path, os.path.join(target, file.name)))
    for name, leads_to in tree.links:
        os.symlink(leads_to, os.path.join(target, name))
    return held


def digest_tree(tree: ListedTree) -> Held:
    """Hash what a tree holds."""
    return _total(tree, lambda file: digest(file.path))


def _total(tree: ListedTree, each: Callable[[File], Tuple[str, int]]) -> Held:
    sums: List[Tuple[str, str]] = []
    total = 0
    for file in tree.files:
        sha256, size = each(file)
        sums.append((file.name, sha256))
        total += size
    return Held(sums, total)


def give_access(directory: str) -> None:
    """Let the owner read and change a directory and all that lies in it, whatever rights a tool took away,
    and take those that no result may have. Links are not followed; what belongs to others, or lies deeper
    than any path, stays as it is.
    """
    _chmod(directory, stat.S_IRWXU, 0)
    todo = [directory]
    while todo:
        try:
            found = entries(todo.pop())
        except OSError:
            continue
        for entry in found:
            if entry.is_symlink():
                continue
            if entry.is_dir():
                todo.append(entry.path)
            wanted = stat.S_IRWXU if entry.is_dir() else stat.S_IRUSR | stat.S_IWUSR
            _chmod(entry.path, wanted, _NEVER)


def _chmod(path: str, wanted: int, never: int) -> None:
    try:
        mode = stat.S_IMODE(os.lstat(path).st_mode)
        if mode & (wanted | never) != wanted:
            os.chmod(path, (mode | wanted) & ~never)
    except OSError:
        pass  # whoever reads it will say so


def remove(path: str, spare: str = "") -> None:
    """Remove a directory and all under it but `spare`, also where the tool took its own permissions away.

    Nobody else may be writing there: unlike `shutil.rmtree`, which needs four times the system calls, this
    does not guard against a directory that turns into a link meanwhile.

    Raises:
        OSError: something could not be removed.
    """
    directories: List[str] = []
    todo = [path]
    while todo:  # not by recursion: a tool may make more levels than Python has
        directory = todo.pop()
        try:
            content = entries(directory)
        except FileNotFoundError:
            continue
        directories.append(directory)
        for entry in content:
            if entry.path == spare:
                continue
            if not entry.is_dir(follow_symlinks=False):
                _by_opening(os.unlink, entry.path, directory)
            elif len(os.fsencode(entry.path)) > _LONGEST:
                remove_all(entry.path)
            else:
                todo.append(entry.path)
    for directory in reversed(directories):
        if os.path.dirname(spare) != directory:
            _by_opening(os.rmdir, directory, os.path.dirname(directory))


def entries(path: str) -> "List[os.DirEntry[str]]":
    """List a directory of ours, also where the tool took its own permissions away."""
    return _by_opening(lambda closed: list(os.scandir(closed)), path, path)


def remove_any(path: str) -> None:
    """Remove what is there, be it a file, a directory or nothing."""
    if os.path.isdir(path) and not os.path.islink(path):
        remove(path)
    elif os.path.lexists(path):
        os.unlink(path)


def _by_opening(step: Callable[[str], _T], path: str, closed: str) -> _T:
    """Do it, by opening the directory that may forbid it when it must be."""
    try:
        return step(path)
    except PermissionError:
        os.chmod(closed, 0o700)
        return step(path)


def replace_text(path: str, text: str) -> None:
    """Write a small file so that a reader sees the old text or the new one, never a part."""
    replace_bytes(path, text.encode("utf-8", "surrogateescape"))


def replace_bytes(path: str, data: bytes) -> None:
    """Write a file so that a reader sees the old content or the new one, never a part."""
    temporary = f"{path}.{os.getpid()}.part"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except OSError:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
