"""What the hosts take over from this machine's apt and pip."""

from __future__ import annotations

import pytest
from lab import aptsources
from lab.aptsources import Archive, parse_pip, parse_targets
from lab.settings import LabError

TARGETS = """\
Debian|http://archive.test/debian/|bookworm|main
Debian|http://archive.test/debian/|bookworm|contrib
Debian|http://archive.test/debian/|bookworm-updates|main
Debian|http://archive.test/debian-security/|bookworm-security|main
Somebody|https://packages.test/|stable|main
"""


def test_only_debians_own_archives_are_taken_with_all_components() -> None:
    assert parse_targets(TARGETS, "bookworm") == [
        Archive("http://archive.test/debian/", "bookworm", ("main", "contrib")),
        Archive("http://archive.test/debian/", "bookworm-updates", ("main",)),
        Archive("http://archive.test/debian-security/", "bookworm-security", ("main",)),
    ]


def test_a_machine_of_another_release_gives_the_hosts_theirs() -> None:
    found = parse_targets(TARGETS.replace("bookworm", "trixie"), "bookworm")
    assert [archive.suite for archive in found] == ["bookworm", "bookworm-updates", "bookworm-security"]


def test_a_machine_with_no_debian_archive_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aptsources, "run", lambda argv: "Somebody|https://packages.test/|stable|main\n")
    with pytest.raises(LabError, match="apt-get update"):
        aptsources.archives("bookworm")


def test_a_stanza_names_the_archive_and_its_key() -> None:
    text = Archive("http://archive.test/debian/", "bookworm", ("main", "contrib")).deb822()
    assert "URIs: http://archive.test/debian/\nSuites: bookworm\nComponents: main contrib\n" in text
    assert "Signed-By: " in text


def test_apt_settings_carry_proxies_and_leave_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    dump = 'Acquire::http::Proxy "http://proxy.test:3128";\nAcquire::https::Proxy "";\nAcquire::Languages:: "none";\n'
    monkeypatch.setattr(aptsources, "run", lambda argv: dump)
    assert aptsources.apt_settings() == 'Acquire::http::Proxy "http://proxy.test:3128";\n'


def test_pips_indexes_are_carried_and_folders_of_this_machine_are_not() -> None:
    text = (
        "global.index-url='https://index.test/simple'\n"
        "global.extra-index-url='file:///srv/wheels https://more.test/simple'\n"
        "global.find-links='/srv/wheels'\n"
        "global.cert='/etc/ssl/certs/own.pem'\n"
        ":env:.default-timeout='180'\n"
    )
    assert parse_pip(text) == {"index-url": "https://index.test/simple", "extra-index-url": "https://more.test/simple", "timeout": "180"}


def test_proxies_keep_the_labs_network_direct(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert aptsources.proxies("192.0.2.0/24") == {}
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv("no_proxy", "localhost")
    assert aptsources.proxies("192.0.2.0/24") == {"https_proxy": "http://proxy.test:3128", "no_proxy": "localhost,192.0.2.0/24"}
