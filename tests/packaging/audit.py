"""`make audit`: compare requirements.lock with the vulnerabilities that the index knows, by pip-audit.

Exit codes: 1 something is vulnerable, 3 the service did not tell of everything, so nothing is known.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from tests.packaging.lock import LOCK, ROOT


def verdict(found: Mapping[str, Any]) -> tuple[int, list[str]]:
    """The exit code, and what to say, of what pip-audit has found. What it has skipped it calls no fault."""
    vulnerable = [one for one in found["dependencies"] if one.get("vulns")]
    skipped = [one for one in found["dependencies"] if "skip_reason" in one]
    lines = []
    for one in vulnerable:
        for fault in one["vulns"]:
            mended = ", ".join(fault["fix_versions"]) or "no version yet"
            lines.append(f"{one['name']} {one['version']}: {fault['id']}, mended in {mended}")
    if skipped:
        lines.append(f"nothing is known of {len(skipped)} packages, such as: {skipped[0]['skip_reason']}")
    if not lines:
        lines.append(f"none of {len(found['dependencies'])} packages has a vulnerability that is known")
    return (1 if vulnerable else 3 if skipped else 0), lines


def main() -> int:
    """Ask, and say what came out. Returns the exit code."""
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "--require-hashes",
        "--disable-pip",
        "--progress-spinner",
        "off",
    ]
    command += ["--format", "json", "--requirement", str(LOCK)]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    try:
        code, lines = verdict(json.loads(done.stdout))
    except ValueError:
        reason = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        code, lines = 3, [f"the service of vulnerabilities cannot be asked: {reason[:300]}"]
    for line in lines:
        print(f"audit: {line}", file=sys.stderr if code else sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main())
