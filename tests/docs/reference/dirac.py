"""What the states of DIRAC's jobs mean to the engine, from the table that it obeys."""

from __future__ import annotations

import inspect
import re

from engine.backends.wms import states as wms_states
from tests.docs.markdown import code, table


def states() -> str:
    """Each state of DIRAC, and what the engine takes it for."""
    remarks = dict(re.findall(r'"(\w+)": Seen\.\w+,  # (.*)', inspect.getsource(wms_states)))
    rows = [(state, code(seen), remarks.get(state, "")) for state, seen in wms_states.SEEN.items()]
    return table(["DIRAC says", "the engine sees", "remark"], rows)


PARTS = {"dirac.states": states}
