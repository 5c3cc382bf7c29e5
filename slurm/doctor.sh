#!/bin/bash
# The job of `raise-hpo doctor`: what only a batch script can try, beside a probe on every node. A batch script that
# raise-hpo wrote exports RAISE_HPO_* and runs this; findings are files in RAISE_HPO_STUDY. See raise_hpo/cluster/doctor.
set -uo pipefail
ulimit -c 0
cd "$RAISE_HPO_STUDY" || exit 1

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
common=(--overlap --mem=0 --mpi=none --cpu-bind=none --export=ALL --input=none)
seconds() { printf '%d.%06d\n' $((($2 - $1) / 1000000)) $((($2 - $1) % 1000000)); }
now() { echo "${EPOCHREALTIME/[.,]/}"; }

began=''
trap 'seconds "$began" "$(now)" > usr1-seconds' USR1

srun --nodes=${#nodes[@]} --ntasks=${#nodes[@]} --cpus-per-task="${SLURM_CPUS_PER_TASK:-${SLURM_CPUS_ON_NODE:-1}}" \
  --no-kill --kill-on-bad-exit=0 --wait=0 --unbuffered --output=probe-%N.log "${common[@]}" \
  "$RAISE_HPO_PYTHON" -m raise_hpo.cluster.doctor.probe "${nodes[@]}" &
probe=$!
until compgen -G 'report-*.json' > /dev/null || ! kill -0 $probe 2>/dev/null; do sleep 0.2; done

# A second step beside the first, as Ray's nodes are beside the driver.
second=$(now)
if timeout 60 srun --nodes=1 --ntasks=1 --nodelist="${SLURMD_NODENAME:-${nodes[0]}}" "${common[@]}" true 2> overlap-problem
then seconds "$second" "$(now)" > overlap-seconds; fi

# The signal by which Slurm announces the wall time must reach this script, and no process of a step.
began=$(now)
scancel --signal=USR1 --batch "$SLURM_JOB_ID" 2> usr1-problem
for _ in {1..50}; do [ -e usr1-seconds ] && break; sleep 0.2; done

# A signal breaks off a wait.
while kill -0 $probe 2>/dev/null; do wait $probe; done
touch ended
