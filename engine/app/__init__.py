"""The use cases: what the command line, and any server, asks of the engine. Values in, values out."""
