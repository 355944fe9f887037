#!/usr/bin/env bash
# Starts a real Slurm of one node, all of it inside one folder, for the tests of sweeps on clusters:
#
#   apt-get install --no-install-recommends slurm-wlm munge   # once, as root; Debian or Ubuntu
#   tests/slurm/start.sh FOLDER                               # as root
#   export SLURM_CONF=FOLDER/slurm.conf                       # by which Slurm's commands find it
#   tests/slurm/stop.sh FOLDER                                # ends every daemon of it
#
# It needs no systemd, has no accounting, and neither reads nor changes what the machine has of
# Slurm: key, socket, state and logs lie in FOLDER, and the ports are free ones. The node has two
# processors, whatever the machine has. Jobs go to partition "batch"; what is sent to "urgent"
# preempts them: SIGTERM, 20 s of grace, requeued.
set -euo pipefail

mkdir -p "${1:?names the folder that Slurm is to live in}"
folder=$(cd "$1" && pwd)
host=$(hostname -s)
chmod 755 "$folder"  # munged distrusts folders that others may write to
mkdir -p "$folder"/{munge,spool,state}
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
    --seed-file="$folder/munge/seed" 2>/dev/null

# cred_expire: a requeued job waits until its credential has expired, 5 s at the least
cat >"$folder/slurm.conf" <<CONF
ClusterName=mlbench
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$controller_port
SlurmdPort=$node_port
AuthType=auth/munge
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
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=batch Nodes=$host Default=YES MaxTime=INFINITE PriorityTier=1 GraceTime=20
PartitionName=urgent Nodes=$host MaxTime=INFINITE PriorityTier=2 PreemptMode=OFF
CONF
export SLURM_CONF=$folder/slurm.conf
slurmctld
slurmd
for _ in $(seq 100); do
    if [[ $(sinfo --noheader --partition=batch --format=%t 2>/dev/null) == idle ]]; then
        exit 0
    fi
    sleep 0.2
done
echo "Slurm did not come up within 20 s; its logs lie in $folder" >&2
exit 1
