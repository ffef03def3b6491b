"""`python -m tests.docs.generate`: make what is made from the code anew; says which files changed."""

from __future__ import annotations

from tests.docs.generated import files
from tests.docs.pages import ROOT


def main() -> None:
    """Write every file that is not up to date."""
    for path, text in files().items():
        place = ROOT / path
        if not place.exists() or place.read_text() != text:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
            print(path)


if __name__ == "__main__":
    main()
