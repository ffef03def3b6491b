"""Which extra of this distribution brings a package that is missing."""

from __future__ import annotations

DISTRIBUTION = "boutiques-engine"
_EXTRAS = {
    "azure": "diracx",
    "cryptography": "portal",
    "diracx": "diracx",
    "docker": "cvmfs",
    "fastapi": "portal",
    "irods": "irods",
    "isal": "cvmfs",
    "joserfc": "portal",
    "jpype": "vip",
    "obstore": "s3",
    "psycopg": "portal",
    "pymysql": "vip",
    "starlette": "portal",
    "uvicorn": "portal",
    "XRootD": "xrootd",
    "zstandard": "diracx",
}


def remedy_for(module: str) -> str:
    """Say how to install what a module is part of; "" when it is in no extra."""
    extra = _EXTRAS.get(module.partition(".")[0], "")
    return f"pip install '{DISTRIBUTION}[{extra}]'" if extra else ""
