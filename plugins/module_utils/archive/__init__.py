"""Extract a zip archive to a folder: verified, atomic, in several processes; and keep an inventory of the folder.

Runs on the host, standard library only.
"""
