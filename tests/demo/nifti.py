"""Read a NIfTI-1 image with nothing but its published layout, to check what a converter wrote."""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 512: "u2"}


@dataclass(frozen=True)
class Header:
    """What a NIfTI-1 file says of its image."""

    shape: tuple[int, int, int]
    """Voxels along each axis, as stored."""
    affine: NDArray[np.float64]
    """From a voxel's indices to its place in mm: right, front, top. Three rows of four."""
    kind: np.dtype[Any]
    """Of one stored voxel."""
    offset: int
    """Byte where the voxels start."""


@dataclass(frozen=True)
class Nifti:
    """A volume, its axes turned so that they run to the patient's right, front and top."""

    shape: tuple[int, ...]
    """Voxels along each axis."""
    spacing: tuple[float, ...]
    """Size of a voxel, in mm."""
    origin: tuple[float, ...]
    """Where the first voxel lies, in mm."""
    voxels: NDArray[Any]


def read_header(path: Path) -> Header:
    """Read what the file says of its image.

    Raises:
        ValueError: the file is not a NIfTI-1 file, or not of one 2D or 3D image of plain numbers.
    """
    return _header(_content(path), path)


def read_nifti(path: Path) -> Nifti:
    """Read an image whose axes are the patient's.

    Raises:
        ValueError: as `read_header`, or the axes are oblique.
    """
    data = _content(path)
    header = _header(data, path)
    count = int(np.prod(header.shape))
    voxels = np.frombuffer(data, header.kind, count, header.offset).reshape(header.shape, order="F")
    steps, origin = np.diag(header.affine), header.affine[:, 3].copy()
    if not np.allclose(header.affine[:, :3], np.diag(steps), atol=1e-4):
        raise ValueError(f"{path}: the axes are not the patient's")
    for axis in range(3):
        if steps[axis] < 0:
            origin[axis] += steps[axis] * (header.shape[axis] - 1)
            voxels = np.flip(voxels, axis)
    spacing = tuple(float(step) for step in np.abs(steps))
    return Nifti(header.shape, spacing, tuple(float(place) for place in origin), voxels)


def _content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def _header(data: bytes, path: Path) -> Header:
    if len(data) < 352 or data[344:348] != b"n+1\0":
        raise ValueError(f"{path}: not a NIfTI-1 file")
    order = "<" if struct.unpack("<i", data[:4])[0] == 348 else ">"
    rank, x, y, z, *more = struct.unpack(f"{order}8h", data[40:56])
    (code,) = struct.unpack(f"{order}h", data[70:72])
    (offset,) = struct.unpack(f"{order}f", data[108:112])
    if rank not in (2, 3, 4) or any(extent > 1 for extent in more[: rank - 3]) or code not in _TYPES:
        raise ValueError(f"{path}: not one 2D or 3D image of plain numbers")
    affine = np.array(struct.unpack(f"{order}12f", data[280:328])).reshape(3, 4)
    return Header((x, y, max(z, 1)), affine, np.dtype(f"{order}{_TYPES[code]}"), int(offset))
