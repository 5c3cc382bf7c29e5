#!/bin/bash
# PID 1 of a host of the test cluster, in namespaces of its own: host.sh NAME RUN. When it dies, all on the host does.
set -eu
umask 022
name=$1 run=$2
read -r pid _ < /proc/self/stat # as the machine counts: /proc is still the machine's
mount -n -t proc proc /proc
echo "$name" > /proc/sys/kernel/hostname

# What a node has for itself, empty but for the folders that the jobs must see there.
while read -r mode hidden; do
  mount -n -t tmpfs -o "mode=$mode" tmpfs "$run/mnt"
  while read -r kept; do
    [[ $kept == "$hidden"/* ]] || continue
    inside=$run/mnt${kept#"$hidden"}
    if [ -d "$kept" ]; then mkdir -p "$inside"; else mkdir -p "${inside%/*}" && : > "$inside"; fi
    mount -n --bind "$kept" "$inside"
  done < "$run/kept"
  mount -n --move "$run/mnt" "$hidden"
done < "$run/hidden"

for file in hosts passwd group shadow slurm; do mount -n --bind "$run/etc/$file" "/etc/$file"; done
mkdir /run/munge
mount -n --bind "$run/munge" /run/munge

echo "$pid" > "$run/pids/$name.new"
mv "$run/pids/$name.new" "$run/pids/$name"
while :; do sleep 86400 & wait $! || :; done # bash reaps the orphans meanwhile
