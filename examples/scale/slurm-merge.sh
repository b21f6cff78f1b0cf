#!/bin/bash
#SBATCH --job-name=clocks-merge
#SBATCH --output=clocks.log
# Refuses to join where the report of a shard is missing.
fleetclock report merge "$RUN"/*.json --exit-code --report "html=$RUN/clocks.html" --report "junit=$RUN/clocks.xml"
