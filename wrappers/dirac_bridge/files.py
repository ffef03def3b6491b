"""Files under logical names: the DIRAC File Catalog, and storage elements behind it.

Whether something is there is asked for, never read from the words of an error: those differ by catalogue.
"""

import calendar
import os
import time
import uuid
from typing import Any, Callable, Dict, List, Sequence

from wrappers.dirac_bridge.answers import ABSENT, REFUSED, UNAVAILABLE, BridgeError, value

PROTOCOLS = ["https", "http", "davs", "dav", "root", "xroot", "roots", "xroots"]
"""Of URLs that others than DIRAC can use."""
_PAUSES_S = (0.5, 2.0, 5.0)  # seconds before a registration is tried again


def _catalogue() -> Any:
    from DIRAC.Resources.Catalog.FileCatalog import FileCatalog

    return FileCatalog()


def _element(name: str) -> Any:
    from DIRAC.Resources.Storage.StorageElement import StorageElement

    return StorageElement(name)


def _data() -> Any:
    from DIRAC.DataManagementSystem.Client.DataManager import DataManager

    return DataManager()


def lookup(names: List[str]) -> Dict[str, Dict[str, Any]]:
    """Size, adler32, storage elements and URLs of files; what is not known is not in the answer."""
    known = _files(names)
    replicas = _each(_catalogue().getReplicas(sorted(known)), "replicas") if known else {}
    holders: Dict[str, List[str]] = {}
    for name, copies in replicas.items():
        for element in copies:
            holders.setdefault(element, []).append(name)
    urls = {element: _urls(element, held) for element, held in holders.items()}
    return {
        name: {
            "size": int(facts["Size"]),
            "adler32": _adler32(facts),
            "elements": sorted(replicas.get(name, {})),
            "urls": [urls[one][name] for one in sorted(replicas.get(name, {})) if name in urls[one]],
        }
        for name, facts in known.items()
    }


def stat(name: str) -> Any:
    """Size, date and adler32 of a file, or that it is a directory; None when there is neither."""
    if not _keeps(name):
        return None
    found = _files([name]).get(name)
    if found is not None:
        return _described(found)
    there = _each(_catalogue().isDirectory([name]), "directory").get(name)
    return {"size": 0, "modified": 0.0, "adler32": "", "directory": True} if there else None


def entries(name: str) -> Dict[str, Any]:
    """List what lies directly in a directory, by name; nothing when there is none."""
    if not _keeps(name) or not _each(_catalogue().isDirectory([name]), "directory").get(name):
        return {}
    listing = _each(_catalogue().listDirectory([name]), "listing").get(name, {})
    directory = {"size": 0, "modified": 0.0, "adler32": "", "directory": True}
    found = {os.path.basename(one): directory for one in listing.get("SubDirs", {})}
    for one, facts in listing.get("Files", {}).items():
        found[os.path.basename(one)] = _described(facts.get("MetaData", facts))
    return found


def get(name: str, into: str) -> str:
    """Bring a file into a directory, from whichever storage element gives it as the catalogue knows it."""
    if not _exists([name]):
        raise BridgeError(ABSENT, f"{name}: there is no such file")
    brought = value(_data().getFile(name, destinationDir=into), name)
    if name not in brought["Successful"]:
        raise BridgeError(UNAVAILABLE, f"{name}: {brought['Failed'].get(name, 'it does not come')}")
    return str(brought["Successful"][name])


def put(
    path: str, name: str, adler32: str, elements: Sequence[str], failover: Sequence[str]
) -> Dict[str, Any]:
    """Bring a file to the first storage element that takes it, and register it. Where that fails, requests
    are left with DIRAC: to register it later, or to move it from one for failover to the first of `elements`.

    The same file again is fine; another one under its name is refused.
    """
    size = os.path.getsize(path)
    if not size:
        raise BridgeError(REFUSED, f"{name}: DIRAC keeps no empty files")
    if not _keeps(name):
        raise BridgeError(REFUSED, f"{name}: DIRAC 8 keeps no names with quotes or beyond Latin-1")
    there = _files([name]).get(name)
    if there is not None:
        if int(there["Size"]) == size and _adler32(there) == adler32:
            return {"element": "", "registered": True}
        raise BridgeError(REFUSED, f"{name}: another file has this name")
    if not elements:
        raise BridgeError(REFUSED, f"{name}: no storage element is named (setting dirac.storage_elements)")
    return _transfer(
        path, name, {"Checksum": adler32, "ChecksumType": "ADLER32", "Size": size}, elements, failover
    )


def _keeps(name: str) -> bool:
    """Say whether the catalogue can keep a name. That of DIRAC 8 is in Latin-1, and loses what has quotes
    in its name after it was stored (measured with 8.0.86; 9.1 keeps all).
    """
    import DIRAC

    lost = "'" in name or '"' in name or name.encode("latin-1", "ignore").decode("latin-1") != name
    return not (lost and str(DIRAC.version).startswith("8."))


def _transfer(
    path: str, name: str, facts: Dict[str, Any], elements: Sequence[str], failover: Sequence[str]
) -> Dict[str, Any]:
    from DIRAC.Core.Utilities.File import makeGuid
    from DIRAC.DataManagementSystem.Client.FailoverTransfer import FailoverTransfer

    transfer = FailoverTransfer()
    transfer.request.RequestName = f"boutiques-engine-{uuid.uuid4().hex}"
    facts = {**facts, "GUID": makeGuid()}  # one of the content would belong to the first file that has it
    local = os.path.basename(path)
    result = transfer.transferAndRegisterFile(local, path, name, list(elements), facts)
    if not result["OK"] and failover:
        result = transfer.transferAndRegisterFileFailover(
            local, path, name, elements[0], list(failover), facts
        )
    stored = value(result, name)
    element, registered = stored.get("uploadedSE", ""), "registration" not in stored
    if not registered and element in elements and _register(name, element, facts):
        return {"element": element, "registered": True}  # nothing is left to be done later
    # without this, what was to be done later is forgotten
    value(transfer.commitRequest(), f"{name}: request to DIRAC")
    return {"element": element, "registered": registered}


def _register(name: str, element: str, facts: Dict[str, Any]) -> bool:
    """Register a file that is there: whether that was done. Two jobs that make the same directory in the
    catalogue at the same time are in each other's way (measured with two, DIRAC 9.1).
    """
    from DIRAC.DataManagementSystem.Utilities.DMSHelpers import DMSHelpers

    protocols = DMSHelpers().getRegistrationProtocols()
    url = _each(_element(element).getURL([name], protocol=protocols), name)[name]
    entry = (name, url, facts["Size"], element, facts["GUID"], facts["Checksum"])
    for pause in _PAUSES_S:
        time.sleep(pause)
        result = _data().registerFile(entry)
        if result["OK"] and name in result["Value"]["Successful"]:
            return True
    return False


def remove(names: List[str]) -> None:
    """Remove files from catalogue and storage elements; those that are not there are fine."""
    result = value(_data().removeFile(names, force=True), "removal") if names else {"Failed": {}}
    for name, why in result["Failed"].items():
        raise BridgeError(UNAVAILABLE, f"{name}: {why}")


def forget(names: List[str]) -> None:
    """Forget files: the catalogue does, their replicas stay."""
    there = _exists(names)
    result = value(_catalogue().removeFile(there), "catalogue") if there else {"Failed": {}}
    for name, why in result["Failed"].items():
        raise BridgeError(UNAVAILABLE, f"{name}: {why}")


def remove_directories(names: List[str]) -> None:
    """Remove empty directories, in this order."""
    for name in names:
        result = value(_catalogue().removeDirectory([name]), name)
        for one, why in result["Failed"].items():
            raise BridgeError(UNAVAILABLE, f"{one}: {why}")


def label(labels: Dict[str, Dict[str, str]]) -> Dict[str, str]:
    """Have files carry words among the catalogue's metadata; gives those of which it refuses that, and why.

    Where nobody has declared a field, the catalogue keeps a second value beside the first: another one goes.
    """
    from DIRAC.Resources.Catalog.FileCatalogClient import FileCatalogClient

    client = FileCatalogClient()
    wanted: Dict[str, Dict[str, str]] = {}
    for name in _files(sorted(labels)):
        known = value(client.getFileUserMetadata(name), name)
        wanted[name] = {key: text for key, text in labels[name].items() if str(known.get(key)) != text}
        others = sorted(set(wanted[name]) & set(known))
        if others:
            value(client.removeMetadata({name: others}), name)
    new = {name: words for name, words in wanted.items() if words}
    result = value(client.setMetadataBulk(new), "metadata") if new else {}
    return {name: str(why) for name, why in result.get("Failed", {}).items()}


def _exists(names: Sequence[str]) -> List[str]:
    asked = [name for name in names if _keeps(name)]
    result = _each(_catalogue().exists(asked), "catalogue") if asked else {}
    return [name for name, there in result.items() if there]


def _files(names: Sequence[str]) -> Dict[str, Dict[str, Any]]:
    """Read what the catalogue says of files; directories, and what is not there, are left out."""
    there = _exists(names) if names else []
    return _each(_catalogue().getFileMetadata(there), "metadata") if there else {}


def _urls(element: str, names: Sequence[str]) -> Dict[str, str]:
    """URLs of files at a storage element; none where only DIRAC speaks to it."""
    result = _element(element).getURL(list(names), protocol=PROTOCOLS)
    return dict(result["Value"]["Successful"]) if result["OK"] else {}


def _each(result: Any, doing: str) -> Dict[str, Any]:
    return dict(value(result, doing)["Successful"])


def _described(facts: Dict[str, Any]) -> Dict[str, Any]:
    return {
        "size": int(facts["Size"]),
        "modified": _seconds(facts.get("ModificationDate")),
        "adler32": _adler32(facts),
        "directory": False,
    }


def _adler32(facts: Dict[str, Any]) -> str:
    """Return the catalogue's checksum, in eight digits; empty when it is another one, or none."""
    text = str(facts.get("Checksum") or "").lower()
    known = str(facts.get("ChecksumType") or "Adler32").lower() == "adler32"
    return text.rjust(8, "0") if known and text.strip("0123456789abcdef") == "" and text else ""


def _seconds(date: Any) -> float:
    """Parse a date of the catalogue (UTC) to seconds since 1970-01-01 UTC."""
    text = str(date or "").replace("T", " ").split(".")[0]
    try:
        return float(calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M:%S")))
    except ValueError:
        return 0.0


VERBS: Dict[str, Callable[..., Any]] = {
    "lookup": lookup,
    "stat": stat,
    "entries": entries,
    "get": get,
    "put": put,
    "label": label,
    "remove": remove,
    "forget": forget,
    "remove_directories": remove_directories,
}
