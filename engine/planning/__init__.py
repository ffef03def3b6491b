"""The Boutiques compiler: descriptors to compiled tools, invocations and sweeps to jobs."""

from engine.planning.compiler import CompiledTool, Expansion, compile_tool
from engine.planning.descriptors import Descriptor, load_descriptor
from engine.planning.outputs import OutputFile
from engine.planning.rules import InvocationError
from engine.planning.staging import InputFile

__all__ = [
    "CompiledTool",
    "Descriptor",
    "Expansion",
    "InputFile",
    "InvocationError",
    "OutputFile",
    "compile_tool",
    "load_descriptor",
]
