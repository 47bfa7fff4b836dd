"""Bare git repositories that a web server can offer as plain files."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

# A fixed author and date, and no configuration of the person who runs the lab: the same tree has the same commit id.
_FIXED = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "codetr-provision test lab",
    "GIT_AUTHOR_EMAIL": "lab@example.invalid",
    "GIT_AUTHOR_DATE": "2022-10-25T00:00:00+0000",
    "GIT_COMMITTER_NAME": "codetr-provision test lab",
    "GIT_COMMITTER_EMAIL": "lab@example.invalid",
    "GIT_COMMITTER_DATE": "2022-10-25T00:00:00+0000",
}

_WAY_OUT = "Name a complete checkout, bare repository or URL of Sense-X/Co-DETR, or unset the variable to use the stand-in."


def git(*arguments: str, environment: dict[str, str] | None = None) -> str:
    """Run git and return its output without the final newline; a failure carries what git said."""
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False, env={**os.environ, **(environment or {})})
    if done.returncode:
        raise RuntimeError(f"git {' '.join(arguments)} failed: {done.stderr.strip()[-600:]}")
    return done.stdout.strip()


def commit_tree(tree: Path, bare: Path, message: str) -> str:
    """Make ``bare`` a repository with one commit, which holds all files of ``tree``. Return the commit id."""
    work = _fresh(bare)
    git("init", "--quiet", "--bare", "--initial-branch=main", str(work), environment=_FIXED)
    at = ("--git-dir", str(work), "--work-tree", str(tree))
    git(*at, "-c", "core.autocrlf=false", "add", "--all", "--force", ".", environment=_FIXED)
    git(*at, "commit", "--quiet", "--message", message, environment=_FIXED)
    git(*at, "repack", "-a", "-d", "-q", environment=_FIXED)
    return _serve(work, bare, "HEAD")


def clone(source: str, bare: Path, commit: str) -> str:
    """Make ``bare`` a clone of ``source``, a folder or a URL, that has ``commit``."""
    work = _fresh(bare)
    try:
        git("clone", "--quiet", "--bare", "--no-local", source, str(work))
        return _serve(work, bare, commit)
    except RuntimeError as error:
        raise RuntimeError(f"CODETR_LAB_REPO={source} cannot be served with commit {commit}: {error} {_WAY_OUT}") from error


def tips(source: str) -> str:
    """Return where the branches and tags of ``source`` stand: when one moves, the clone has to be made again."""
    try:
        return git("ls-remote", source)
    except RuntimeError as error:
        raise RuntimeError(f"CODETR_LAB_REPO={source} cannot be read as a git repository: {error} {_WAY_OUT}") from error


def _fresh(bare: Path) -> Path:
    bare.parent.mkdir(parents=True, exist_ok=True)
    work = bare.with_name(bare.name + ".new")
    shutil.rmtree(work, ignore_errors=True)
    return work


def _serve(work: Path, bare: Path, revision: str) -> str:
    at = ("--git-dir", str(work))
    commit = git(*at, "rev-parse", "--verify", f"{revision}^{{commit}}")
    git(*at, "update-server-info")
    if bare.exists():
        shutil.rmtree(bare)
    work.rename(bare)
    return commit


def served_files(bare: Path) -> Sequence[Path]:
    """Return the files of a bare repository that a client reads first."""
    return [bare / "HEAD", bare / "info" / "refs", bare / "objects" / "info" / "packs"]
