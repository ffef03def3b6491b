"""What administrators see and do through the interface, each route by what it answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI

from engine.api.carmin.admin_users import group_routes, user_routes
from engine.api.carmin.answers import add_handlers
from engine.app.access.key import Key
from engine.app.portal.administration import Administration
from engine.app.portal.audit import AuditTrail
from engine.app.portal.users import Users
from engine.domain.account import Account, Role
from engine.store.database import Database
from engine.testing.clock import START, FakeClock
from tests.api.asgi import Answer, ask

ROOT = Account("01ROOT", "root", Role.ADMIN)


class Office:
    """The routes of accounts and groups, on a database of their own."""

    def __init__(self, db: Database) -> None:
        clock, key = FakeClock(), Key(b"k" * 32)
        self.trail = AuditTrail(db, lambda: key, clock)
        self.users = Users(db, lambda: key, clock, self.trail)
        self.ended: list[tuple[str, str]] = []
        self.app = FastAPI(openapi_url=None)

        def in_the_name_of(by: str) -> Administration:
            return Administration(db, self.trail, clock, by)

        def end_all(of: str, by: str) -> None:
            self.ended.append((of, by))

        self.app.include_router(user_routes(self.users, in_the_name_of, end_all))
        self.app.include_router(group_routes(self.users, in_the_name_of))
        add_handlers(self.app)

    def ask(self, method: str, path: str, document: object = None, by: Account | None = ROOT) -> Answer:
        return ask(self.app, method, path, document, account=by)

    def ok(self, method: str, path: str, document: object = None) -> Answer:
        answer = self.ask(method, path, document)
        assert answer.status in (200, 201, 204), answer
        return answer


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(Database(f"sqlite:///{tmp_path / 'engine.db'}"))


def test_groups_are_listed_by_name_and_id(office: Office) -> None:
    """Without it, an administrator cannot see which groups there are, nor give a pipeline to one."""
    assert office.ok("GET", "/admin/groups").json == []
    made = [office.ok("POST", "/admin/groups", {"name": name}).json for name in ("imaging", "genetics")]
    assert office.ask("POST", "/admin/groups", {"name": "imaging"}).status == 400
    found = office.ok("GET", "/admin/groups").json
    assert sorted(found, key=lambda one: one["name"]) == sorted(made, key=lambda one: one["name"])
    assert [sorted(one) for one in found] == [["id", "name"]] * 2


def test_accounts_are_listed_with_all_that_is_known_of_them(office: Office) -> None:
    group = office.ok("POST", "/admin/groups", {"name": "imaging"}).json
    made = office.ok("POST", "/admin/users", {"name": "ann", "groups": ["imaging"]}).json
    key = made.pop("key")
    assert office.ok("GET", "/admin/users").json == [made]
    assert made == {
        "id": made["id"],
        "name": "ann",
        "role": "user",
        "groups": [{**group, "issuer": ""}],
        "quota": {"running": None, "waiting": None, "jobs": None, "bytes": None},
        "locked": False,
        "created_at": START,
        "issuer": "",
        "subject": "",
        "groups_told_at": 0.0,
    }
    assert office.users.by_secret(key) == office.users.named("ann")[0]


def test_members_come_and_go(office: Office) -> None:
    office.ok("POST", "/admin/groups", {"name": "imaging"})
    office.ok("POST", "/admin/users", {"name": "ann"})
    office.ok("PUT", "/admin/groups/imaging/members/ann")
    assert [one["name"] for one in office.ok("GET", "/admin/users").json[0]["groups"]] == ["imaging"]
    office.ok("DELETE", "/admin/groups/imaging/members/ann")
    assert office.ok("GET", "/admin/users").json[0]["groups"] == []
    assert office.ask("PUT", "/admin/groups/none/members/ann").status == 404
    assert office.ask("PUT", "/admin/groups/imaging/members/nobody").status == 404


def test_keys_are_listed_without_the_keys_and_end_when_they_are_revoked(office: Office) -> None:
    first = office.ok("POST", "/admin/users", {"name": "ann"}).json["key"]
    second = office.ok("POST", "/admin/users/ann/keys", {"name": "cluster/a"}).json["key"]
    listed = office.ok("GET", "/admin/users/ann/keys")
    assert sorted(one["name"] for one in listed.json) == ["cluster/a", "first"]
    assert {one["made"] for one in listed.json} == {"2025-06-15T15:06:40.000Z"}
    assert first.encode() not in listed.body
    office.ok("DELETE", "/admin/users/ann/keys/cluster/a")
    assert office.users.by_secret(second) is None
    assert office.users.by_secret(first) is not None


def test_a_change_is_of_what_is_given_alone(office: Office) -> None:
    office.ok("POST", "/admin/users", {"name": "ann"})
    changed = office.ok("PATCH", "/admin/users/ann", {"quota": {"jobs": 5, "bytes": 0}}).json
    assert changed["quota"] == {"running": None, "waiting": None, "jobs": 5, "bytes": 0}
    changed = office.ok("PATCH", "/admin/users/ann", {"role": "service"}).json
    assert (changed["role"], changed["quota"]["jobs"], changed["locked"]) == ("service", 5, False)
    assert office.ok("PATCH", "/admin/users/ann", {"locked": True}).json["locked"] is True
    assert office.ok("PATCH", "/admin/users/ann", {"locked": False}).json["locked"] is False
    assert office.ended == []


def test_who_is_revoked_has_its_executions_ended_in_the_name_of_who_did_it(office: Office) -> None:
    id_ = office.ok("POST", "/admin/users", {"name": "ann"}).json["id"]
    office.ok("PATCH", "/admin/users/ann", {"revoke": True})
    assert office.ended == [(id_, ROOT.id)]


@pytest.mark.parametrize("change", [{"locked": True}, {"role": "user"}, {"role": "service"}])
def test_nobody_shuts_themselves_out(office: Office, change: dict[str, object]) -> None:
    made = office.ok("POST", "/admin/users", {"name": "root", "role": "admin"}).json
    myself = Account(made["id"], "root", Role.ADMIN)
    answer = office.ask("PATCH", "/admin/users/root", change, by=myself)
    assert (answer.status, answer.json["errorMessage"]) == (
        400,
        "root is the account that asks (Error code 8000)",
    )
    changes: list[dict[str, object]] = [{"locked": False}, {"role": "admin"}, {"quota": {}}]
    for harmless in changes:
        assert office.ask("PATCH", "/admin/users/root", harmless, by=myself).status == 200


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [("running", 0, 2**31 - 1), ("waiting", 0, 2**31 - 1), ("jobs", 0, 2**31 - 1), ("bytes", 0, 2**63 - 1)],
)
def test_a_quota_is_a_number_that_a_database_holds(office: Office, field: str, least: int, most: int) -> None:
    office.ok("POST", "/admin/users", {"name": "ann"})
    for value, status in ((least, 200), (least - 1, 400), (most, 200), (most + 1, 400)):
        assert office.ask("PATCH", "/admin/users/ann", {"quota": {field: value}}).status == status, value


@pytest.mark.parametrize(("length", "status"), [(11, 400), (12, 200), (1000, 200), (1001, 400)])
def test_a_password_is_as_long_as_is_said(office: Office, length: int, status: int) -> None:
    office.ok("POST", "/admin/users", {"name": "ann"})
    assert office.ask("PATCH", "/admin/users/ann", {"password": "x" * length}).status == status


ROUTES = [
    ("GET", "/admin/users"),
    ("POST", "/admin/users"),
    ("PATCH", "/admin/users/ann"),
    ("GET", "/admin/users/ann/keys"),
    ("POST", "/admin/users/ann/keys"),
    ("DELETE", "/admin/users/ann/keys/first"),
    ("GET", "/admin/groups"),
    ("POST", "/admin/groups"),
    ("PUT", "/admin/groups/imaging/members/ann"),
    ("DELETE", "/admin/groups/imaging/members/ann"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_nobody_but_administrators_gets_an_answer(office: Office, method: str, path: str) -> None:
    document = {"name": "x"} if method in ("POST", "PATCH") else None
    before = office.trail.head()
    for by, status in ((Account("u", "u"), 403), (Account("s", "s", Role.SERVICE), 403), (None, 401)):
        assert office.ask(method, path, document, by=by).status == status
    assert office.trail.head() == before
    assert office.users.all() == []
