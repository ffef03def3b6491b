"""Exit codes, from the exceptions that carry them."""

from __future__ import annotations

from engine import errors
from tests.docs.markdown import code, table

RESULTS = {0: "everything succeeded", 1: "some jobs (or tests) failed: a result, not an error"}


def meanings() -> dict[int, str]:
    """Every exit code and what it means."""
    kinds: list[type[errors.EngineError]] = [errors.BadRequest, errors.Unavailable, errors.CredentialExpired]
    kinds += [errors.Bug, errors.Cancelled]
    found = RESULTS | {kind.exit_code: (kind.__doc__ or "").split("\n")[0].rstrip(".") for kind in kinds}
    return dict(sorted(found.items()))


def exit_codes() -> str:
    """The same as a table."""
    return table(["code", "meaning"], [(code(str(number)), words) for number, words in meanings().items()])


PARTS = {"exit-codes": exit_codes}
