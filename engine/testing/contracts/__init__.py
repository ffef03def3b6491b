"""What a back-end and a storage promise, as test classes: inherit, give the fixtures, and you are tested.

A third party's plug-in is correct when these pass. Ours pass the same ones.
"""
