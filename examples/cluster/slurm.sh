#!/bin/bash
# Features of a project by an array of jobs on SLURM: sbatch --array=1-16 slurm.sh /shared/project [OPTIONS OF extract]
# Project and videos lie on a file system that all nodes share, or at s3://. How far all are, and what failed, tells
# `whenabouts extract --status --project /shared/project`. A task that is lost, or was killed at its time limit, is
# started again with the same command: it goes on with the video that it was at.
#SBATCH --job-name=whenabouts-extract
#SBATCH --cpus-per-task=2
#SBATCH --mem=4G
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --output=extract-%A-%a.log
set -euo pipefail
project=${1:?"give the folder of the project, on a disk that all nodes share"}
shift
number=${SLURM_ARRAY_TASK_ID:?"start it as an array: sbatch --array=1-16 slurm.sh PROJECT"}
# Of all tasks, whichever of them run: an array such as 3,7 repeats two of 16 with WHENABOUTS_WORKERS=16.
count=${WHENABOUTS_WORKERS:-${SLURM_ARRAY_TASK_COUNT:?}}
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
exec whenabouts extract --project "$project" --shard "$number/$count" --workers 1 --json "$@"
