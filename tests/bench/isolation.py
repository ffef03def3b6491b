"""What a network of its own costs a job: the same container jobs with it and on the machine's, in turn.

`none` is a network namespace with a loopback; `own` has a way out by slirp4netns besides. Figures are medians
of the rounds' differences and ratios.
"""

from __future__ import annotations

from pathlib import Path

from tests.bench.figures import row
from tests.bench.place import Place, median, place, tool
from tests.services.images import push_busybox
from tests.services.registry import start_registry

ONE_BY_ONE, ROUNDS = 50, 9
MANY, ROUNDS_OF_MANY = 1000, 6
KINDS = ("none", "own")


def main() -> None:
    """Print what each kind of network costs a job, and a thousand."""
    with place(slots=1) as here, start_registry(here.directory) as registry:
        words = _words(here, push_busybox(registry), ONE_BY_ONE)
        rounds = _rounds(here, words, ROUNDS)
        for kind in KINDS:
            more = [1000 * (one[kind] - one["machine"]) / ONE_BY_ONE for one in rounds]
            what = f"a network of its own ({kind}): {ONE_BY_ONE} container jobs one by one"
            row(what, f"{median(more):+.1f} ms a job", "<= 5 ms", median(more) <= 5)
    with place(slots=2) as here, start_registry(here.directory) as registry:
        words = _words(here, push_busybox(registry), MANY)
        rounds = _rounds(here, words, ROUNDS_OF_MANY)
        base = median([one["machine"] for one in rounds])
        for kind in KINDS:
            ratio = median([one[kind] / one["machine"] for one in rounds])
            what = f"{MANY} container jobs, 2 slots, {kind}; on the machine's {base:.1f} s"
            row(what, f"{ratio:.2f} x the machine's", "<= 1.05", ratio <= 1.05)


def _words(here: Place, image: str, jobs: int) -> list[str]:
    descriptor = here.write("tool.json", tool("true [N]", image=image))
    numbers = here.write("jobs.jsonl", [{"n": n} for n in range(jobs)])
    words = ["submit", str(descriptor), str(numbers), "--runtime", "userns"]
    here.engine(*words[:2], str(_one(here)), *words[3:])  # fills the cache, starts the server
    return words


def _one(here: Place) -> Path:
    return here.write("one.jsonl", [{"n": 0}])


def _rounds(here: Place, words: list[str], count: int) -> list[dict[str, float]]:
    """Run all kinds in each round, each of them first in its turn: a machine that gets busier is fair so."""
    kinds = ["machine", *KINDS]
    turns = [kinds[n % len(kinds) :] + kinds[: n % len(kinds)] for n in range(count)]
    return [{kind: here.engine(*words, ENGINE_NODE__NETWORK=kind) for kind in turn} for turn in turns]


if __name__ == "__main__":
    main()
