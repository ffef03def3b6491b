"""The Boutiques compiler: descriptors to compiled tools, invocations and sweeps to jobs."""

from engine.planning.bids import Dataset
from engine.planning.compiler import CompiledTool, Expansion, compile_tool
from engine.planning.containers import Requirements, container_requirements
from engine.planning.descriptors import Descriptor, is_published, load_descriptor
from engine.planning.naming import result_fields
from engine.planning.outputs import OutputFile
from engine.planning.points import Point, Sweep, expand_points, read_invocations
from engine.planning.rules import InvocationError
from engine.planning.staging import InputFile

__all__ = [
    "CompiledTool",
    "Dataset",
    "Descriptor",
    "Expansion",
    "InputFile",
    "InvocationError",
    "OutputFile",
    "Point",
    "Requirements",
    "Sweep",
    "compile_tool",
    "container_requirements",
    "expand_points",
    "is_published",
    "load_descriptor",
    "read_invocations",
    "result_fields",
]
