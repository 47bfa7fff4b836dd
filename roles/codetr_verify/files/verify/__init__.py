"""Proof that a host can train Co-DETR: runs on the host, inside the environment that the training uses.

`python -m verify --help` tells the arguments. Nothing here imports torch before a check needs it, so that a broken
environment still gets a result.
"""
