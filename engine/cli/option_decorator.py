"""Options that several commands share, written once as a function that makes one value of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, get_type_hints

_T = TypeVar("_T")


def with_options(build: Callable[..., Any]) -> Callable[[Callable[..., _T]], Callable[..., _T]]:
    """Give a function the options of `build`; it gets what `build` makes of them as its first argument."""

    def decorate(function: Callable[..., _T]) -> Callable[..., _T]:
        shared = _parameters(build)
        own = _parameters(function)[1:]

        @wraps(function)
        def wrapper(**given: Any) -> _T:
            built = build(**{p.name: given.pop(p.name) for p in shared})
            return function(built, **given)

        # required ones first, as a signature wants it; each group keeps its order
        parameters = sorted([*own, *shared], key=lambda p: p.default is not inspect.Parameter.empty)
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
        return wrapper

    return decorate


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    names = inspect.signature(function).parameters.values()
    # What is imported for the type checker only has no meaning to the command line's parser either.
    unknown = dict.fromkeys(("Sweep", "SubmitRequest"), Any)
    hints = get_type_hints(function, include_extras=True, localns=unknown)
    return [p.replace(annotation=hints[p.name]) for p in names]
