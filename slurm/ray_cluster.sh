#!/bin/bash
# Runs a study in a Slurm allocation: a Ray head on this node, a Ray worker on each other node, the study's driver here.
# A batch script that raise-hpo wrote exports RAISE_HPO_* and runs this. What each process does is in raise_hpo/cluster:
# node.py (Ray on one node), drive.py (the driver), after.py (the jobs that follow); exit codes are in exits.py.
set -uo pipefail
ulimit -c 0

python=$RAISE_HPO_PYTHON
head=${SLURMD_NODENAME:-$(hostname -s)}
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
workers=()
for node in "${nodes[@]}"; do [ "$node" = "$head" ] || workers+=("$node"); done
cpus=${SLURM_CPUS_PER_TASK:-${SLURM_CPUS_ON_NODE:-1}}

say() { printf '%(%T)T %s\n' -1 "$*"; }
alive() { [ -n "$1" ] && kill -0 "$1" 2>/dev/null; }
# Bash runs a trap when a command ends, but breaks off a wait for it.
nap() { sleep "$1" & wait $!; }

signalled='' driver='' head_pid=''
declare -A steps=() starts=()
mkdir -p "$RAISE_HPO_STUDY/jobs"
RAISE_HPO_RUN=$RAISE_HPO_STUDY/jobs
# shellcheck disable=SC2329  # the traps call it
on_signal() {
  signalled=$1
  # Ray Tune takes SIGUSR1 for itself, so the driver is told by a file.
  if [ "$1" = USR1 ]; then touch "$RAISE_HPO_RUN/pause"; return; fi
  # Slurm kills soon. It tells the steps, but not the head, which is this script's own process.
  alive "$driver" && kill -TERM "$driver"
  alive "$head_pid" && kill -TERM "$head_pid"
}
trap 'on_signal USR1' USR1
trap 'on_signal TERM' TERM

# Each worker is a step of its own, for what befalls a node ends the whole step, on other nodes too. A step shares its
# node with this script and with later steps, and gets all CPUs.
start_worker() { # NODE
  srun --nodes=1 --ntasks=1 --nodelist="$1" --cpus-per-task="$cpus" --overlap --mem=0 \
    --no-kill --mpi=none --cpu-bind=none --export=ALL --input=none --unbuffered \
    --output="${RAISE_HPO_RUN//%/%%}/ray-%N.log" --open-mode=append \
    "$python" -m raise_hpo.cluster.node worker &
  steps[$1]=$!
  starts[$1]=$((${starts[$1]:-0} + 1))
}

start_cluster() {
  export RAISE_HPO_RUN=$RAISE_HPO_STUDY/jobs/$SLURM_JOB_ID.${SLURM_RESTART_COUNT:-0}.$1
  export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$RAISE_HPO_RUN/token
  mkdir -m 700 "$RAISE_HPO_RUN" || return 1
  (umask 077; od -An -N32 -tx1 /dev/urandom | tr -d ' \n' > "$RAY_AUTH_TOKEN_PATH")
  steps=() starts=()
  "$python" -m raise_hpo.cluster.node head > "$RAISE_HPO_RUN/ray-$head.log" 2>&1 &
  head_pid=$!
  until [ -s "$RAISE_HPO_RUN/head.json" ]; do
    alive $head_pid || { say "the Ray head on $head did not start:"; tail -n 20 "$RAISE_HPO_RUN/ray-$head.log"; return 1; }
    [ -z "$signalled" ] || return 1
    nap 0.2
  done
  say "Ray head is up on $head after $SECONDS s"
  local node
  for node in "${workers[@]}"; do start_worker "$node"; done
}

# A worker that was killed or not launched is started again, where the node is still the job's. One that ended by itself
# (exit codes 0, 72, 74) is not: it was asked to, or has tried often enough.
look_after_workers() {
  local node code
  for node in "${!steps[@]}"; do
    alive "${steps[$node]}" && continue
    wait "${steps[$node]}"; code=$?
    unset "steps[$node]"
    case $code in 0 | 72 | 74) continue ;; esac
    if [ -n "$signalled" ] || [ "${starts[$node]}" -gt 3 ] || [ -e "$RAISE_HPO_RUN/excluded-$node" ]; then continue; fi
    squeue -h -j "$SLURM_JOB_ID" -o %N | xargs -r scontrol show hostnames | grep -qxF "$node" || continue
    say "the Ray worker on $node ended with exit code $code; it is started again"
    start_worker "$node"
  done
}

# On SIGUSR2, which srun hands on, a node ends its own Ray and nothing else. (SIGTERM to srun is SIGKILL for its tasks.)
end_cluster() {
  local pid ending=("${steps[@]}" "$head_pid")
  touch "$RAISE_HPO_RUN/stop"
  for pid in "${ending[@]}"; do alive "$pid" && kill -USR2 "$pid"; done
  # Not even srun knows of a node that was cut off for a while: each says itself that it has done.
  for _ in {1..150}; do
    compgen -G "$RAISE_HPO_RUN/up-*" > /dev/null || break
    nap 0.2
  done
  for pid in "${ending[@]}"; do alive "$pid" && kill -TERM "$pid"; done
  for pid in "${ending[@]}"; do wait "$pid" 2>/dev/null; done
  rm -f "$RAY_AUTH_TOKEN_PATH" "$RAISE_HPO_RUN/head.json"
}

run_driver() {
  "$python" -m raise_hpo.cluster.drive "${nodes[@]}" &
  driver=$!
  while alive $driver; do
    if [ "$signalled" != TERM ] && ! alive $head_pid; then
      say "the Ray head on $head is lost"
      kill -TERM $driver; for _ in {1..50}; do alive $driver || break; nap 0.2; done
      alive $driver && kill -KILL $driver
      wait $driver; driver=''; return 73
    fi
    look_after_workers
    nap 0.5
  done
  wait $driver; local code=$?
  driver=''
  return $code
}

# A killed driver is started again on the same cluster, a lost head with a new cluster in the same allocation.
code=70
for attempt in 0 1 2; do
  if start_cluster $attempt; then
    for _ in 1 2 3; do
      run_driver; code=$?
      if [ $code -lt 128 ] || [ -n "$signalled" ] || ! alive "$head_pid"; then break; fi
      say "the driver was killed (exit code $code); it is started again"
    done
  fi
  end_cluster
  if [ $code != 73 ] || [ -n "$signalled" ]; then break; fi
done
trap '' USR1 TERM
# What did not get ready before the wall time is paused all the same, at its last checkpoints.
if [ "$signalled" = USR1 ] && [ $code -ge 128 ]; then code=85; fi
say "the study's driver ended with exit code $code${signalled:+ after signal $signalled}"
"$python" -m raise_hpo.cluster.after $code
exit $code
