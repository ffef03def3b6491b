"""Starts the bridge from its directory, in a Python that must not see the packages that lie beside ours."""

import importlib.util
import os
import sys


def load_package() -> None:
    """Make `wrappers` importable, and nothing else that is installed with it."""
    here = os.path.dirname(os.path.abspath(__file__))
    root = os.path.dirname(here)
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != here]
    init_file = os.path.join(root, "__init__.py")
    if not os.path.exists(init_file):  # in the archive that jobs carry, which holds nothing of others
        sys.path.insert(0, os.path.dirname(root))
        return
    spec = importlib.util.spec_from_file_location("wrappers", init_file, submodule_search_locations=[root])
    if spec is None or spec.loader is None:
        sys.exit(f"{init_file} cannot be read")
    package = importlib.util.module_from_spec(spec)
    sys.modules["wrappers"] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    if not __package__:
        load_package()
    from wrappers.dirac_bridge.line import ONCE, main

    main(ONCE in sys.argv[1:])
