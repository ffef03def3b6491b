"""Jobs as `engine plan` tells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.app.planner import Plan, PlannedJob
from engine.app.views import image_name
from engine.domain import naming
from engine.settings.tree import Settings
from engine.usecases import schema_of


def job_summary(plan: Plan, job: PlannedJob, settings: Settings) -> Mapping[str, Any]:
    """One job, before it runs."""
    image = plan.options.image
    names = _names(plan, job)
    return {
        "job": job.new.number,
        "parameters": dict(job.new.parameters),
        "command": job.expansion.command_line,
        "inputs": [{"id": i.id, "from": i.source, "as": i.name} for i in job.expansion.inputs],
        "outputs": [
            {"id": o.id, "path": o.path, "optional": o.optional}
            | ({"name": names[o.path]} if o.path in names else {})
            for o in job.expansion.output_files
        ],
        "image": image_name(image) if image else None,
        "pinned_by": plan.pinned_by or None,
        "image_size": image.size if image else None,
        "runtimes": list(plan.options.runtimes) or list(settings.node.runtimes),
        "backend": plan.backend,
        "schema": schema_of("plan"),
    }


def _names(plan: Plan, job: PlannedJob) -> Mapping[str, str]:
    """Name its results where names were asked for. The number keeps its field: it has as many digits as that
    of the last job, which is not known yet.
    """
    if not (plan.options.naming or job.new.names):
        return {}
    fields = {naming.JOB: f"{{{naming.JOB}}}", **job.new.names}
    template = naming.template_of(plan.options.naming, 2, job.new.names)
    return naming.result_names(template, fields, (o.path for o in job.expansion.output_files))
