"""Files under logical names of DIRAC, by the DIRAC client that pilots bring along, in its own Python."""

import json
import os
import tempfile
import threading
from typing import Any, Dict
from urllib.parse import unquote, urlsplit

from wrappers import dirac_bridge
from wrappers.containers.programs import dirac_python
from wrappers.dirac_bridge import answers
from wrappers.dirac_bridge.line import MARK, ONCE
from wrappers.transfer import programs
from wrappers.transfer.errors import Denied, NotHere, Permanent, TransferError, Transient
from wrappers.transfer.part import Part
from wrappers.transfer.source import FileSource, Source
from wrappers.transfer.url_access import TransferTools, UrlAccess

_PIECE = 1 << 20
_CLIENTS = threading.Semaphore(2)  # at a time: each takes 150 MB of the job's memory
_KINDS = {answers.REFUSED: Permanent, answers.ABSENT: NotHere, answers.CREDENTIAL: Denied}


def available() -> bool:
    """Say whether this machine has a DIRAC client."""
    return dirac_python(os.environ) is not None


def fetch(tools: TransferTools, access: UrlAccess, part: Part) -> Dict[str, str]:
    """Bring a file here, which DIRAC compares with its catalogue; gives its checksums.

    Raises:
        TransferError: it cannot be had, or is not what is expected.
        OSError: it cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix=".lfn-", dir=os.path.dirname(part.path) or ".") as scratch:
        brought = _ask(tools, access, "get", {"name": name_of(access.url), "into": os.path.abspath(scratch)})
        part.begin(access.url, "", 0)
        with open(brought, "rb") as file:
            for piece in iter(lambda: file.read(_PIECE), b""):
                part.write(memoryview(piece))
    return part.verify(access.url)


def store(tools: TransferTools, access: UrlAccess, source: Source) -> str:
    """Store and register a file; storage elements compare its size.

    Raises:
        TransferError: it is not there.
        OSError: the source cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="lfn-") as scratch:
        if isinstance(source, FileSource):
            path = os.path.abspath(source.path)
        else:
            path = os.path.join(scratch, "file")
            with open(path, "wb") as file:
                for piece in source.pieces():
                    file.write(piece)
        wanted = {
            "path": path,
            "name": name_of(access.url),
            "adler32": source.sum("adler32"),
            "elements": list(tools.elements),
            "failover": list(tools.failover),
        }
        _ask(tools, access, "put", wanted)
    return "size"


def remove(tools: TransferTools, access: UrlAccess) -> None:
    """Remove a file; nothing there is fine.

    Raises:
        TransferError: it may still be there.
    """
    _ask(tools, access, "remove", {"names": [name_of(access.url)]})


def name_of(url: str) -> str:
    """Return the logical name in a URL."""
    return "/" + unquote(urlsplit(url).path).lstrip("/")


def _ask(tools: TransferTools, access: UrlAccess, verb: str, arguments: Dict[str, Any]) -> Any:
    """Ask a DIRAC client that is started for this one question.

    Raises:
        TransferError: what it says is wrong, or it says nothing.
    """
    python = dirac_python(os.environ)
    if python is None:
        raise Permanent(f"{access.url}: this node has no DIRAC client")
    question = json.dumps({"id": 1, "verb": verb, "arguments": arguments}) + "\n"
    bridge = os.path.dirname(os.path.abspath(dirac_bridge.__file__))
    with _CLIENTS:
        program = programs.ProgramRun([python, bridge, ONCE], tools.budget, {})
        said = program.feed([question.encode("ascii")], tools.budget.seconds_left())
    for line in reversed(said.words.split(MARK)[1:]):
        try:
            answer = json.loads(line.splitlines()[0])
        except ValueError:
            continue  # something else was printed
        if "value" in answer:
            return answer["value"]
        if "trouble" in answer:
            raise _error(answer["trouble"])
    words = said.words.splitlines()
    raise Transient(f"{access.url}: DIRAC's client ended with {said.code}: {words[-1] if words else ''}")


def _error(trouble: Dict[str, str]) -> TransferError:
    return _KINDS.get(trouble["kind"], Transient)(f"DIRAC: {trouble['message']}")
