"""What each runtime keeps a hostile tool from."""

from __future__ import annotations

from tests.hostile.promises import table

PARTS = {"hostile-tools": table}
