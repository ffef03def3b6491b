"""Schemathesis over the OpenAPI document: no 5xx, and no answer that is not as the document says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.portal.house import House
from tests.services.environment import server_program

pytestmark = pytest.mark.service

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def test_the_document_is_served_to_users_and_no_page_loads_scripts_from_elsewhere(house: House) -> None:
    document = house.ok("GET", "/openapi.json").json
    assert document["openapi"].startswith("3.")
    assert "/rest/executions/{id_}" in document["paths"]
    assert house.ask("GET", "/openapi.json", user="").status == 401
    assert house.ask("GET", "/docs").status == 404


# Each as whom they are for: to others all of the administrators' would be one and the same refusal.
@pytest.mark.parametrize(
    ("user", "words"),
    [
        ("ann", ("--exclude-path-regex", "^/rest/admin/", "--max-examples", "20")),
        ("root", ("--include-path-regex", "^/rest/admin/", "--max-examples", "5")),
    ],
)
def test_no_request_makes_a_server_error_and_every_answer_is_as_the_document_says(
    house: House, tmp_path: Path, user: str, words: tuple[str, ...]
) -> None:
    house.put("/vip/Home/in.txt", b"content")
    words = (
        *("run", f"{house.url}/rest/openapi.json"),
        *("--header", f"apikey: {house.keys[user]}"),
        *("--checks", CHECKS, "--phases", "examples,coverage,fuzzing"),
        *("--generation-deterministic", "--no-color"),
        *("--suppress-health-check", "all"),  # that of the generator: it finds some documents large
        *words,
    )
    done = subprocess.run(
        [server_program("schemathesis"), *words], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
