"""The grid through DiracX: jobs by its REST interface, as diracx-client speaks it."""
