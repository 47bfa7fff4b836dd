"""The command line of `python -m verify`."""
from __future__ import annotations

import argparse
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

LEVELS = ("versions", "ops", "train", "speed")
LAUNCHERS = ("auto", "none", "pytorch")
SMALL = 320  # longest side of an image in pixels, in all levels but speed


@dataclass(frozen=True)
class Options:
    """The options of one run; every path is absolute."""

    repo: Path
    config: Path
    data: Path
    out: Path
    stack: str
    host: str
    level: str = "train"
    launcher: str = "auto"
    stand_ins: tuple[str, ...] = ()
    expect: dict[str, str] = field(default_factory=dict)
    skip: frozenset[str] = frozenset()
    allow_random_backbone: bool = False
    exit_zero: bool = False
    train_images: int = 16
    val_images: int = 4
    scale: int | None = None  # longest side of an image, pixels; 0: the config's own scales; None: what suits the level
    seed: int = 0
    train_timeout: int = 3600  # seconds, for each training
    gpus: int = 1  # of the level speed
    batch: int | None = None  # images per GPU in the level speed; None: the config's own
    speed_images: int = 64
    speed_iterations: int = 32

    def reaches(self, level: str) -> bool:
        """Whether the requested level includes `level`."""
        return LEVELS.index(self.level) >= LEVELS.index(level)

    @property
    def longest(self) -> int:
        """Longest side of an image, in pixels, in every level but speed; 0: the config's own scales."""
        return SMALL if self.scale is None else self.scale

    @property
    def speed_longest(self) -> int:
        """The same for level speed, which measures the config's own scales by default."""
        return self.scale or 0


def _expectation(text: str) -> tuple[str, str]:
    name, equals, version = text.partition("=")
    if not (name and equals and version):
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=VERSION, for example torch=1.11.0")
    return name, version


def _at_least(minimum: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        if not text.isdigit() or int(text) < minimum:
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least {minimum}")
        return int(text)
    return convert


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="verify", description="Prove that this host trains: versions, ops, one epoch, and how fast.", allow_abbrev=False)
    parser.add_argument("--repo", required=True, type=Path, help="checkout that is trained from")
    parser.add_argument("--config", required=True, type=Path, help="training config, absolute or relative to --repo")
    parser.add_argument("--data", required=True, type=Path, help="folder that holds coco/ and lvis_v1/")
    parser.add_argument("--out", required=True, type=Path, help="folder for verify.json, train.log and images")
    parser.add_argument("--stack", required=True, help="name of the stack, for the result")
    parser.add_argument("--host", default=socket.gethostname(), help="name of this host, for the result")
    parser.add_argument("--level", choices=LEVELS, default="train", help="how far to go")
    parser.add_argument("--launcher", choices=LAUNCHERS, default="auto", help="auto: pytorch where there is a GPU, none elsewhere")
    parser.add_argument("--stand-in", action="append", default=[], metavar="NAME", help="a stand-in used instead of an upstream")
    parser.add_argument("--expect", action="append", default=[], type=_expectation, metavar="NAME=VERSION",
                        help="version that must be installed")
    parser.add_argument("--skip", action="append", default=[], metavar="CHECK", help="leave out one check, by its name")
    parser.add_argument("--allow-random-backbone", action="store_true", help="train from random weights where the backbone's are absent")
    parser.add_argument("--exit-zero", action="store_true", help="end with status 0 once every check has run: the caller reads verify.json")
    parser.add_argument("--train-images", type=_at_least(1), default=16, metavar="N", help="images in the epoch of level train [16]")
    parser.add_argument("--val-images", type=_at_least(1), default=4, metavar="N", help="images in its evaluation [4]")
    parser.add_argument("--scale", type=_at_least(0), default=None, metavar="PIXELS",
                        help=f"longest side of an image; 0: the config's own [{SMALL}; in level speed the config's own]")
    parser.add_argument("--seed", type=_at_least(0), default=0)
    parser.add_argument("--train-timeout", type=_at_least(1), default=3600, metavar="SECONDS", help="limit for each training [3600]")
    speed = parser.add_argument_group("level speed")
    speed.add_argument("--gpus", type=_at_least(1), default=1, metavar="N", help="GPUs of this host to train on, a process for each [1]")
    speed.add_argument("--batch", type=_at_least(1), default=None, metavar="N", help="images per GPU and iteration [the config's own]")
    speed.add_argument("--speed-images", type=_at_least(1), default=64, metavar="N", help="different images, at most [64]")
    speed.add_argument("--speed-iterations", type=_at_least(4), default=32, metavar="N",
                       help="iterations; the first quarter warms up and is not counted [32]")
    return parser


def parse(arguments: list[str]) -> Options:
    """Read the command line; wrong usage ends the process with status 2 and a sentence."""
    parser = _parser()
    given = parser.parse_args(arguments)
    repo = given.repo.expanduser().absolute()
    if not repo.is_dir():
        parser.error(f"--repo {repo} is not a folder")
    config = repo / given.config.expanduser()
    if not config.is_file():
        parser.error(f"--config {config} is not a file")
    data = given.data.expanduser().absolute()
    if not data.is_dir():
        parser.error(f"--data {data} is not a folder")
    return Options(
        repo=repo, config=config, data=data, out=given.out.expanduser().absolute(), stack=given.stack, host=given.host,
        level=given.level, launcher=given.launcher, stand_ins=tuple(given.stand_in), expect=dict(given.expect), skip=frozenset(given.skip),
        allow_random_backbone=given.allow_random_backbone, exit_zero=given.exit_zero,
        train_images=given.train_images, val_images=given.val_images, scale=given.scale, seed=given.seed, train_timeout=given.train_timeout,
        gpus=given.gpus, batch=given.batch, speed_images=given.speed_images, speed_iterations=given.speed_iterations,
    )
