"""A process that asks H2 databases as the portal does: a line of JSON a question, a line an answer."""

from __future__ import annotations

import json
import sys


def main(jar: str, server: str) -> None:
    import jpype
    from jpype import dbapi2

    jpype.startJVM("-Xmx64m", "-Xrs", "-XX:+UseSerialGC", classpath=[jar], convertStrings=True)
    for line in sys.stdin:
        path, statement, values = json.loads(line)
        try:
            connection = dbapi2.connect(
                f"jdbc:h2:tcp://{server}/{path}",
                driver="org.h2.Driver",
                driver_args={"user": "gasw", "password": "gasw"},
            )
            with connection.cursor() as cursor:
                cursor.execute(statement, tuple(values))
                rows = cursor.fetchall() if statement.startswith("SELECT") else []
            connection.commit()
            connection.close()
            answer = [[one if isinstance(one, int | str | None) else str(one) for one in row] for row in rows]
        except Exception as error:
            print(json.dumps({"error": str(error)}), flush=True)
        else:
            print(json.dumps({"rows": answer}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
