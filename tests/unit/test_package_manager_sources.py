"""Components added to the distribution's own apt sources, and to nobody else's."""

from __future__ import annotations

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.apt import sources as apt_sources

WANTED = ["contrib", "non-free"]
DEB822 = """\
# Written by the installer.
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main non-free-firmware
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security/
Suites: bookworm-security
Components: main
  contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""


def changed(path: str, text: str, codename: str = "bookworm") -> str | None:
    """The new text of one source file, the old one where it stays; None where no entry is the archive's."""
    found = apt_sources.with_components({path: text}, codename, WANTED)
    return None if found is None else found.get(path, text)


def test_deb822_gets_them_in_place_and_keeps_all_else():
    assert changed("a.sources", DEB822) == DEB822.replace(
        "Components: main non-free-firmware", "Components: main non-free-firmware contrib non-free"
    ).replace("Components: main\n  contrib", "Components: main contrib non-free")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("deb http://mirror.example/debian bookworm main\n", "deb http://mirror.example/debian bookworm main contrib non-free\n"),
        (
            "deb [signed-by=/k.gpg arch=amd64] http://mirror.example/debian/ bookworm-updates main non-free # ours\n",
            "deb [signed-by=/k.gpg arch=amd64] http://mirror.example/debian/ bookworm-updates main non-free contrib # ours\n",
        ),
        ("deb mirror+file:/etc/apt/m/debian.list bookworm main", "deb mirror+file:/etc/apt/m/debian.list bookworm main contrib non-free"),
        ("deb http://m/debian-security bookworm/updates main\n", "deb http://m/debian-security bookworm/updates main contrib non-free\n"),
    ],
)  # fmt: skip
def test_one_line_sources(before: str, after: str):
    assert changed("/etc/apt/sources.list", before) == after
    assert changed("/etc/apt/sources.list", after) == after


OTHERS = [
    "deb https://pkgs.vendor.example/stable/debian bookworm main\n",
    "deb [signed-by=/usr/share/keyrings/vendor.gpg] https://packages.vendor.example/runner/debian/ bookworm main\n",
    "deb https://vendor.example/apt bookworm main\n",
    "deb https://vendor.example/debian-tools bookworm main\n",
    "deb http://mirror.example/debian bullseye main\n",
    "deb https://packages.vendor.example/debian/12/prod bookworm main\n",
    "deb-src http://mirror.example/debian bookworm main\n",
    "# deb http://mirror.example/debian bookworm main\n",
]


@pytest.mark.parametrize("line", OTHERS)
def test_a_source_that_is_not_the_archives_stays_as_it_is(line: str):
    archive = "deb http://mirror.example/debian bookworm main\n"
    assert changed("/etc/apt/sources.list", line) is None
    assert changed("/etc/apt/sources.list", archive + line) == archive.replace("main\n", "main contrib non-free\n") + line


@pytest.mark.parametrize(
    "stanza",
    [
        "Types: deb\nURIs: https://vendor.example/apt\nSuites: bookworm\nComponents: main\n",
        "Types: deb-src\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n",
        "Enabled: no\nTypes: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n",
        "Enabled: False\nTypes: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main non-free\n",
        "Types: deb\nURIs: https://deb.vendor.example/10.11/debian\nSuites: bookworm\nComponents: main\n",
        "Types: deb\nURIs: http://mirror.example/debian\nSuites: trixie\nComponents: main\n",
    ],
)
def test_a_stanza_that_is_not_the_archives_stays_as_it_is(stanza: str):
    assert changed("a.sources", stanza) is None
    both = changed("a.sources", f"{DEB822}\n{stanza}")
    assert both is not None
    assert both.endswith(f"\n{stanza}")


def test_what_another_entry_of_the_same_suite_has_is_not_named_twice():
    """Apt says of a component that is named twice that its target is configured multiple times."""
    sources = {
        "/etc/apt/sources.list": "deb http://m/debian bookworm main\ndeb http://m/debian/ bookworm contrib\n"
        "deb http://m/debian bookworm-updates main\n",
        "a.list": "deb http://m/debian bookworm non-free non-free-firmware\n",
    }
    assert apt_sources.with_components(sources, "bookworm", WANTED) == {
        "/etc/apt/sources.list": sources["/etc/apt/sources.list"].replace("updates main", "updates main contrib non-free")
    }


@pytest.mark.parametrize(
    "line",
    [
        "deb http://mirror.hosting.example/debian/packages bookworm main\n",
        "deb http://mirror.hosting.example/debian/security bookworm-security main\n",
        "deb http://m/debian oldstable main\n",
        "deb http://m/debian stable-updates main\n",
        "deb http://cache.example:3142/deb.debian" ".org/debian bookworm main\n",
        "deb http://m.example/pub/linux/debian bookworm main\n",
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] https://m.example/artifactory/deb-remote bookworm main\n",
    ],
)
def test_mirrors_and_suites_by_other_names(line: str):
    assert changed("a.list", line) == line.replace(" main", " main contrib non-free")


def test_only_files_that_change_are_named():
    sources = {"/etc/apt/sources.list": "", "a.sources": DEB822, "b.list": OTHERS[0]}
    assert list(apt_sources.with_components(sources, "bookworm", WANTED) or {}) == ["a.sources"]
    sources["a.sources"] = changed("a.sources", DEB822) or ""
    assert apt_sources.with_components(sources, "bookworm", WANTED) == {}


def test_a_suite_is_named_by_a_line_that_counts():
    named = apt_sources.names_suite
    assert named({"a": "deb http://m/debian bookworm-backports main\n"}, "bookworm-backports")
    assert not named({"a": "# deb http://m/debian bookworm-backports main\n"}, "bookworm-backports")
    assert not named({"a": "deb http://m/debian bookworm-backports-sloppy main\n"}, "bookworm-backports")
    assert not named({"a": "deb http://m/debian old-bookworm-backports main\n"}, "bookworm-backports")
