#!/usr/bin/env bash
# Starts a real Slurm of one node, all of it inside one folder, for the tests of sweeps on clusters:
#
#   apt-get install --no-install-recommends slurm-wlm munge   # once; Debian or Ubuntu
#   . tests/slurm/start.sh FOLDER     exports SLURM_CONF, by which every command of Slurm finds it
#   tests/slurm/stop.sh FOLDER        ends every daemon that was started there
#
# As root. It has no systemd, no accounting and neither reads nor changes what the machine has of
# Slurm; key, socket, state and logs lie in FOLDER, the ports are free ones. Partition "batch" is
# the default; what is sent to "urgent" preempts it: SIGTERM, 20 s of grace, requeued.

start_slurm() (
    set -euo pipefail
    folder=$(mkdir -p "$1" && cd "$1" && pwd)
    host=$(hostname -s)
    chmod 755 "$folder"  # munged distrusts folders that others may write to
    mkdir -p "$folder"/{state,spool,munge}
    read -r controller_port node_port < <(python3 - <<'PYTHON'
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(each.getsockname()[1] for each in sockets))
PYTHON
    )

    head -c 1024 /dev/urandom >"$folder/munge/key"
    chmod 600 "$folder/munge/key"
    munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
        --pid-file="$folder/munge/pid" --log-file="$folder/munge/log" \
        --seed-file="$folder/munge/seed"

    cat >"$folder/slurm.conf" <<CONF
ClusterName=mlbench
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$controller_port
SlurmdPort=$node_port
AuthType=auth/munge
# a requeued job waits until its credential has expired: 2 minutes unless told otherwise, 5 s at least
AuthInfo=socket=$folder/munge/socket,cred_expire=5
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=100000,bf_interval=1
KillWait=20
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=batch Nodes=$host Default=YES MaxTime=INFINITE PriorityTier=1 GraceTime=20
PartitionName=urgent Nodes=$host MaxTime=INFINITE PriorityTier=2 PreemptMode=OFF
CONF
    export SLURM_CONF=$folder/slurm.conf
    slurmctld
    slurmd
    for _ in $(seq 100); do
        if [[ $(sinfo --noheader --partition=batch --format=%t 2>/dev/null) == idle ]]; then
            return
        fi
        sleep 0.2
    done
    echo "Slurm did not come up within 20 s; its logs lie in $folder" >&2
    return 1
)

if start_slurm "${1:?names the folder that Slurm is to live in}"; then
    SLURM_CONF=$(cd "$1" && pwd)/slurm.conf
    export SLURM_CONF
else
    false
fi
