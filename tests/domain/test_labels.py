"""What results say of themselves."""

from __future__ import annotations

from engine.domain import labels
from engine.domain.tool import Tool


def test_words_name_execution_pipeline_image_and_the_first_tags() -> None:
    tags = {"b": ["x", "y"], "a/b": True, "c": "long " * 100, "d": 1, "e": "", "z": "one too many"}
    words = labels.of_execution("E", Tool("tool", "1.0", "true", tags=tags), "sha256:0")
    assert words == {
        "engine_execution": "E",
        "engine_pipeline": "tool/1.0",
        "engine_image": "sha256:0",
        "engine_tag_a_b": "true",
        "engine_tag_b": "x y",
        "engine_tag_c": ("long " * 100)[:128],
        "engine_tag_d": "1",
    }
    assert labels.of_job(words, 3) == {**words, "engine_job": "3"}


def test_what_is_not_there_is_no_word() -> None:
    assert labels.of_execution("E", Tool("tool", "", "true"), "") == {
        "engine_execution": "E",
        "engine_pipeline": "tool",
    }
