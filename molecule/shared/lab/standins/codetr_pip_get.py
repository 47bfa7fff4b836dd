"""Copy one file of a project from the package index that pip is configured for, building nothing.

Run as a script by the interpreter whose pip is to be used: ``codetr_pip_get.py PROJECT FILENAME DESTINATION``.
``pip download`` would run the setup.py of a source distribution, which here imports torch; so this goes through pip's
own finder and session, which know its index, proxy, certificates and credentials.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any


def main(project: str, filename: str, destination: Path) -> None:
    """Write the bytes of ``filename``, as the index serves them, to ``destination``."""
    from pip._internal.commands import create_command

    command: Any = create_command("download")
    options, _ = command.parse_args([project])
    with command.main_context():
        session = command._build_session(options)
        finder = command._build_package_finder(options, session)
        links = [candidate.link for candidate in finder.find_all_candidates(project) if candidate.link.filename == filename]
        if not links:
            sys.exit(f"The package index that pip is configured for has no file {filename}.")
        # Without this header a server may compress on the fly, and the bytes would not match their sha256.
        answer = session.get(links[0].url_without_fragment, headers={"Accept-Encoding": "identity"})
        answer.raise_for_status()
        destination.write_bytes(answer.content)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
