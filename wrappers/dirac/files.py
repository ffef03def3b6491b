"""Files under logical names."""

VERBS = {}  # type: ignore[var-annotated]
