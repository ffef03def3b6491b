"""The demo's own parts: the DICOM series that it writes and the NIfTI reader that checks the converter."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pydicom
import pytest

from tests.demo.data import MADE, REAL, write_made_series, write_real_series
from tests.demo.nifti import read_header, read_nifti

SHAPE = (4, 3, 2)
VOXELS = np.arange(24, dtype="<u2").reshape(SHAPE)


def nifti_file(path: Path, affine: np.ndarray, voxels: np.ndarray = VOXELS) -> Path:
    header = bytearray(352)
    header[0:4] = struct.pack("<i", 348)
    header[40:56] = struct.pack("<8h", 3, *voxels.shape, 1, 1, 1, 1)
    header[70:72] = struct.pack("<h", 512)
    header[108:112] = struct.pack("<f", 352)
    header[280:328] = struct.pack("<12f", *affine.flatten())
    header[344:348] = b"n+1\0"
    path.write_bytes(gzip.compress(bytes(header) + voxels.tobytes(order="F")))
    return path


def test_an_image_stored_the_other_way_round_is_the_same_image(tmp_path: Path) -> None:
    straight = np.array([[2.0, 0, 0, -6], [0, 1, 0, 5], [0, 0, 3, 7]])
    turned = np.array([[-2.0, 0, 0, 0], [0, 1, 0, 5], [0, 0, 3, 7]])
    one = read_nifti(nifti_file(tmp_path / "one.nii.gz", straight))
    other = read_nifti(nifti_file(tmp_path / "other.nii.gz", turned, VOXELS[::-1]))
    assert (one.shape, one.spacing, one.origin) == (other.shape, other.spacing, other.origin)
    assert one.origin == (-6, 5, 7)
    np.testing.assert_array_equal(one.voxels, other.voxels)
    np.testing.assert_array_equal(one.voxels, VOXELS)


def test_an_oblique_image_has_a_header_but_no_upright_voxels(tmp_path: Path) -> None:
    path = nifti_file(tmp_path / "a.nii.gz", np.array([[1.0, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]))
    assert read_header(path).shape == SHAPE
    with pytest.raises(ValueError, match="axes"):
        read_nifti(path)


def test_a_file_that_is_no_image_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(b"no image" * 100)
    with pytest.raises(ValueError, match="not a NIfTI-1 file"):
        read_header(path)


def test_the_made_series_holds_the_template_slice_by_slice(tmp_path: Path) -> None:
    template = nifti_file(tmp_path / "t.nii.gz", np.array([[1.0, 0, 0, -2], [0, 1, 0, -1], [0, 0, 1, -5]]))
    series = write_made_series(template, tmp_path)
    assert series.name == MADE
    slices = [pydicom.dcmread(path) for path in sorted(series.iterdir())]
    assert [float(one.ImagePositionPatient[2]) for one in slices] == [-5, -4]
    for number, one in enumerate(slices):
        rows = np.frombuffer(one.PixelData, "<u2").reshape(one.Rows, one.Columns)
        # the first pixel lies at the patient's right and front: DICOM's x and y grow to left and back
        assert list(one.ImagePositionPatient[:2]) == [-1, -1]
        np.testing.assert_array_equal(rows, VOXELS[::-1, ::-1, number].T)
    assert len({one.SOPInstanceUID for one in slices}) == 2
    assert len({one.SeriesInstanceUID for one in slices}) == 1


def test_the_real_series_are_dicom_files_of_one_series_each(tmp_path: Path) -> None:
    series = write_real_series(tmp_path)
    assert list(series) == list(REAL)
    for directory in series.values():
        files = [pydicom.dcmread(path) for path in directory.iterdir()]
        assert len({one.SeriesInstanceUID for one in files}) == 1
