"""Exit codes, from the exceptions that carry them."""

from __future__ import annotations

from engine import errors
from tests.docs.markdown import code, table

RESULTS = {0: "everything succeeded", 1: "some jobs (or tests) failed: a result, not an error"}


def exit_codes() -> str:
    """Every exit code and what it means."""
    kinds: list[type[errors.EngineError]] = [errors.BadRequest, errors.Unavailable, errors.CredentialExpired]
    kinds += [errors.Bug, errors.Cancelled]
    meanings = RESULTS | {kind.exit_code: (kind.__doc__ or "").split("\n")[0] for kind in kinds}
    rows = [(code(str(number)), words.rstrip(".")) for number, words in sorted(meanings.items())]
    return table(["code", "meaning"], rows)


PARTS = {"exit-codes": exit_codes}
