#!/bin/bash
# A Ray cluster by hand, and features by all of it: ray.sh PROJECT NODE...
# Run it on the head. Each NODE is reached by ssh, has the same versions of Python, Ray and whenabouts, and sees the
# videos under the same paths; the project's folder needs to be here alone. Features are written here.
set -euo pipefail
project=${1:?"give the folder of the project"}
shift
port=${WHENABOUTS_PORT:-6379}
address=$(hostname -I | cut -d ' ' -f 1):$port
stop() {
  for node in "$@"; do ssh "$node" ray stop || true; done
  ray stop
}
trap 'stop "$@"' EXIT
ray start --head --port "$port" --disable-usage-stats
for node in "$@"; do ssh "$node" "ray start --address $address --disable-usage-stats"; done
RAY_ADDRESS=$address whenabouts extract --project "$project" --on ray --workers 1
