"""One artifact to one path: download, check, put in place. Runs on the host, standard library only."""
