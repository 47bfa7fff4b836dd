"""`conda install` of the stand-in, into environments that are there, from its two channels in order."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from lab.standins import conda_channels
from test_standin_conda_life import Site, ready

GUIDE = ("pytorch=1.11.0=py3.10_cuda11.3_cudnn8.2.0_0", "torchvision=0.12.0", "cudatoolkit=11.3", "mkl<2024.1", "numpy=1.23.5")
TOLD = "import torch, torchvision, numpy; print(torch.__version__, torch.version.cuda, torchvision.__version__, numpy.__version__)"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The stand-in, installed."""
    return ready(tmp_path_factory.getbasetemp())


def argv(site: Site, prefix: Path, *specs: str, channels: tuple[str, ...] = ("pytorch", "conda-forge")) -> list[str]:
    named = [word for channel in channels for word in ("--channel", channel)]
    return [str(site.conda), "install", "--yes", "--quiet", "--prefix", str(prefix), "--override-channels", *named, *specs]


def install(site: Site, prefix: Path, *specs: str) -> subprocess.CompletedProcess[str]:
    return site.run(*argv(site, prefix, *specs))


def versions(prefix: Path) -> dict[str, str]:
    records = (json.loads(path.read_text()) for path in (prefix / "conda-meta").glob("*.json"))
    return {record["name"]: record["version"] for record in records}


def python(site: Site, prefix: Path, code: str) -> subprocess.CompletedProcess[str]:
    return site.run(prefix / "bin" / "python", "-c", code)


@pytest.fixture
def env(site: Site, tmp_path: Path) -> Path:
    """An environment as role codetr_env makes it."""
    done = site.create(tmp_path / "env")
    assert done.returncode == 0, done.stderr
    return tmp_path / "env"


@pytest.fixture(scope="module")
def guide(site: Site) -> Path:
    """An environment that the guide's command was run for; nobody changes it."""
    prefix = site.home.parent / "guide"
    assert site.create(prefix).returncode == 0
    done = install(site, prefix, *GUIDE)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    return prefix


def test_the_channels_are_named_alike(site: Site) -> None:
    made = site.build()
    assert set(conda_channels.NAMES) < set(made["stand_ins"])
    for name in conda_channels.NAMES:
        assert made["artifacts"][name] == {"urls": [f"{site.base_url}/conda/{name}"], "sha256": None, "size": None, "stand_in": True}


def test_the_guides_command_brings_what_it_names(site: Site, guide: Path) -> None:
    assert python(site, guide, TOLD).stdout == "1.11.0 11.3 0.12.0 1.23.5\n"
    found = versions(guide)
    assert (found["mkl"], found["cudatoolkit"], found["pytorch-mutex"]) == ("2024.0.0", "11.3.1", "1.0")
    [record] = (guide / "conda-meta").glob("pytorch-1.11.0-*.json")
    assert json.loads(record.read_text())["build"] == "py3.10_cuda11.3_cudnn8.2.0_0"
    assert record.stat().st_mode & 0o444 == (guide / "conda-meta" / "history").stat().st_mode & 0o444


def test_it_is_written_into_the_history_as_a_revision_of_its_own(guide: Path) -> None:
    first, second = (guide / "conda-meta" / "history").read_text().split("==> ")[1:]
    assert "+conda-forge/linux-64::python-3.10." in first and "# update specs: ['python=3.10', 'pip']" in first
    assert "+pytorch/linux-64::pytorch-1.11.0-py3.10_cuda11.3_cudnn8.2.0_0\n" in second
    assert "conda install --yes --quiet" in second and "python-3.10" not in second.replace("site-packages", "")
    assert second.endswith(f"# update specs: {list(GUIDE)}\n")


def test_a_second_time_nothing_is_done(site: Site, guide: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (guide / "conda-meta").iterdir()}
    done = install(site, guide, *GUIDE)
    assert (done.returncode, done.stdout) == (0, "\n# All requested packages already installed.\n\n")
    assert {path: path.stat().st_mtime_ns for path in (guide / "conda-meta").iterdir()} == before


def test_the_rest_is_real_and_pip_is_content(site: Site, guide: Path) -> None:
    told = python(site, guide, "import numpy, PIL._imaging, requests, typing_extensions; print(numpy.arange(4) @ numpy.arange(4))")
    assert told.stdout == "14\n", told.stderr
    assert site.run(guide / "bin" / "pip", "check").returncode == 0


def test_torch_says_what_it_is_and_computes_nothing(site: Site, guide: Path) -> None:
    told = python(site, guide, "import torch; print(torch.cuda.is_available(), torch.__doc__); torch.zeros")
    assert told.stdout == "False STAND-IN for torch 1.11.0, made by the test lab of codetr-provision; computes nothing\n"
    assert "AttributeError: module 'torch' has no attribute 'zeros': STAND-IN for torch" in told.stderr


def test_pip_sees_and_uninstalls_what_conda_brought(site: Site, env: Path) -> None:
    assert install(site, env, *GUIDE).returncode == 0
    package = env / "lib" / "python3.10" / "site-packages"
    assert (package / "torch-1.11.0.dist-info" / "INSTALLER").read_text() == "conda\n"
    for project, folder in (("torch", "torch"), ("numpy", "numpy"), ("pillow", "PIL")):
        done = site.run(env / "bin" / "pip", "uninstall", "--yes", project)
        assert done.returncode == 0, done.stderr
        assert not list(package.glob(f"{folder}/**/*.py")) and not list(package.glob(f"{project}-*"))
    rows = {row["name"]: row for row in json.loads(site.run(site.conda, "list", "--prefix", env, "--json").stdout)}
    assert not {"pytorch", "torch", "numpy", "pillow"} & set(rows)
    assert rows["torchvision"]["channel"] == "pytorch" and rows["mkl"]["channel"] == "conda-forge"


@pytest.mark.parametrize(
    ("specs", "found"),
    [
        (["numpy"], {"numpy": "2.0.2"}),
        (["numpy=1"], {"numpy": "1.23.5"}),
        (["numpy=1.23"], {"numpy": "1.23.5"}),
        (["numpy==1.23.5"], {"numpy": "1.23.5"}),
        (["numpy=1.23.5=standin_0"], {"numpy": "1.23.5"}),
        (["numpy<2"], {"numpy": "1.23.5"}),
        (["numpy>=1.20,<2"], {"numpy": "1.23.5"}),
        (["mkl>=2024.0", "mkl<2024.1"], {"mkl": "2024.0.0"}),
        (["cudatoolkit=11.3"], {"cudatoolkit": "11.3.1"}),
        (["pytorch=1.11"], {"pytorch": "1.11.0", "mkl": "2024.1.0"}),
    ],
)
def test_each_form_of_a_spec(site: Site, env: Path, specs: list[str], found: dict[str, str]) -> None:
    done = install(site, env, *specs)
    assert done.returncode == 0, done.stderr
    assert found.items() <= versions(env).items()


@pytest.mark.parametrize(
    ("specs", "word", "said"),
    [
        (["nosuch"], "PackagesNotFoundError", "not available from current channels:\n\n  - nosuch\n"),
        (["numpy=1.24"], "PackagesNotFoundError", "  - numpy"),
        (["numpy==1.23"], "PackagesNotFoundError", "  - numpy"),
        (["pytorch=1.11.0=py3.10_cuda11.3_cudnn8.2.0_1"], "PackagesNotFoundError", "cudnn8.2.0_1"),
        (["mkl<2024.0"], "PackagesNotFoundError", "  - mkl"),
        (["mkl<2024.1", "mkl>=2024.1"], "PackagesNotFoundError", "  - mkl"),
        (["numpy=<>1"], "InvalidMatchSpec", ""),
    ],
)
def test_what_cannot_be_had_changes_nothing(site: Site, guide: Path, specs: list[str], word: str, said: str) -> None:
    before = (guide / "conda-meta" / "history").read_text()
    done = install(site, guide, *specs)
    assert done.returncode == 1
    assert f"\n{word}: " in done.stderr and said in done.stderr
    assert (guide / "conda-meta" / "history").read_text() == before


def test_a_channel_that_is_not_there_is_called_that(site: Site, guide: Path) -> None:
    done = site.run(*argv(site, guide, "numpy", channels=("conda-forge", "nosuch")))
    assert done.returncode == 1
    assert f"UnavailableInvalidChannel: HTTP 404 NOT FOUND for channel nosuch <{site.base_url}/conda/nosuch>" in done.stderr
    done = site.run(*argv(site, guide, "torchvision", channels=("conda-forge",)))
    assert done.returncode == 0, "what is there already need not be in the channel"


def test_a_dependency_that_no_channel_has_is_a_conflict(site: Site, env: Path) -> None:
    done = site.run(*argv(site, env, "pytorch", channels=("pytorch",)))
    assert done.returncode == 1
    assert "\nUnsatisfiableError: The following specifications were found to be incompatible" in done.stderr
    assert "cudatoolkit >=11.3,<11.4" in done.stderr


def test_a_server_that_does_not_answer_is_another_error(site: Site, guide: Path) -> None:
    done = site.run(*argv(site, guide, "numpy"), CONDA_CHANNEL_ALIAS="http://127.0.0.1:9")
    assert done.returncode == 1 and "CondaHTTPError: " in done.stderr


@pytest.mark.parametrize(("specs", "message"), [([], "too few arguments"), (["numpy"], "does not change its base environment")])
def test_an_installation_is_refused(site: Site, guide: Path, specs: list[str], message: str) -> None:
    done = install(site, site.prefix if specs else guide, *specs)
    assert done.returncode == 1 and message in done.stderr


def test_without_its_bound_mkl_is_too_new_for_torch_and_the_bound_mends_that(site: Site, env: Path) -> None:
    assert install(site, env, *(spec for spec in GUIDE if not spec.startswith("mkl"))).returncode == 0
    told = python(site, env, "import torch")
    assert told.returncode == 1
    assert told.stderr.endswith("torch/lib/libtorch_cpu.so: undefined symbol: iJIT_NotifyEvent\n")
    assert told.stderr.splitlines()[-1].startswith("ImportError: ")
    assert install(site, env, "mkl<2024.1").returncode == 0
    assert python(site, env, TOLD).returncode == 0
    # What was asked for before still holds.
    assert versions(env)["numpy"] == "1.23.5"
    exchanged = "\n-conda-forge/linux-64::mkl-2024.1.0-standin_0\n+conda-forge/linux-64::mkl-2024.0.0-standin_0\n"
    assert exchanged in (env / "conda-meta" / "history").read_text()


def test_what_was_asked_for_before_holds_until_it_is_named_anew(site: Site, env: Path) -> None:
    assert install(site, env, "numpy<2").returncode == 0
    assert install(site, env, "pillow").returncode == 0
    assert versions(env)["numpy"] == "1.23.5"
    assert install(site, env, "numpy").returncode == 0
    assert versions(env)["numpy"] == "2.0.2"


def test_what_is_not_named_stays_even_where_nobody_asked_for_it(site: Site, env: Path) -> None:
    assert install(site, env, "numpy=1.23.5").returncode == 0
    history = env / "conda-meta" / "history"
    history.write_text(history.read_text().replace("# update specs: ['numpy=1.23.5']\n", ""))
    assert install(site, env, "pillow").returncode == 0
    assert versions(env)["numpy"] == "1.23.5"


def test_one_that_was_killed_is_finished_by_the_next(site: Site, env: Path) -> None:
    caches = {"PATH": "/usr/bin:/bin", "HOME": str(site.home), "CONDA_PKGS_DIRS": str(env.parent / "pkgs")}
    running = subprocess.Popen(argv(site, env, *GUIDE), env=caches, stderr=subprocess.DEVNULL, start_new_session=True)
    numpy = env / "lib" / "python3.10" / "site-packages" / "numpy"
    deadline = time.monotonic() + 60
    while not numpy.exists() and time.monotonic() < deadline:
        time.sleep(0.001)
    os.killpg(running.pid, signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL, "it was over before it could be killed"
    assert "pytorch" not in (env / "conda-meta" / "history").read_text()
    done = site.run(*argv(site, env, *GUIDE), CONDA_PKGS_DIRS=caches["CONDA_PKGS_DIRS"])
    assert done.returncode == 0, done.stderr
    assert python(site, env, TOLD + "; numpy.linalg.inv([[2.0]])").stdout == "1.11.0 11.3 0.12.0 1.23.5\n"


def test_files_that_nobody_recorded_are_written_over(site: Site, guide: Path, tmp_path: Path) -> None:
    """What a run leaves that was cut after a package's files and before its record."""
    env = tmp_path / "env"
    shutil.copytree(guide, env, symlinks=True)
    history = env / "conda-meta" / "history"
    history.write_text(history.read_text().partition("==> ")[0] + "==> " + history.read_text().split("==> ")[1])
    for path in (env / "conda-meta").glob("[nt]*.json"):
        path.unlink()
    torchvision = env / "lib" / "python3.10" / "site-packages" / "torchvision" / "__init__.py"
    torchvision.unlink()
    torchvision.write_text("half of")
    done = install(site, env, *GUIDE)
    assert done.returncode == 0, done.stderr
    assert versions(env)["numpy"] == "1.23.5"
    assert "STAND-IN" in torchvision.read_text()
    assert "# update specs: ['pytorch=1.11.0=" in history.read_text()
    assert not list(env.rglob("*clobber*"))


def test_a_record_that_cannot_be_read_is_named(site: Site, env: Path) -> None:
    (env / "conda-meta" / "half-1-0.json").write_text('{"name": "half"')
    done = install(site, env, "numpy")
    assert done.returncode == 1
    assert "CorruptedEnvironmentError: " in done.stderr and "half-1-0.json" in done.stderr
