#!/bin/bash
#SBATCH --job-name=clocks
#SBATCH --output=clocks-%a.log
#SBATCH --time=00:15:00
# One shard. One that was killed is repeated alone, into the folder of its run, and merged again:
#   RUN=20260101T020000 FLEETCLOCK_SHARD=3/8 sbatch --array=3 slurm-shard.sh
fleetclock check --quiet --shard "${FLEETCLOCK_SHARD:-auto}" --report "json=$RUN/$SLURM_ARRAY_TASK_ID.json"
