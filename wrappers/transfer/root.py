"""Files over root:// (XRootD), by xrdcp: bytes go through its standard input and output and are hashed."""

from typing import Dict, Tuple
from urllib.parse import unquote, urlsplit

from wrappers.transfer import programs
from wrappers.transfer.addresses import Access
from wrappers.transfer.errors import Denied, NotHere, Permanent, TransferError, Transient
from wrappers.transfer.part import Part
from wrappers.transfer.source import Source
from wrappers.transfer.url_access import TransferTools, UrlAccess
from wrappers.transfer.webdav import compare

# Without these, xrdcp waits eleven minutes for a server that accepts and never answers (measured).
_TIMEOUTS = {
    "XRD_CONNECTIONWINDOW": "15",
    "XRD_CONNECTIONRETRY": "2",
    "XRD_REQUESTTIMEOUT": "120",
    "XRD_STREAMTIMEOUT": "60",
    "XRD_LOGLEVEL": "Error",
}
# Where the whole is compared in the end, no checksum of every 4 KiB on the way: twice as fast (measured).
_WHOLE = {"XRD_CPUSEPGWRTRD": "0"}
_NOT_HERE = ("no such file", "not found", "[3011]", "[enoent]")
_DENIED = ("permission denied", "[3010]", "auth failed", "authentication", "[eacces]", "not authorized")
_PERMANENT = ("no space", "quota", "[3006]", "unsupported", "[3013]", "is a directory", "[3016]")


def available() -> bool:
    """Say whether this machine has the programs."""
    return bool(programs.find("xrdcp") and programs.find("xrdfs"))


def fetch(tools: TransferTools, access: UrlAccess, part: Part) -> Dict[str, str]:
    """Bring a file here; gives its checksums.

    Raises:
        TransferError: it cannot be had, or is not what is expected.
        OSError: it cannot be written.
    """
    server, path = address(access.url)
    part.begin(access.url, "", 0)
    how = _WHOLE if part.expected.sums else {}  # the server may tell none
    said = _program(tools, access, "xrdcp", "-s", f"{server}/{path}", "-", **how).read(part.write)
    if said.code:
        raise error_of(said, f"xrdcp from {access.url}")
    sums = {} if part.expected.sums else _checksum(tools, access)
    return part.verify(access.url, sums)


def store(tools: TransferTools, access: UrlAccess, source: Source) -> str:
    """Store a file; gives the name of the checksum by which the server was seen to hold it.

    Raises:
        TransferError: it is not there, or not what was sent.
        OSError: the source cannot be read.
    """
    server, path = address(access.url)
    program = _program(tools, access, "xrdcp", "-s", "-f", "-", f"{server}/{path}", **_WHOLE)
    said = program.feed(source.pieces())
    if said.code:
        raise error_of(said, f"xrdcp to {access.url}")
    sums = _checksum(tools, access)
    if not sums:
        raise Permanent(f"{access.url}: the server computes no checksum")
    return compare(access.url, sums, source)


def remove(tools: TransferTools, access: UrlAccess) -> None:
    """Remove a file; nothing there is fine.

    Raises:
        TransferError: it may still be there.
    """
    server, path = address(access.url)
    said = _program(tools, access, "xrdfs", server, "rm", path).talk()
    error = error_of(said, f"xrdfs rm {access.url}") if said.code else None
    if error is not None and not isinstance(error, NotHere):
        raise error


def address(url: str) -> Tuple[str, str]:
    """Server and absolute path of a URL, as the programs want them: they decode nothing.

    Raises:
        Permanent: the path cannot be said to them.
    """
    parts = urlsplit(url)
    path = "/" + unquote(parts.path, "utf-8", "surrogateescape").lstrip("/")
    if parts.query or "?" in path:
        raise Permanent(f"{url}: xrdcp cannot be given a path with a question mark")
    return f"{parts.scheme}://{parts.netloc}", path


def environment(access: Access) -> Dict[str, str]:
    """Variables for the programs: credentials never are arguments, which everybody can see."""
    found = dict(_TIMEOUTS)
    token = access.headers.get("Authorization", "")
    if token.startswith("Bearer "):
        found["BEARER_TOKEN"] = token[len("Bearer ") :]
    if access.certificate:
        found["X509_USER_PROXY"] = access.certificate
    return found


def error_of(said: programs.Said, doing: str) -> TransferError:
    """Choose the error that the program's message means: its exit codes do not say."""
    words = said.words.lower()
    message = f"{doing}: {said.words or f'exit code {said.code}'}"
    for marks, kind in ((_NOT_HERE, NotHere), (_DENIED, Denied), (_PERMANENT, Permanent)):
        if any(mark in words for mark in marks):
            return kind(message)
    return Transient(message)


def _program(
    tools: TransferTools, access: UrlAccess, *arguments: str, **variables: str
) -> programs.ProgramRun:
    return programs.ProgramRun(list(arguments), tools.budget, {**environment(access.access), **variables})


def _checksum(tools: TransferTools, access: UrlAccess) -> Dict[str, str]:
    """Ask for the server's own checksum; none when it computes none."""
    server, path = address(access.url)
    said = _program(tools, access, "xrdfs", server, "query", "checksum", path).talk()
    words = said.words.split()
    if said.code == 0 and len(words) == 2:
        return {words[0].lower(): words[1].lower().rjust(8, "0")}
    error = error_of(said, f"checksum of {access.url}")
    if isinstance(error, Transient):
        raise error
    if isinstance(error, NotHere):
        raise Transient(f"{error}, though it was just there")
    return {}
