"""What lies in a repository, read back."""

from __future__ import annotations

from pathlib import Path

from cvmfs_deploy.layout import existing_links


def test_links_come_by_name_whatever_order_the_file_system_has(tmp_path: Path) -> None:
    names = [f"image-{number * 37 % 100:02}" for number in range(100)]
    (tmp_path / "containers").mkdir()
    for name in names:
        (tmp_path / "containers" / name).symlink_to("nowhere")
    assert list(existing_links(tmp_path, "containers")) == [f"containers/{name}" for name in sorted(names)]
