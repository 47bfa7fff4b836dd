"""Compare the guide's own commands, ours, and the floor, in turns against the same local nginx, with and without a limit per connection."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measure import Figures, fresh, measure

HERE = Path(__file__).resolve().parent
LIMITED, FREE = 8871, 8872
CONFIG = """
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 512; }}
http {{
  access_log off;
  sendfile on;
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi;
  uwsgi_temp_path {folder}/nginx-uwsgi;
  scgi_temp_path {folder}/nginx-scgi;
  server {{ listen 127.0.0.1:{limited}; root {folder}/www; limit_rate 20m; }}
  server {{ listen 127.0.0.1:{free}; root {folder}/www; }}
}}
"""


@contextmanager
def serving(folder: Path, archives: Path) -> Iterator[None]:
    """nginx with the archives at their real paths."""
    www = fresh(folder / "www")
    for path in ("zips", "annotations", "LVIS"):
        (www / path).mkdir()
    for archive in archives.glob("*.zip"):
        place = "zips" if archive.name.endswith("2017.zip") and "annotations" not in archive.name else "annotations"
        (www / ("LVIS" if archive.name.startswith("lvis") else place) / archive.name).symlink_to(archive)
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, limited=LIMITED, free=FREE))
    server = subprocess.Popen(["nginx", "-c", str(config), "-g", "daemon off;"])
    try:
        _answers(server)
        yield
    finally:
        server.terminate()
        server.wait()


def _answers(server: subprocess.Popen[bytes]) -> None:
    for _ in range(100):
        if server.poll() is not None:
            raise SystemExit("nginx did not start; its messages are above")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{FREE}/zips/val2017.zip", timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("nginx does not answer")


def ours(folder: Path, archives: Path, port: int, *options: str) -> Figures:
    """Our side, into an empty folder."""
    into = fresh(folder / "ours")
    return measure([sys.executable, str(HERE / "ours.py"), str(into), str(archives), f"http://127.0.0.1:{port}", *options], folder)


def guide(folder: Path, port: int) -> Figures:
    """The guide's side, into an empty folder."""
    url = f"http://127.0.0.1:{port}"
    return measure(["bash", str(HERE / "guide.sh"), str(fresh(folder / "guide")), url, url], folder)


def floor(folder: Path, archives: Path) -> Figures:
    """The floor, from the files that the guide's side left."""
    return measure(["bash", str(HERE / "floor.sh"), str(fresh(folder / "floor")), str(archives), str(folder / "guide" / "data")], folder)


def line(name: str, runs: list[Figures]) -> float:
    """Print the medians of a side; its wall seconds."""
    wall = statistics.median(run.wall for run in runs)
    cpu, memory, disk = statistics.median(run.cpu for run in runs), max(run.memory for run in runs), max(run.disk for run in runs)
    each = ", ".join(f"{run.wall:.1f}" for run in runs)
    print(f"{name:<10} {wall:7.1f} s  CPU {cpu:6.1f} s  memory {memory / 1e6:5.0f} MB  disk {disk / 1e9:5.2f} GB   ({each})")
    return wall


def compare(folder: Path, archives: Path, rounds: int, port: int, title: str) -> None:
    """Both sides and the floor in turns, and the ratios."""
    sides: dict[str, list[Figures]] = {"guide": [], "ours": [], "extracted": [], "floor": []}
    for _ in range(rounds):
        sides["guide"].append(guide(folder, port))
        sides["ours"].append(ours(folder, archives, port))
        sides["extracted"].append(ours(folder, archives, port, "--extract-only"))
        sides["floor"].append(floor(folder, archives))
    print(f"\n{title}: medians of {rounds} rounds, peak memory and disk")
    walls = {name: line(name, runs) for name, runs in sides.items()}
    print(f"the guide takes {walls['guide'] / walls['ours']:.1f} times as long as ours")
    print(
        f"ours takes {walls['ours'] / walls['floor']:.2f} times the floor, {walls['extracted'] / walls['floor']:.2f} times where it stops "
        "with files that are extracted and checked by sha256 and CRC, as the guide and the floor do without checks"
    )


def grow(folder: Path, python: str) -> None:
    """Ours on sets of small images, to check that the cost is linear in the number of files."""
    print("\nOurs on images of 10 kB, without limits")
    each = []
    for files in (2_000, 10_000, 50_000, 123_000):
        archives = made(folder, python, files, 10_000)
        with serving(folder, archives):
            found = ours(folder, archives, FREE)
        each.append(found.wall / files * 1000)
        pace = f"{found.wall:7.1f} s  {each[-1]:.3f} s for 1,000"
        print(f"{files:>7} files {pace}  CPU {found.cpu:6.1f} s  memory {found.memory / 1e6:5.0f} MB")
    print(f"for 1,000 files, 123,000 cost {each[-1] / each[0]:.2f} times what 2,000 do")


def made(folder: Path, python: str, files: int, size: int) -> Path:
    """The archives of a set, made once."""
    archives = folder / f"set-{files}-{size}"
    subprocess.run([python, str(HERE / "synthetic.py"), str(archives), "--files", str(files), "--bytes", str(size)], check=True)
    return archives


def main() -> None:
    """Make the sets, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="scratch folder, 15 GB")
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("ROUNDS", "3")))
    option = parser.parse_args()
    folder = option.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    archives = made(folder, sys.executable, 20_000, 110_000)
    with serving(folder, archives):
        compare(folder, archives, option.rounds, LIMITED, "A server with 20 MB/s per connection")
        compare(folder, archives, option.rounds, FREE, "A server without limits")
    grow(folder, sys.executable)


if __name__ == "__main__":
    main()
