#!/bin/sh
# A SLURM of one node on this machine: tests/slurm/slurm.sh start|stop <folder>
# Needs root and Debian's slurm-wlm and munge. Everything it writes lies in the folder; daemons are
# stopped by their pid files. Use it with SLURM_CONF=<folder>/slurm.conf.
set -eu
folder=$2

stop() {
    for name in slurmd slurmctld munged; do
        if [ -f "$folder/$name.pid" ]; then
            pid=$(cat "$folder/$name.pid")
            kill "$pid" 2>/dev/null || true
            for _ in $(seq 50); do
                kill -0 "$pid" 2>/dev/null || break
                sleep 0.1
            done
        fi
    done
}

start() {
    mkdir -p "$folder/munge" "$folder/state" "$folder/spool"
    dd if=/dev/urandom of="$folder/munge/munge.key" bs=128 count=1 2>/dev/null
    chown -R munge: "$folder/munge"
    chmod 0755 "$folder/munge"
    chmod 0400 "$folder/munge/munge.key"
    cat >"$folder/slurm.conf" <<CONF
ClusterName=titer
SlurmctldHost=$(hostname)(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
SlurmctldPort=$3
SlurmdPort=$4
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
ReturnToService=2
NodeName=$(hostname) NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=8000
PartitionName=main Nodes=ALL Default=YES State=UP
CONF
    runuser -u munge -- munged --key-file="$folder/munge/munge.key" --socket="$folder/munge/socket" \
        --pid-file="$folder/munge/munged.pid" --log-file="$folder/munge/munged.log" \
        --seed-file="$folder/munge/seed"
    cp "$folder/munge/munged.pid" "$folder/munged.pid"
    SLURM_CONF=$folder/slurm.conf
    export SLURM_CONF
    slurmctld
    slurmd
    for _ in $(seq 100); do
        if sinfo -h -o %T 2>/dev/null | grep -q idle; then return; fi
        sleep 0.2
    done
    echo "the node did not become idle, see $folder/slurmctld.log" >&2
    exit 1
}

case $1 in
start) start "$@" ;;
stop) stop ;;
*) echo "start or stop" >&2; exit 2 ;;
esac
