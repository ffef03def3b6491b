"""What both ways to DIRAC's workload management share: job descriptions, resources, states, the payload."""
