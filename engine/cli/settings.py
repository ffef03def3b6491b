"""`engine settings`: what is set, and where it would be read from."""

from __future__ import annotations

import json as json_module

from engine.cli.session import Json, session


def command(json: Json = False) -> None:
    """Show every setting with its value. Passwords are hidden."""
    import yaml  # not for every command: it takes 10 ms

    settings = session.engine.settings
    data = settings.model_dump(mode="json")
    data["database"] = hidden(settings.database)
    if settings.vip.database:
        data["vip"]["database"] = hidden(settings.vip.database)
    print(json_module.dumps(data) if json else yaml.safe_dump(data, sort_keys=False).rstrip())


def hidden(url: str) -> str:
    """Write the URL of a database without its password."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "..."  # no URL, and what is secret in it nobody knows
