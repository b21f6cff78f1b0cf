#!/bin/bash
# A check by the tasks of a Slurm array, and one report of all:
#   ./slurm-submit.sh
# The reports of a run stand in a folder of its own, so that none of an older run is taken for one of this.
set -euo pipefail
shards=${SHARDS:-8}
RUN=${RUN:-$(date +%Y%m%dT%H%M%S)}
export RUN
mkdir -p "$RUN"
check=$(sbatch --parsable --array="1-$shards" slurm-shard.sh)
# Also where a task has failed: it is the merge that says so.
sbatch --dependency="afterany:$check" slurm-merge.sh
