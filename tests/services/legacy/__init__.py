"""A real DIRAC of the generation before DiracX, with DiracX on the same databases, all on this machine.

MariaDB, the services of workload management with their optimizers, a file catalogue, a storage element, and
pilots (DIRAC's own JobAgent and JobWrapper) that run jobs here. `start_dirac` is what tests use;
`make dirac-up` keeps one for people. Not real: OpenSearch and S3 are stand-ins, one certificate serves all
services, and pilots are started by us and not by a site director.
"""
