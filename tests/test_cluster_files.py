"""The files in examples/cluster: shells and Kubernetes read them, and what they call is there."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from whenabouts.cli import app

FOLDER = Path(__file__).parents[1] / "examples" / "cluster"
SCRIPTS = sorted(FOLDER.glob("*.sh"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shells_read_the_scripts(script: Path) -> None:
    assert shutil.which("bash")
    subprocess.run(["bash", "-n", script], check=True)
    called = subprocess.run(
        ["bash", script], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}, check=False
    )
    assert called.returncode != 0
    assert "give the folder of the project" in called.stderr


def options_of(verb: str) -> set[str]:
    told = CliRunner().invoke(app, [verb, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
    return set(re.findall(r"--[a-z-]+", re.sub(r"\x1b\[[0-9;]*m", "", told.output)))


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_they_call_options_that_are_there(path: Path) -> None:
    calls = re.findall(r"whenabouts (extract|pretrain) ((?:[^#\n]|\n +--)*)", path.read_text(encoding="utf-8"))
    assert calls
    for verb, words in calls:
        assert set(re.findall(r"--[a-z-]+", words)) <= options_of(verb)


def worker(tmp_path: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run the script of an array with a stand-in that says how it was called."""
    stand_in = tmp_path / "whenabouts"
    stand_in.write_text('#!/bin/sh\necho "$@"\n')
    stand_in.chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", **variables}
    return subprocess.run(
        ["bash", FOLDER / "slurm.sh", "/shared/a project"], capture_output=True, text=True, env=env, check=False
    )


def test_tasks_of_an_array_take_their_shares(tmp_path: Path) -> None:
    told = worker(tmp_path, SLURM_ARRAY_TASK_ID="3", SLURM_ARRAY_TASK_COUNT="16", SLURM_CPUS_PER_TASK="2")
    assert told.stdout == "extract --project /shared/a project --shard 3/16 --workers 1 --json\n"
    again = worker(tmp_path, SLURM_ARRAY_TASK_ID="7", SLURM_ARRAY_TASK_COUNT="2", WHENABOUTS_WORKERS="16")
    assert "--shard 7/16" in again.stdout
    assert "start it as an array" in worker(tmp_path).stderr


def test_training_on_one_node_calls_torchrun(tmp_path: Path) -> None:
    stand_in = tmp_path / "torchrun"
    stand_in.write_text('#!/bin/sh\necho "$@"\n')
    stand_in.chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "WHENABOUTS_PROCESSES": "2"}
    told = subprocess.run(["bash", FOLDER / "torchrun.sh", "/p"], capture_output=True, text=True, env=env, check=True)
    assert told.stdout.startswith("--nnodes 1 --nproc-per-node 2 --max-restarts 3 --rdzv-backend c10d")
    assert told.stdout.endswith("-m whenabouts pretrain --project /p\n")


def test_kubernetes_gets_an_indexed_job_whose_pods_share_all_videos() -> None:
    yaml = pytest.importorskip("yaml", reason="needs PyYAML, which comes with Ray")
    job = yaml.safe_load((FOLDER / "kubernetes.yaml").read_text(encoding="utf-8"))
    spec = job["spec"]
    assert (job["apiVersion"], job["kind"], spec["completionMode"]) == ("batch/v1", "Job", "Indexed")
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    (command,) = container["args"]
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["volumes"]}
    shards = []
    for index in range(spec["completions"]):
        line = command.replace("exec whenabouts", "echo")
        env = {"PATH": "/usr/bin:/bin", "JOB_COMPLETION_INDEX": str(index)}
        told = subprocess.run([*container["command"], line], capture_output=True, text=True, env=env, check=True)
        shards += re.findall(r"--shard (\d+/\d+)", told.stdout)
    assert shards == [f"{number}/{spec['completions']}" for number in range(1, spec["completions"] + 1)]
