#!/usr/bin/env bash
# Ends the Slurm that start.sh started in FOLDER, with its jobs; the folder may then be removed.
set -uo pipefail
folder=${1:?names the folder that Slurm lives in}
export SLURM_CONF=$folder/slurm.conf

end() {  # PIDFILE NAME: end the process that the file names, and wait for it
    local pid
    pid=$(cat "$1" 2>/dev/null) || return 0
    [[ $(cat "/proc/$pid/comm" 2>/dev/null) == "$2"* ]] || return 0  # it died, its number is another's
    kill "$pid"
    for _ in $(seq 50); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -9 "$pid"
}

timeout 10 scancel --full --signal=KILL --user=root 2>/dev/null
end "$folder/slurmd.pid" slurmd
end "$folder/slurmctld.pid" slurmctld
end "$folder/munge/pid" munged
