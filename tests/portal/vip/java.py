"""A process with Java in it, as the portal is one: a line of JSON a question, a line an answer.

It asks H2 databases by JDBC, and the engine with the JDK's own HTTP client.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any


def main(jar: str) -> None:
    import jpype
    from jpype import dbapi2

    jpype.startJVM("-Xmx64m", "-Xrs", "-XX:+UseSerialGC", classpath=[jar], convertStrings=True)
    http = jpype.JClass("java.net.http.HttpClient").newHttpClient()

    def sql(url: str, statement: str, values: list[Any]) -> list[list[Any]]:
        account = {"user": "gasw", "password": "gasw"}
        connection = dbapi2.connect(url, driver="org.h2.Driver", driver_args=account)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, tuple(values))
                rows = cursor.fetchall() if statement.startswith("SELECT") else []
            connection.commit()
        finally:
            connection.close()
        return [[one if isinstance(one, int | str | None) else str(one) for one in row] for row in rows]

    def call(url: str, method: str, headers: dict[str, str], body: str | None) -> tuple[int, str]:
        publishers = jpype.JClass("java.net.http.HttpRequest$BodyPublishers")
        request = jpype.JClass("java.net.http.HttpRequest").newBuilder()
        request.uri(jpype.JClass("java.net.URI").create(url))
        request.method(method, publishers.noBody() if body is None else publishers.ofString(body))
        for name, value in headers.items():
            request.header(name, value)
        handler = jpype.JClass("java.net.http.HttpResponse$BodyHandlers").ofString()
        answer = http.send(request.build(), handler)
        return int(answer.statusCode()), str(answer.body())

    acts: dict[str, Callable[..., object]] = {"sql": sql, "call": call}
    for line in sys.stdin:
        act, values = json.loads(line)
        try:
            answer = {"answer": acts[act](*values)}
        except Exception as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
