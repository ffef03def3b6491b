"""What a client of the portal is told of each kind of failure: status, code, words, and nothing besides."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect
from structlog.testing import capture_logs

from engine.api.carmin.answers import add_handlers, error, refusal
from engine.api.refusal_recorder import CODE, EXECUTION
from engine.app.portal.carmin import CarminError, Code
from engine.errors import BadRequest, CredentialExpired, EngineError, NotFound, Unavailable
from tests.api.asgi import Answer, ask

SECRET = "/var/lib/engine/secret"


class Body(BaseModel):
    number: Annotated[int, Field(ge=1)]


@pytest.fixture
def raised() -> list[Exception]:
    """What the route raises."""
    return []


@pytest.fixture
def app(raised: list[Exception]) -> FastAPI:
    made = FastAPI(openapi_url=None)

    @made.get("/thing")
    async def get() -> None:
        raise raised[0]

    @made.post("/thing")
    async def post(body: Body) -> int:
        return body.number

    add_handlers(made)
    return made


def told(answer: Answer) -> tuple[int, int, str]:
    """Status, code and words; never a third key."""
    assert list(answer.json) == ["errorCode", "errorMessage"]
    return answer.status, answer.json["errorCode"], answer.json["errorMessage"]


@pytest.mark.parametrize(
    ("reason", "status", "code", "words"),
    [
        (CarminError(Code.NO_EXECUTION, "no such execution"), 400, 8015, "no such execution"),
        (CarminError(Code.BAD_CREDENTIALS, "no"), 401, 8002, "no"),
        (CarminError(Code.USER_FULL, "wait", status=429), 429, 2001, "wait"),
        (NotFound("nothing there"), 404, 8000, "nothing there"),
        (BadRequest("not so", remedy="thus"), 400, 8000, "not so"),
        (
            CredentialExpired(SECRET),
            503,
            8000,
            "a service that is needed refuses the engine's credential",
        ),
        (Unavailable(SECRET), 503, 8000, "a service that is needed does not answer; try later"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_failure_has_its_answer(
    app: FastAPI, raised: list[Exception], reason: EngineError, status: int, code: int, words: str
) -> None:
    """Without it, a client that may try again gives up, or one that may not tries for ever."""
    raised.append(reason)
    answer = ask(app, "GET", "/thing")
    assert told(answer) == (status, code, f"{words} (Error code {code})")
    assert SECRET.encode() not in answer.body


def test_a_defect_is_an_answer_without_a_word_of_it(app: FastAPI, raised: list[Exception]) -> None:
    raised.append(ValueError(SECRET))
    words = "a defect of the engine; it has been written down (Error code 8000)"
    with capture_logs() as written:
        assert told(ask(app, "GET", "/thing")) == (500, 8000, words)
    assert [one["exc_info"] for one in written] == raised, "it has been written down"


@pytest.mark.parametrize(
    ("reason", "status", "code", "words"),
    [
        (ClientDisconnect(), 400, 8000, "the request was not complete"),
        (RecursionError(), 400, 8009, "the request holds something that is nested too deeply"),
        (HTTPException(418, "tea"), 418, 8000, "tea"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_framework_raises_has_one_too(
    app: FastAPI, raised: list[Exception], reason: Exception, status: int, code: int, words: str
) -> None:
    raised.append(reason)
    assert told(ask(app, "GET", "/thing")) == (status, code, f"{words} (Error code {code})")


def test_a_path_that_is_not_there_and_a_method_that_is_wrong(app: FastAPI) -> None:
    assert told(ask(app, "GET", "/other"))[:2] == (404, 8000)
    answer = ask(app, "DELETE", "/thing")
    assert told(answer)[:2] == (405, 8000)
    assert answer.headers["allow"] == "GET, POST", "each route of the path, not the first alone"


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"number": 0}, "number: Input should be greater than or equal to 1"),
        ({"number": "x"}, "number: Input should be a valid integer"),
        ({}, "number: Field required"),
        (b"[", "0: JSON decode error"),
    ],
)
def test_a_document_that_is_wrong_is_refused_by_the_field(app: FastAPI, document: object, words: str) -> None:
    status, code, message = told(ask(app, "POST", "/thing", document))
    assert (status, code) == (400, 8009)
    assert message.startswith(words) or document == b"[", message


def test_a_document_that_is_right_is_taken_at_its_limit(app: FastAPI) -> None:
    assert ask(app, "POST", "/thing", {"number": 1}).json == 1


@pytest.mark.parametrize(
    ("status", "given", "seconds"),
    [
        (429, 0.0, "60"),
        (503, 0.0, "5"),
        (429, 0.2, "1"),
        (503, 61.0, "61"),
        (400, 30.0, None),
        (401, 30.0, None),
    ],
)
def test_a_client_that_must_wait_is_told_for_how_long(status: int, given: float, seconds: str | None) -> None:
    assert error(Code.GENERIC, "x", status, retry_after=given).headers.get("Retry-After") == seconds


@pytest.mark.parametrize(("status", "asks"), [(401, True), (400, False), (403, False)])
def test_who_shows_no_key_is_told_how_to(status: int, asks: bool) -> None:
    assert ("www-authenticate" in error(Code.GENERIC, "x", status).headers) is asks


def test_the_audit_trail_finds_the_code_and_whose_execution_it_was() -> None:
    """Without it, nobody sees that somebody tries the executions of others."""
    reason = CarminError(Code.NO_EXECUTION, "no such execution", execution_id="01X")
    state: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await refusal(reason)(scope, receive, send)
        state.update(scope["state"])

    answer = ask(app, "GET", "/x")
    assert (state[CODE], state[EXECUTION]) == (8015, "01X")
    assert json.loads(answer.body)["errorCode"] == 8015
    assert b"01X" not in answer.body
