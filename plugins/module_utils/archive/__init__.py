"""One zip archive to one folder, checked and atomic. Runs on the host, standard library only."""
