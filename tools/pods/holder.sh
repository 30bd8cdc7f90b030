#!/bin/sh
# Makes a folder the root of namespaces of its own, and keeps them: holder.sh ROOT SHARED
# What is in SHARED is seen inside under the same path. Runs in `unshare --mount --pid --net --fork`;
# with it ends every process that was started inside.
set -eu
root=$1 shared=$2
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
for one in sys dev; do mount --rbind "/$one" "$root/$one"; done
ip link set lo up
# With the second version's hierarchy beside the first one's, crun runs nothing.
umount -l "$root/sys/fs/cgroup/unified" 2>/dev/null || true
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mkdir -p "$root$shared" "$root/.old"
mount --bind "$shared" "$root$shared"
cd "$root"
pivot_root . .old
umount -l /.old
echo ready
exec catatonit -- sleep infinity
