"""What an administrator watches: metrics, health, and a log with ids and without names."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.desk import until
from tests.portal.house import House

pytestmark = pytest.mark.whole

UNIT = Path(__file__).resolve().parents[2] / "config" / "boutiques-engine.service"


def test_metrics_count_requests_executions_and_jobs(house: House) -> None:
    house.run("failer/1.0", {"code": ["0", "3"]})
    answer = house.ask("GET", "/metrics", "", "", raw=True, Authorization=f"Bearer {house.keys['watcher']}")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    text = answer.body.decode()
    for name in ("boutiques_engine_executions", "engine_executions"):  # the latter for one more release
        assert f'\n{name}{{state="partial"}}' in text
    labels = 'http_request_method="POST",http_route="/executions",http_response_status_code="200"'
    assert f'http_server_request_duration_seconds_bucket{{{labels},le="+Inf"}}' in text
    assert 'engine_http_requests_total{method="POST",route="/executions",status="200"}' in text


@pytest.mark.parametrize("user", ["", "ann"])
def test_metrics_are_not_for_strangers_nor_for_users(house: House, user: str) -> None:
    shown = {"Authorization": f"Bearer {house.keys[user]}"} if user else {}
    answer = house.ask("GET", "/metrics", user=user, raw=True, headers=shown)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert b"engine_" not in answer.body


def test_what_is_said_of_a_job_tells_no_path_of_the_machine(house: House) -> None:
    house.put("/vip/Home/gone.txt", b"x", user="carl")
    house.engine("user", "quota", "carl", "--running", "0")
    id_ = house.start("copier/1.0", {"file": "/vip/Home/gone.txt", "word": "x"}, user="carl")
    (house.storage / "users" / house.ids["carl"] / "home" / "gone.txt").unlink()
    house.engine("user", "quota", "carl")
    told = house.ended(id_, "carl")
    [job] = told["jobs"].values()
    story = house.ok("GET", f"/executions/{id_}/jobs/0", user="carl").json
    for text in (job["exitMessage"], story["exitMessage"], *(one["message"] for one in story["history"])):
        assert str(house.desk.home) not in text, text
        assert "/tmp/" not in text, text
    assert "/vip/Home/gone.txt" in job["exitMessage"]


def test_health_and_readiness_are_told_to_everybody(house: House) -> None:
    assert house.ask("GET", "/health", user="", raw=True).json["service"] == "boutiques-engine"
    assert house.ask("GET", "/health/ready", user="", raw=True).json == {"ready": True}


def test_the_log_has_ids_of_request_and_account_and_no_name_of_a_file(house: House) -> None:
    house.put("/vip/Home/Jane_Doe.nii", b"x")
    answer = house.ok("GET", "/path/vip/Home/Jane_Doe.nii?action=content")

    def told() -> list[str]:  # after the answer: its client may be here before the line is
        lines = house.log.read_text().splitlines(keepends=True)
        return [line for line in lines if answer.headers["x-request-id"] in line and line.endswith("\n")]

    [mine] = map(json.loads, until(told))
    assert mine["account"] == house.ids["ann"]
    assert (mine["method"], mine["status"], mine["event"]) == ("GET", 200, "request")
    assert "{path" in mine["route"]
    assert "Jane" not in house.log.read_text()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/boutiques-engine/bin/engine", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert "Unknown" not in done.stderr
