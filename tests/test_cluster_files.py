"""The files in examples/cluster: shells and Kubernetes read them, and what they call is there."""

import json
import os
import re
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from whenabouts.cli import app
from whenabouts.core.video import Video
from whenabouts.data.manifest import Entry, Manifest
from whenabouts.data.project import Project
from whenabouts.media.probe import probe
from whenabouts.media.writing import Encoding, write_video
from whenabouts.recognition.backbone import Backbone, BackboneSettings

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


def worker(tmp_path: Path, *options: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run the script of an array with a stand-in that says how it was called."""
    stand_in = tmp_path / "whenabouts"
    stand_in.write_text('#!/bin/sh\necho "$@"\n')
    stand_in.chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", **variables}
    return subprocess.run(
        ["bash", FOLDER / "slurm.sh", "/shared/a project", *options],
        capture_output=True,
        text=True,
        env=env,
        check=False,
    )


def test_tasks_of_an_array_take_their_shares(tmp_path: Path) -> None:
    told = worker(tmp_path, SLURM_ARRAY_TASK_ID="3", SLURM_ARRAY_TASK_COUNT="16", SLURM_CPUS_PER_TASK="2")
    assert told.stdout == "extract --project /shared/a project --shard 3/16 --workers 1 --json\n"
    again = worker(
        tmp_path,
        "--set",
        "extract.x='a b'",
        SLURM_ARRAY_TASK_ID="7",
        SLURM_ARRAY_TASK_COUNT="2",
        WHENABOUTS_WORKERS="16",
    )
    assert again.stdout.endswith("--shard 7/16 --workers 1 --json --set extract.x='a b'\n")
    assert "start it as an array" in worker(tmp_path).stderr


def stand_in(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Three short videos, a file that is none, and a small backbone."""
    home = Project.create(tmp_path / "a project")
    for number in range(3):
        ground = np.random.default_rng(number).integers(0, 255, (32, 48, 3)).astype(np.uint8)
        frames = (np.roll(ground, frame, axis=1) for frame in range(24))
        encoding = Encoding(options={"preset": "ultrafast", "threads": "1"}, keyframe_every=12)
        write_video(home.folder / f"{number}.mp4", frames, [frame / 12 for frame in range(24)], rate=Fraction(12),
                    encoding=encoding)  # fmt: skip
    (home.folder / "text.mp4").write_text("no video")
    entries = [Entry(probe(home.folder / f"{number}.mp4")) for number in range(3)]
    home.write_manifest(Manifest((*entries, Entry(Video("text", home.folder / "text.mp4")))))
    torch.manual_seed(5)
    shape = BackboneSettings(widths=(4,), blocks=(1,), stem=4, frames=4, rate=6.0, height=16, width=24)
    Backbone(shape, shape.build().eval()).save(home.backbone_folder)
    return home


def test_two_tasks_of_an_array_do_the_work_of_one_machine(tmp_path: Path, project: Project) -> None:
    """The script itself, twice at a time; how far each is and what failed is told in one place."""
    alone = Project(Path(shutil.copytree(project.folder, tmp_path / "alone")))
    words = ["extract", "--project", str(alone.folder), "--device", "cpu"]
    assert CliRunner().invoke(app, words).exit_code == 0
    stand_in(tmp_path, "whenabouts", f'exec {sys.executable} -m whenabouts "$@" --device cpu')
    tasks = []
    for number in ("1", "2"):
        env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_ARRAY_TASK_ID": number,
               "SLURM_ARRAY_TASK_COUNT": "2"}  # fmt: skip
        command = ["bash", str(FOLDER / "slurm.sh"), str(project.folder)]
        tasks.append(subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    logs = [task.communicate() for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], logs
    assert sum(json.loads(out)["written"] for out, _ in logs) == 3
    told = "".join(log for _, log in logs)
    assert re.search(r"^\S+/\d+: text is unreadable: .*$", told, re.MULTILINE)

    done = CliRunner().invoke(app, ["extract", "--project", str(project.folder), "--status", "--json"])
    status = json.loads(done.stdout)
    assert (status["videos"], status["done"]["rgb"]) == (4, 3)
    assert [(worker["share"], worker["ended"]) for worker in status["workers"]] == [
        ("1/2", "finished"),
        ("2/2", "finished"),
    ]
    assert [row["id"] for row in status["failures"]["rgb"]] == ["text"]
    text = CliRunner().invoke(app, ["extract", "--project", str(project.folder), "--status"]).stdout
    assert "rgb: 3 of 4 videos" in text
    assert re.search(r"^1/2 on \S+/\d+: \d of \d videos, finished, last sign \d+ min ago", text, re.MULTILINE)
    assert "text is unreadable (rgb): " in text
    for video_id in ("0", "1", "2"):
        one, other = (home.features().read(video_id, "rgb").values for home in (alone, project))
        np.testing.assert_array_equal(one, other)


def test_a_cluster_by_hand_is_started_used_and_stopped(tmp_path: Path) -> None:
    """Also where the extraction fails."""
    for name in ("ray", "ssh", "whenabouts"):
        stand_in(tmp_path, name, f'echo {name} "$@" RAY_ADDRESS=$RAY_ADDRESS; test {name} != whenabouts')
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    command = ["bash", str(FOLDER / "ray.sh"), "/p", "node1", "node2"]
    told = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert told.returncode == 1
    lines = told.stdout.splitlines()
    assert [line.split(" RAY")[0].partition(" --address")[0] for line in lines] == [
        "ray start --head --port 6379 --disable-usage-stats", "ssh node1 ray start", "ssh node2 ray start",
        "whenabouts extract --project /p --on ray --workers 1", "ssh node1 ray stop", "ssh node2 ray stop", "ray stop",
    ]  # fmt: skip
    address = re.search(r"--address (\S+:6379) ", lines[1])
    assert address
    assert lines[3].endswith(f"RAY_ADDRESS={address[1]}")


def test_training_on_one_node_calls_torchrun(tmp_path: Path) -> None:
    stand_in = tmp_path / "torchrun"
    stand_in.write_text('#!/bin/sh\necho "$@"\n')
    stand_in.chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "WHENABOUTS_PROCESSES": "2"}
    told = subprocess.run(
        ["bash", FOLDER / "torchrun.sh", "/p", "--seed", "3"], capture_output=True, text=True, env=env, check=True
    )
    assert told.stdout.startswith("--nnodes 1 --nproc-per-node 2 --max-restarts 3 --rdzv-backend c10d")
    assert told.stdout.endswith("-m whenabouts pretrain --project /p --seed 3\n")


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
