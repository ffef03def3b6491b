"""The tests of the project."""

import sys

# A tool of the releases brings it into .venv; where users install, jsonschema does without. Loading it
# compiles forty grammars, which took each process of the tests longer than all else that it loads.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
