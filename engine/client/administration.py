"""What administrators do with a daemon from Python: accounts, groups, the audit trail, back-ends, sites."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from engine.client.requests import Requests

_PAGE = 1000


class AdministrationClient(Requests):
    """Requests for administrators; others are refused. NotFound is raised for a name that nobody has."""

    def users(self) -> list[Mapping[str, Any]]:
        """Every account: `id`, `name`, `role`, `groups`, `quota`, `locked`, `created_at`, `issuer`,
        `subject`. A group has the `issuer` that says so; it is empty where an administrator does.
        """
        return list(self._json("GET", "admin/users"))

    def add_user(self, name: str, role: str = "user", groups: Sequence[str] = ()) -> Mapping[str, Any]:
        """Make an account; its first API key is in `key`, this once.

        Raises:
            BadRequest: the name is taken or cannot be one.
            Unavailable: nobody answers; when it may have been done, the words say so.
        """
        wanted = {"name": name, "role": role, "groups": list(groups)}
        look = f"engine user keys {name} tells; if so, engine user key {name} makes a key that is seen"
        return dict(self._json("POST", "admin/users", wanted, once=look))

    def user_keys(self, name: str) -> list[Mapping[str, Any]]:
        """Return which API keys an account has: `name`, `made`; never the keys."""
        return list(self._json("GET", f"{_user(name)}/keys"))

    def new_key(self, name: str, purpose: str) -> str:
        """Make a further API key of an account, shown this once.

        Raises:
            BadRequest: the account has a key of that name.
            Unavailable: nobody answers; when it may have been done, the words say so.
        """
        look = f"engine user keys {name} tells; if so, revoke that key, which nobody saw, and make another"
        return str(self._json("POST", f"{_user(name)}/keys", {"name": purpose}, once=look)["key"])

    def revoke_key(self, name: str, purpose: str) -> None:
        """Make a key worthless from now on."""
        self._json("DELETE", f"{_user(name)}/keys/{quote(purpose, safe='')}")

    def set_role(self, name: str, role: str) -> None:
        """Change what an account is for: `user`, `admin` or `service`."""
        self._json("PATCH", _user(name), {"role": role})

    def set_locked(self, name: str, locked: bool, now: bool = False) -> None:
        """Refuse everything that an account shows, or let it in again; `now`: also cancel its executions, and
        revoke its sessions and what its jobs hold.
        """
        self._json("PATCH", _user(name), {"locked": locked, "revoke": now})

    def set_quota(self, name: str, quota: Mapping[str, int | None]) -> None:
        """Set `running`, `waiting`, `jobs` and `bytes`; what is left out, or None, is as the settings say."""
        self._json("PATCH", _user(name), {"quota": dict(quota)})

    def set_password(self, name: str, password: str) -> None:
        """Set a password; sessions of the one before end.

        Raises:
            BadRequest: it is too short.
        """
        self._json("PATCH", _user(name), {"password": password})

    def groups(self) -> list[Mapping[str, Any]]:
        """Every group: `id`, `name`."""
        return list(self._json("GET", "admin/groups"))

    def add_group(self, name: str) -> None:
        """Make a group.

        Raises:
            BadRequest: the name is taken or cannot be one.
        """
        self._json("POST", "admin/groups", {"name": name}, once="engine user group list tells")

    def join(self, group: str, name: str) -> None:
        """Make an account a member of a group; again is fine."""
        self._json("PUT", _member(group, name))

    def remove_member(self, group: str, name: str) -> None:
        """End a membership; none is fine."""
        self._json("DELETE", _member(group, name))

    def audit_lines(self, after: int = 0) -> Iterator[Mapping[str, Any]]:
        """Yield the lines of the audit trail after a number."""
        while True:
            page = self._json("GET", f"admin/audit?{urlencode({'after': after, 'limit': _PAGE})}")
            yield from page
            if len(page) < _PAGE:
                return
            after = int(page[-1]["number"])

    def audit_head(self) -> Mapping[str, Any]:
        """Read the end of the audit trail, to be stored on another machine: `number`, `sha256`, `signature`,
        `public_key`.
        """
        return dict(self._json("GET", "admin/audit/head"))

    def who(self, what: str, time: str = "") -> list[Mapping[str, Any]]:
        """Return whose a job of a back-end (`BACKEND:ID`) was, or what ran on a host at a time.

        Raises:
            NotFound: nothing is known of it.
        """
        return list(self._json("GET", f"admin/audit/who?{urlencode({'what': what, 'time': time})}"))

    def audit_problems(self, heads: Sequence[Mapping[str, Any]] = ()) -> list[str]:
        """List what is wrong with the audit trail, a line each; it must still contain these heads. The daemon
        verifies it, some thousand lines at a time: a head that is stored on another machine shows what it
        could hide. A thousand problems are enough.
        """
        found: list[str] = []
        wanted: dict[str, Any] = {"heads": [dict(head) for head in heads]}
        while len(found) < _PAGE:
            answer = self._json("POST", "admin/audit/verify", wanted)
            found += answer["problems"]
            if answer.get("next") is None:
                break
            wanted["after"] = answer["next"]
        return found

    def usage(self, by: Sequence[str], since: str = "", until: str = "") -> list[Mapping[str, Any]]:
        """Sum up what the work of users has taken, by dimensions, of months from `since` to `until`."""
        asked = [*(("by", one) for one in by), ("since", since), ("until", until)]
        return list(self._json("GET", f"admin/usage?{urlencode(asked)}"))

    def set_paused(self, backend: str, paused: bool) -> bool:
        """Submit nothing new to a back-end, or do so again; False when that was so already."""
        path = f"admin/backends/{quote(backend, safe='')}"
        return bool(self._json("PATCH", path, {"paused": paused})["changed"])

    def sites(self, backend: str = "") -> list[Mapping[str, Any]]:
        """Return where jobs ran, what worked there, and which sites rest; of one back-end or of all."""
        return list(self._json("GET", f"admin/sites?{urlencode({'backend': backend})}"))


def _user(name: str) -> str:
    return f"admin/users/{quote(name, safe='')}"


def _member(group: str, name: str) -> str:
    return f"admin/groups/{quote(group, safe='')}/members/{quote(name, safe='')}"
