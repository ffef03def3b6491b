"""A bucket that the tests' own S3 service has, as settings of an engine."""

from __future__ import annotations

import json
from pathlib import Path

from tests.services.s3 import S3


def with_bucket(service: S3, directory: Path) -> dict[str, str]:
    """Settings with a storage `bucket`; its keys are written to a directory."""
    keys = directory / "keys.json"
    keys.touch(0o600)
    pair = {"access_key_id": service.access_key_id, "secret_access_key": service.secret_access_key}
    keys.write_text(json.dumps(pair))
    bucket = {"url": f"s3://{service.bucket}", "credential": "keys", "api": service.endpoint}
    return {
        "ENGINE_CREDENTIALS": json.dumps({"keys": {"kind": "s3", "file": str(keys)}}),
        "ENGINE_STORAGES": json.dumps({"bucket": bucket}),
    }
