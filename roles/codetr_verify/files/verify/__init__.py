"""Proof that a host can train Co-DETR: runs on the host, inside the environment that the training uses.

`python -m verify --help` lists the arguments. Nothing imports torch before a check needs it, so that a broken environment
still gets a result.
"""
