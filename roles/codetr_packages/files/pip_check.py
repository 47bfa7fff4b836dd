"""Whether every requirement of the named projects is met, by pip's own word.

``python pip_check.py torch,numpy,...`` ends with status 1 and pip's lines when one of them lacks something or has another version of it
than it asks for. What other packages of the environment lack is printed, and is not ours to judge.
"""

import re
import subprocess
import sys


def normal(name: str) -> str:
    """A project's name as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Run pip check and judge its lines."""
    ours = {normal(name) for name in sys.argv[1].split(",")}
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    if done.returncode and not lines:
        sys.exit(f"pip check does not run: {done.stderr.strip()[-400:]}")
    broken = [line for line in lines if done.returncode and normal(line.split()[0]) in ours]
    print("\n".join(lines))
    if broken:
        sys.exit("Requirements are not met: " + "; ".join(broken))


if __name__ == "__main__":
    main()
