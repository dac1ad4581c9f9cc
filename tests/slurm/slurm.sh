#!/bin/sh
# A SLURM on this machine: tests/slurm/slurm.sh start <folder> <port> <nodes> | stop <folder>
# Needs root and Debian's slurm-wlm and munge. Each node is a slurmd of its own on the ports that
# follow. Everything written lies in the folder; daemons are stopped by their pid files. Use it with
# SLURM_CONF=<folder>/slurm.conf.
set -eu
folder=$2

stop() {
    for file in "$folder"/slurmd-*.pid "$folder/slurmctld.pid" "$folder/munged.pid"; do
        if [ -f "$file" ]; then
            pid=$(cat "$file")
            kill "$pid" 2>/dev/null || true
            for _ in $(seq 50); do
                kill -0 "$pid" 2>/dev/null || break
                sleep 0.1
            done
        fi
    done
}

start() {
    nodes=$4 first=$(($3 + 1)) last=$(($3 + $4))
    mkdir -p "$folder/munge" "$folder/state"
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
SlurmdSpoolDir=$folder/spool-%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd-%n.log
SlurmctldPort=$3
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
ReturnToService=2
NodeName=n[1-$nodes] NodeHostname=$(hostname) NodeAddr=127.0.0.1 Port=[$first-$last] CPUs=$(nproc) RealMemory=4000
PartitionName=main Nodes=ALL Default=YES State=UP
CONF
    runuser -u munge -- munged --key-file="$folder/munge/munge.key" --socket="$folder/munge/socket" \
        --pid-file="$folder/munge/munged.pid" --log-file="$folder/munge/munged.log" \
        --seed-file="$folder/munge/seed"
    cp "$folder/munge/munged.pid" "$folder/munged.pid"
    SLURM_CONF=$folder/slurm.conf
    export SLURM_CONF
    slurmctld
    for number in $(seq "$nodes"); do slurmd -N "n$number"; done
    for _ in $(seq 100); do
        if [ "$(sinfo -h -N -t idle -o %n 2>/dev/null | wc -l)" -eq "$nodes" ]; then return; fi
        sleep 0.2
    done
    echo "the nodes did not become idle, see $folder/slurmctld.log" >&2
    exit 1
}

case $1 in
start) start "$@" ;;
stop) stop ;;
*) echo "start or stop" >&2; exit 2 ;;
esac
