#!/bin/bash
# A backbone trained by all nodes of a SLURM allocation: sbatch --nodes=4 torchrun.sh /shared/project [OPTIONS]
# torchrun starts one process a GPU (or WHENABOUTS_PROCESSES a node); where one is lost it starts all again, and the
# training goes on from its last checkpoint. The project's folder lies on a disk that all nodes share.
#SBATCH --job-name=whenabouts-pretrain
#SBATCH --ntasks-per-node=1
#SBATCH --time=24:00:00
#SBATCH --output=pretrain-%j.log
set -euo pipefail
project=${1:?"give the folder of the project, on a disk that all nodes share"}
shift
nodes=${SLURM_JOB_NUM_NODES:-1}
processes=${WHENABOUTS_PROCESSES:-${SLURM_GPUS_ON_NODE:-1}}
head=localhost
launch=()
if [ "$nodes" -gt 1 ]; then
  head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
  launch=(srun --kill-on-bad-exit=1)
fi
exec "${launch[@]}" torchrun --nnodes "$nodes" --nproc-per-node "$processes" --max-restarts 3 \
  --rdzv-backend c10d --rdzv-endpoint "$head:${WHENABOUTS_PORT:-29400}" --rdzv-id "${SLURM_JOB_ID:-1}" \
  -m whenabouts pretrain --project "$project" "$@"
