"""The bridge to a DIRAC client: runs in DIRAC's own Python, and answers in JSON lines what others ask of it.

The engine opens it for jobs and files, a worker node for files. Only `jobs` and `files` import DIRAC.
"""
