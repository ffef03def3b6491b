"""Where files are and how they travel: storages, copies, catalogues, results brought home."""
