"""A real FUSE file system that shows a directory read-only, as the client of CVMFS does. For Debian's Python.

    fuse_stand_in.py SOURCE MOUNT SWITCHES

While the file SWITCHES says `deaf`, no request that comes in is answered; with `unreadable PART`, no file can
be read that has PART in its path. What is stopped (SIGSTOP) does not even take requests, and what is killed
leaves a mount that is not connected.
"""

import errno
import os
import sys
import time

from fusepy import FUSE, FuseOSError, Operations


class Shown(Operations):
    def __init__(self, source, switches):
        self._source, self._switches = source, switches

    def __call__(self, operation, path, *words):
        while "deaf" in self._said():
            time.sleep(0.1)
        try:
            return getattr(self, operation)(self._source + (path or ""), *words)
        except OSError as error:
            raise FuseOSError(error.errno) from error

    def _said(self):
        with open(self._switches) as file:
            return file.read()

    def init(self, path):
        pass

    def destroy(self, path):
        pass

    def access(self, path, mode):
        if mode & os.W_OK:
            raise OSError(errno.EROFS, path)

    def getattr(self, path, handle=None):
        about = os.lstat(path)
        keys = ("st_atime", "st_ctime", "st_gid", "st_mode", "st_mtime", "st_nlink", "st_size", "st_uid")
        return {key: getattr(about, key) for key in keys}

    def readdir(self, path, handle):
        return [".", "..", *os.listdir(path)]

    def readlink(self, path):
        return os.readlink(path)

    def statfs(self, path):
        about = os.statvfs(path)
        return {key: getattr(about, key) for key in ("f_bsize", "f_frsize", "f_blocks", "f_namemax")}

    def open(self, path, flags):
        return os.open(path, os.O_RDONLY)

    def release(self, path, handle):
        os.close(handle)

    def read(self, path, size, offset, handle):
        said = self._said().split()
        if said[:1] == ["unreadable"] and said[1] in path:
            raise OSError(errno.EIO, path)
        return os.pread(handle, size, offset)


if __name__ == "__main__":
    source, mount, switches = sys.argv[1:]
    # several threads: one that is held answers none of the others' requests either
    FUSE(
        Shown(source, switches),
        mount,
        foreground=True,
        ro=True,
        allow_other=True,
        fsname="stand-in",
        nothreads=False,
    )
