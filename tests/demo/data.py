"""The demo's DICOM series, made from what PyPI carries: nothing else can be reached on a closed machine.

* Real ones, as they come with pydicom: single slices of an MR and a CT, and five slices of a heart CT (each
  made smaller by pydicom's authors).
* One that is made: the MNI152 brain template, which comes with nilearn as NIfTI, written out as an MR series.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pydicom.data
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage, generate_uid

from tests.demo.nifti import Nifti, read_nifti

TEMPLATE = "nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
REAL = {
    "mr-slice": ("MR_small.dcm",),
    "ct-slice": ("CT_small.dcm",),
    "heart-ct": tuple(f"dicomdirtests/98892001/CT5N/{number}" for number in (2062, 2392, 2693, 3023, 3353)),
}
MADE = "mni152"


def obtain_template(cache: Path) -> Path:
    """The MNI152 template (197 x 233 x 189 voxels of 1 mm), taken out of nilearn's wheel."""
    template = cache / Path(TEMPLATE).name
    if not template.exists():
        downloads = cache / "downloads"
        requirement = Path(__file__).with_name("nilearn.txt")
        options = ["-qq", "--no-deps", "--only-binary=:all:", "--require-hashes", "--dest", str(downloads)]
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", *options]
        subprocess.run([*command, "--requirement", str(requirement)], check=True)
        (wheel,) = downloads.glob("nilearn-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            template.with_suffix(".new").write_bytes(archive.read(TEMPLATE))
        os.replace(template.with_suffix(".new"), template)
        shutil.rmtree(downloads)
    return template


def write_real_series(directory: Path) -> dict[str, Path]:
    """Copy pydicom's real images, one directory for each series. Returns the directories by name."""
    for name, files in REAL.items():
        (directory / name).mkdir(parents=True, exist_ok=True)
        for file in files:
            source = pydicom.data.get_testdata_file(file, download=False)
            shutil.copyfile(str(source), directory / name / f"{Path(file).stem}.dcm")
    return {name: directory / name for name in REAL}


def write_made_series(template: Path, directory: Path) -> Path:
    """Write the template as a DICOM series, one file for each axial slice. Returns its directory."""
    series = directory / MADE
    if not series.exists():
        image = read_nifti(template)
        unfinished = directory / f"{MADE}.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        for number in range(image.shape[2]):
            _slice(image, number).save_as(unfinished / f"{number + 1:04}.dcm", enforce_file_format=True)
        unfinished.rename(series)
    return series


def _slice(image: Nifti, number: int) -> FileDataset:
    # DICOM counts towards the patient's left and back, NIfTI towards right and front: both axes turn round
    plane = image.voxels[::-1, ::-1, number].T.astype("<u2")
    corner = [-(image.origin[axis] + image.spacing[axis] * (image.shape[axis] - 1)) for axis in (0, 1)]
    height = image.origin[2] + image.spacing[2] * number
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = _uid("slice", str(number))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = _uid("study"), _uid("series")
    dataset.FrameOfReferenceUID = _uid("frame")
    dataset.Modality, dataset.Manufacturer, dataset.ImageType = "MR", "none", ["DERIVED", "SECONDARY"]
    dataset.PatientName, dataset.PatientID, dataset.StudyID = "MNI152^Template", "MNI152", "1"
    dataset.SeriesDescription = dataset.ProtocolName = "MNI152 template written as DICOM"
    dataset.StudyDate, dataset.StudyTime, dataset.PatientPosition = "20090101", "000000", "HFS"
    dataset.SeriesNumber, dataset.InstanceNumber = 1, number + 1
    dataset.ImagePositionPatient = [*corner, height]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing = [image.spacing[1], image.spacing[0]]
    dataset.SliceThickness, dataset.SliceLocation = image.spacing[2], height
    dataset.Rows, dataset.Columns = plane.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    dataset.PixelData = np.ascontiguousarray(plane).tobytes()
    return dataset


def _uid(*what: str) -> UID:
    """The same identifier every time: the files of two runs are the same bytes."""
    return generate_uid(entropy_srcs=["MNI152", *what])
