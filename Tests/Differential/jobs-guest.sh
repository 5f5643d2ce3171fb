#!/bin/bash
# Process 1 of a guest: has recorded what its kernel does in some situations, and powers off.
# The kernel's command line gives LVS_FOLDER, LVS_MODULES, where the kernel's modules are, and LVS_JOBS: scripts of this
# folder, each with the name of its recording (`twos:twos,thresholds:thresholds-older`).
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
modules=$LVS_MODULES/$(uname -r)
mknod /run/tun c 10 200

# Loads a module after all that it needs, which `modules.dep` lists from the last to the first.
load() {
  local line needed= path name
  line=$(grep -E "/$1\.ko(\.xz)?:" "$modules/modules.dep")
  for path in ${line/:/}; do needed="$path $needed"; done
  for path in $needed; do
    name=${path##*/} name=${name%%.ko*} && name=${name//-/_}
    [[ -d /sys/module/$name ]] || insmod "$modules/$path"
  done
}

for module in tun ip_vs ip_vs_rr; do load "$module"; done
if grep -q /ip_vs_twos.ko "$modules/modules.dep"; then load ip_vs_twos; fi
ip link set lo up
echo 1 >/proc/sys/kernel/printk
echo 1000000 >/proc/sys/net/ipv4/icmp_msgs_per_sec
echo 1000000 >/proc/sys/net/ipv4/icmp_msgs_burst
status=0
for job in ${LVS_JOBS//,/ }; do
  /usr/bin/python3 -B "${0%/*}/${job%:*}.py" "$LVS_FOLDER/${job#*:}.json" || status=1
done
echo $status >"$LVS_FOLDER/status"
sync
echo o >/proc/sysrq-trigger
sleep 60
