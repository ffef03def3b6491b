"""`engine settings`: what is set, and where it would be read from."""

from __future__ import annotations

import json as json_module

from engine.cli.session import Json, session


def command(json: Json = False) -> None:
    """Show every setting with its value. Passwords are hidden."""
    import yaml  # not for every command: it takes 10 ms
    from sqlalchemy.engine import make_url

    settings = session.engine.settings
    data = settings.model_dump(mode="json")
    data["database"] = make_url(settings.database).render_as_string(hide_password=True)
    print(json_module.dumps(data) if json else yaml.safe_dump(data, sort_keys=False).rstrip())
