"""One zip archive to one folder: checked, atomic, by several processes, and while it is still arriving; and what lies in such a folder.

Runs on the host, standard library only.
"""
