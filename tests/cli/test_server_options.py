"""No option of `engine submit` is dropped without a word where a daemon does the work."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_each_option_of_a_submit_is_sent_to_a_daemon_or_refused() -> None:
    made = ast.walk(ast.parse((ROOT / "engine/cli/request.py").read_text()))
    [request] = [
        node
        for node in made
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "SubmitRequest"
    ]
    options = {given.arg for given in request.keywords}
    assert {"cores", "backend", "key"} <= options
    looked_at = {
        node.attr
        for node in ast.walk(ast.parse((ROOT / "engine/cli/remote_submit.py").read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "asked"
    }
    here_alone = {"network"}  # whether this machine asks Zenodo: a daemon does as its settings say
    assert options - looked_at == here_alone
