"""From what a wish-list says to images pinned by digest: the registries are asked, all at once."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cvmfs_deploy.failures import ImageFailure, translated
from cvmfs_deploy.layout import public_name, singularity_name
from cvmfs_deploy.sources.base import ImageSource
from cvmfs_deploy.sources.registry import RegistrySource
from cvmfs_deploy.wishlist import WishlistEntry
from engine.errors import EngineError, NotFound
from wrappers.containers.manifests import Resolved
from wrappers.containers.reference import Reference

_QUESTIONS = 8  # at a time


@dataclass(frozen=True, slots=True)
class WantedImage:
    """An image of one platform under one name."""

    name: str
    reference: Reference
    platform: str
    image: Resolved
    source: ImageSource
    grace: float
    singularity: str = ""


@dataclass(frozen=True, slots=True)
class ResolvedList:
    """The meaning of a list today."""

    wanted: tuple[WantedImage, ...]
    failures: tuple[ImageFailure, ...] = ()
    unknown: frozenset[tuple[str, str]] = frozenset()
    """Host and repository of what could not be asked: its names stay as they are."""


@dataclass(frozen=True, slots=True)
class _Question:
    entry: WishlistEntry
    reference: Reference
    platform: str


def resolve(entries: Iterable[WishlistEntry], source: RegistrySource) -> ResolvedList:
    """Ask for every image; one that fails does not keep the others."""
    entries = list(entries)
    wanted: dict[str, WantedImage] = {}
    failures: list[ImageFailure] = []
    unknown: set[tuple[str, str]] = set()
    with ThreadPoolExecutor(_QUESTIONS) as pool:
        lists = list(pool.map(lambda entry: _questions(entry, source), entries))
        questions = [one for part in lists if not isinstance(part, ImageFailure) for one in part]
        answers = list(pool.map(lambda question: _answer(question, source), questions))
    for entry, part in zip(entries, lists, strict=True):
        if isinstance(part, ImageFailure):
            failures.append(part)
            unknown.add(entry.reference()[:2])
    for question, answer in zip(questions, answers, strict=True):
        if isinstance(answer, ImageFailure):
            failures.append(answer)
            unknown.add(question.reference[:2])
        else:
            wanted[answer.name] = _merged(wanted.get(answer.name), answer)
    return ResolvedList(tuple(wanted.values()), tuple(failures), frozenset(unknown))


def pin(entry: WishlistEntry, reference: Reference, platform: str, source: ImageSource) -> WantedImage:
    """One image, whatever its source.

    Raises:
        EngineError: it cannot be had, see `translated`.
    """
    with translated():
        image = source.resolve(reference, platform)
    linked = "singularity" in entry.layouts
    return WantedImage(
        name=public_name(reference, platform),
        reference=reference,
        platform=platform,
        image=image,
        source=source,
        grace=entry.grace or 0.0,
        singularity=singularity_name(reference) if linked else "",
    )


def _questions(entry: WishlistEntry, source: RegistrySource) -> list[_Question] | ImageFailure:
    reference = entry.reference()
    references = [reference]
    if entry.pattern:
        try:
            with translated():
                tags = entry.chosen(source.tags(reference))
        except EngineError as error:
            return ImageFailure(entry.image, error)
        if not tags:
            return ImageFailure(
                entry.image, NotFound(f"{entry.image}: no tag in the registry fits the pattern")
            )
        references = [reference._replace(tag=tag) for tag in tags]
    return [_Question(entry, one, platform) for one in references for platform in entry.platforms]


def _answer(question: _Question, source: ImageSource) -> WantedImage | ImageFailure:
    try:
        return pin(question.entry, question.reference, question.platform, source)
    except EngineError as error:
        return ImageFailure(question.reference.text, error)


def _merged(one: WantedImage | None, other: WantedImage) -> WantedImage:
    """Two entries of a list may name the same image: it gets what either asks for."""
    if one is None:
        return other
    return WantedImage(
        other.name,
        other.reference,
        other.platform,
        other.image,
        other.source,
        max(one.grace, other.grace),
        one.singularity or other.singularity,
    )
