"""The command line of the lab: `PYTHONPATH=molecule/shared python -m lab <command>`."""

from __future__ import annotations

import argparse
import json
import sys

from lab.settings import DEFAULT_IMAGE, DEFAULT_KIND, LabError


def doctor(_: argparse.Namespace) -> None:
    """List everything that keeps the lab from working on this machine."""
    from lab import doctor as checks

    problems = checks.problems()
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise LabError(f"the lab cannot run on this machine yet:\n{listed}")
    missing = checks.programs()
    print("The lab can run on this machine" + ("; some tools will be installed." if missing else "."))


def tools(_: argparse.Namespace) -> None:
    """Install the programs that the lab needs, or print how."""
    from lab import tools as packages

    installed = packages.install()
    print(f"Installed {', '.join(installed)}." if installed else "All tools are installed.")


def image(options: argparse.Namespace) -> None:
    """Build a host image unless it exists."""
    from lab import images

    print(images.ensure(options.name))


def up(options: argparse.Namespace) -> None:
    """Make the image, the network, the mirror and the stand-ins."""
    from lab import site

    site.up(keep=options.keep)


def down(_: argparse.Namespace) -> None:
    """Remove the lab's hosts, mirror and network. Images and caches stay."""
    from lab import site

    site.down()


def apt(_: argparse.Namespace) -> None:
    """Make the stand-ins for Ubuntu's and NVIDIA's apt repositories, and print where they are as JSON."""
    from lab import mirror, network
    from lab.settings import BASE_URL, lab_dir
    from lab.standins import ubuntu

    with network.lock():
        print(json.dumps(ubuntu.build(mirror.www(), lab_dir() / "keys", BASE_URL), indent=2))


def prepared(options: argparse.Namespace) -> None:
    """Print whether the image of a prepared host exists; with --from, make it of a host."""
    from lab import network
    from lab import prepared as image

    if options.host:
        with network.lock():
            print(f"{image.keep(options.host)}: exists")
    else:
        print(f"{image.tag()}: {'exists' if image.exists() else 'missing'}")


def create(options: argparse.Namespace) -> None:
    """Start hosts and wait until ssh answers."""
    from lab import hosts

    for name in options.names:
        print(hosts.create(name, image=options.image, kind=options.kind, address=options.address, copy_of=options.copy_of))


def destroy(options: argparse.Namespace) -> None:
    """Remove hosts."""
    from lab import hosts

    for name in options.names:
        print(f"{name}: {'removed' if hosts.destroy(name) else 'does not exist'}")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(prog="lab", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for name, action in (("doctor", doctor), ("tools", tools), ("down", down), ("apt", apt)):
        commands.add_parser(name, help=action.__doc__).set_defaults(action=action)
    build = commands.add_parser("image", help=image.__doc__)
    build.add_argument("name", nargs="?", default=DEFAULT_IMAGE)
    build.set_defaults(action=image)
    slow = commands.add_parser("prepared", help=prepared.__doc__)
    slow.add_argument("--from", dest="host", metavar="HOST")
    slow.set_defaults(action=prepared)
    start = commands.add_parser("up", help=up.__doc__)
    start.add_argument("--keep", action="store_true", help="do not try the upstreams again where that was done before")
    start.set_defaults(action=up)
    host = commands.add_parser("host", help="create or destroy hosts").add_subparsers(required=True, metavar="COMMAND")
    new = host.add_parser("create", help=create.__doc__)
    new.add_argument("names", nargs="+", metavar="NAME")
    new.add_argument("--address", help="an address on the lab's network, for one host; every name has one of its own")
    new.add_argument("--image", default=DEFAULT_IMAGE)
    new.add_argument("--kind", default=DEFAULT_KIND, help="container, nspawn (it reboots) or vm (it has a kernel of its own)")
    new.add_argument("--copy-of", metavar="HOST", help="start from the state of another host, a container, and not from an image")
    new.set_defaults(action=create)
    gone = host.add_parser("destroy", help=destroy.__doc__)
    gone.add_argument("names", nargs="+", metavar="NAME")
    gone.set_defaults(action=destroy)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run one command of the lab and return the exit status."""
    options = parser().parse_args(argv)
    try:
        options.action(options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
