"""A workflow engine that turns Boutiques descriptors into parallel container jobs."""

__version__ = "0.1.0"
