"""Several files at a time: a few threads, one queue, and an end to all of it when asked."""

import queue
import threading
import time
from typing import Callable, List, Optional, Sequence, TypeVar

_T = TypeVar("_T")
_STOP_S = 5.0  # seconds that threads get to notice that they are not wanted any more


def run(tasks: Sequence[Callable[[], _T]], parallel: int, stop: Callable[[], None]) -> List[_T]:
    """Do all of them, at most `parallel` at a time; gives the results in order.

    The first that raises ends it: `stop` must have the others end soon, and what was raised is raised here.
    So it is when this thread is interrupted.
    """
    if len(tasks) == 1 or parallel == 1:  # no thread for one file
        return [task() for task in tasks]
    todo: "queue.Queue[int]" = queue.Queue()
    done: "queue.Queue[Optional[BaseException]]" = queue.Queue()
    results: List[Optional[_T]] = [None] * len(tasks)
    for number in range(len(tasks)):
        todo.put(number)

    def work() -> None:
        try:
            while True:
                number = todo.get_nowait()
                results[number] = tasks[number]()
        except queue.Empty:
            done.put(None)
        except BaseException as error:
            done.put(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(parallel, len(tasks)))]
    for thread in threads:
        thread.start()
    try:
        for _ in threads:
            error = done.get()
            if error is not None:
                raise error
    except BaseException:
        _empty(todo)
        stop()
        until = time.monotonic() + _STOP_S
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        raise
    for thread in threads:
        thread.join()
    return results  # type: ignore[return-value]  # every task has given its own


def _empty(todo: "queue.Queue[int]") -> None:
    try:
        while True:
            todo.get_nowait()
    except queue.Empty:
        pass
