"""A real DIRAC 9, with DiracX on the same databases, or a real DIRAC 8 without, all on this machine.

MariaDB, the services of workload management with their optimizers, a file catalogue, two storage elements,
the agent that executes requests, and pilots (DIRAC's own JobAgent and JobWrapper) that run jobs here.
`start_dirac` is what tests use; `make dirac-up` keeps one for people. Not real: OpenSearch and S3 are
stand-ins, one certificate serves all services, and pilots are started by us and not by a site director.
"""
