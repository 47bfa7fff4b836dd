"""The wrappers, run for real on a checkout that is a folder and a Python that prints what it was given."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.workspace.texts import Settings, environment_file

BIN = Path(__file__).parents[2] / "roles" / "codetr_workspace" / "templates" / "bin"
CONFIG = "configs/small config.py"
PYTHON = """#!/bin/sh
pwd
printf '[%s]' "$@"; echo
env | grep -E '^(RANK|MASTER_PORT|CUDA_VISIBLE_DEVICES|TORCH_HOME|PYTHONPATH)=' | sort
"""


class Workspace:
    """A workspace below a folder, with the GPUs that its nvidia-smi tells of."""

    def __init__(self, root: Path, compute: str, gpus: int | None) -> None:
        self.repo, self.tools = root / "my repo", root / "tools"
        (self.repo / "configs").mkdir(parents=True)
        (self.repo / CONFIG).write_text("")
        self.tools.mkdir()
        self.python = self.program(self.tools / "python", PYTHON)
        if gpus is not None:
            self.program(
                self.tools / "nvidia-smi",
                "#!/bin/sh\n" + "".join(f"echo 'GPU {at}: T4'\n" for at in range(gpus)) + f"exit {0 if gpus else 9}\n",
            )
        self.home = root / "workspace"
        (self.home / "bin").mkdir(parents=True)
        for source in BIN.iterdir():
            shutil.copy(source, self.home / "bin")
        self.settings = Settings(
            workspace=str(self.home),
            repo=str(self.repo),
            python=str(self.python),
            config=CONFIG,
            work_dir="",
            work_dirs=str(root / "work_dirs"),
            data="/data",
            torch_home="/torch",
            cache="/cache",
            port=29507,
            stack=compute,
            compute=compute,
            environment={"CUDA_VISIBLE_DEVICES": ""} if compute == "cpu" else {},
            expect={"torch": "1.11.0", "mmcv": "1.6.0"},
            stand_ins=["resnet50-0676ba61"],
        )
        (self.home / "codetr.env").write_text(environment_file(self.settings))

    @staticmethod
    def program(path: Path, text: str) -> Path:
        path.write_text(text)
        path.chmod(0o755)
        return path

    def run(self, name: str, *args: str, cwd: str = "/", **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {"PATH": f"{self.tools}:{os.environ['PATH']}", **environment}
        return subprocess.run([self.home / "bin" / name, *args], cwd=cwd, env=variables, capture_output=True, text=True, check=False)


def test_without_a_gpu_it_trains_on_the_cpu_and_says_so(tmp_path: Path) -> None:
    space = Workspace(tmp_path, "cpu", None)
    done = space.run("train")
    assert done.returncode == 0
    assert "no GPU is available" in done.stderr and "--launcher none" in done.stderr
    assert done.stdout.splitlines() == [
        str(space.repo),
        f"[tools/train.py][{CONFIG}][--launcher][none][--work-dir][{tmp_path}/work_dirs/small config]",
        "CUDA_VISIBLE_DEVICES=",
        "MASTER_PORT=29507",
        "RANK=0",
        "TORCH_HOME=/torch",
    ]


@pytest.mark.parametrize(
    ("gpus", "visible", "launcher"),
    [(1, None, "pytorch"), (0, None, "none"), (None, None, "none"), (2, "", "none"), (2, "-1", "none"), (2, "1", "pytorch")],
)
def test_the_launcher_follows_what_the_driver_answers(tmp_path: Path, gpus: int | None, visible: str | None, launcher: str) -> None:
    if gpus is None and shutil.which("nvidia-smi"):
        pytest.skip("this machine has a driver of its own")
    space = Workspace(tmp_path, "cuda", gpus)
    done = space.run("train", **({} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}))
    assert f"[--launcher][{launcher}]" in done.stdout
    assert ("no GPU is available" in done.stderr) == (launcher == "none")


def test_what_the_user_says_goes_first(tmp_path: Path) -> None:
    space = Workspace(tmp_path, "cuda", 1)
    (tmp_path / "mine.py").write_text("")
    done = space.run(
        "train", "mine.py", "--work-dir=exp 1", "--launcher", "none", "--cfg-options", "a=1", "b=[2,3]", "--seed", "0", cwd=str(tmp_path)
    )
    assert (
        f"[tools/train.py][{tmp_path}/mine.py][--launcher][none][--work-dir][exp 1][--cfg-options][a=1][b=[2,3]][--seed][0]" in done.stdout
    )
    assert done.stderr == ""


RANKS = """#!/bin/sh
echo "$RANK/$WORLD_SIZE $LOCAL_RANK/$LOCAL_WORLD_SIZE $ROLE_RANK/$ROLE_WORLD_SIZE $GROUP_RANK $MASTER_ADDR:$MASTER_PORT $OMP_NUM_THREADS $*"
"""


def test_each_of_several_gpus_has_a_process_of_its_own(tmp_path: Path) -> None:
    space = Workspace(tmp_path, "cuda", 4)
    space.program(space.python, RANKS)
    done = space.run("train", "--gpus", "3")
    assert done.returncode == 0
    lines = sorted(done.stdout.splitlines())
    assert [line.split(" tools/train.py ")[0] for line in lines] == [f"{n}/3 {n}/3 {n}/3 0 127.0.0.1:29507 1" for n in range(3)]
    assert all("--launcher pytorch" in line for line in lines)
    refused = space.run("train", "--gpus", "5")
    assert (refused.returncode, refused.stderr) == (2, "train: --gpus 5: this host has 4\n")


def test_the_printed_command_for_several_gpus_starts_the_same_processes(tmp_path: Path) -> None:
    space = Workspace(tmp_path, "cuda", 2)
    space.program(space.python, RANKS)
    printed = space.run("train", "--gpus", "2", "--print-command").stdout
    again = subprocess.run(["bash", "-c", printed], capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]})
    ran = space.run("train", "--gpus", "2").stdout
    assert sorted(line.replace(":29507  ", ":29507 1 ") for line in again.stdout.splitlines()) == sorted(ran.splitlines())


def test_when_one_process_fails_the_others_are_ended(tmp_path: Path) -> None:
    space = Workspace(tmp_path, "cuda", 2)
    space.program(space.python, '#!/bin/sh\n[ "$RANK" = 1 ] && exit 7\nexec sleep 60\n')
    begun = time.monotonic()
    assert space.run("train", "--gpus", "2").returncode == 7
    assert time.monotonic() - begun < 20


def test_the_printed_command_is_the_one_that_runs(tmp_path: Path) -> None:
    space = Workspace(tmp_path, "cuda", 1)
    printed = space.run("train", "--print-command", "--cfg-options", "a='b c'").stdout
    assert len(shlex.split(printed)) == 3 + 1 + 12 + 1 + 8
    again = subprocess.run(["bash", "-c", printed], capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]})
    assert again.stdout == space.run("train", "--cfg-options", "a='b c'").stdout


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nope.py"], "there is no config nope.py"),
        (["--gpus", "x"], "--gpus x is not a number"),
        (["--work-dir"], "--work-dir needs a value"),
        (["--gpus", "0"], "--gpus 0"),
    ],
)
def test_wrong_usage_ends_with_a_sentence(tmp_path: Path, args: list[str], message: str) -> None:
    done = Workspace(tmp_path, "cpu", None).run("train", *args)
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr


def test_a_link_to_the_wrapper_works(tmp_path: Path) -> None:
    space = Workspace(tmp_path, "cpu", None)
    (tmp_path / "t").symlink_to(space.home / "bin" / "train")
    done = subprocess.run([tmp_path / "t"], capture_output=True, text=True, check=False)
    assert done.returncode == 0


def test_verify_gets_everything_it_needs(tmp_path: Path) -> None:
    space = Workspace(tmp_path, "cpu", None)
    done = space.run("verify", "--level", "ops")
    assert done.stdout.splitlines()[1] == (
        f"[-m][verify][--repo][{space.repo}][--config][{CONFIG}][--data][/data][--out][{space.home}/verify-results][--stack][cpu]"
        "[--expect][torch=1.11.0][--expect][mmcv=1.6.0][--stand-in][resnet50-0676ba61][--level][ops]"
    )
    assert f"PYTHONPATH={space.home}" in done.stdout
    assert "\nRANK=" not in done.stdout


def test_a_shell_and_a_line_reader_read_the_same_values(tmp_path: Path) -> None:
    space = Workspace(tmp_path, "cuda", None)
    shown = subprocess.run(
        ["bash", "-c", f"set -aeu; source {shlex.quote(str(space.home))}/codetr.env; env"], capture_output=True, text=True, check=True
    ).stdout
    for name, value in {**space.settings.training_environment(), **space.settings.wrapper_variables()}.items():
        assert f"{name}={value}\n" in shown


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("name", ["train", "verify"])
def test_shellcheck_has_nothing_to_say(name: str) -> None:
    assert subprocess.run(["shellcheck", BIN / name], capture_output=True, text=True, check=False).stdout == ""
