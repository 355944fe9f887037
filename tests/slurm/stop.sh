#!/usr/bin/env bash
# Ends the Slurm that start.sh started in FOLDER, with its jobs; the folder may then be removed.
set -uo pipefail
folder=${1:?names the folder that Slurm lives in}
export SLURM_CONF=$folder/slurm.conf

alive() {  # PID: whether it is a process, and no mere entry that nobody has waited for
    grep -q '^State:[[:space:]]*[^XZ]' "/proc/$1/status" 2>/dev/null
}

end() {  # PIDFILE NAME: end the process that the file names, and wait for it
    local pid
    pid=$(cat "$1" 2>/dev/null) || return 0
    [[ $(cat "/proc/$pid/comm" 2>/dev/null) == "$2"* ]] || return 0  # the number is another's
    kill "$pid" 2>/dev/null
    for _ in $(seq 100); do
        alive "$pid" || return 0
        sleep 0.1
    done
    kill -9 "$pid"
}

timeout 10 scancel --full --signal=KILL --user=root 2>/dev/null
end "$folder/slurmd.pid" slurmd
end "$folder/slurmctld.pid" slurmctld
end "$folder/munge/pid" munged
