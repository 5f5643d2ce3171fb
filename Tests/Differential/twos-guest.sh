#!/bin/bash
# Process 1 of a guest with all of IPVS's schedulers: has the picks of `twos` recorded, and powers off.
# The kernel's command line gives LVS_FOLDER, where the kernel's modules are too.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
modules=$LVS_FOLDER/kernel/lib/modules/$(uname -r)
mknod /run/tun c 10 200

# Loads a module after all that it needs, which `modules.dep` lists from the last to the first.
load() {
  local line needed= path name
  line=$(grep "/$1\.ko:" "$modules/modules.dep")
  for path in ${line/:/}; do needed="$path $needed"; done
  for path in $needed; do
    name=${path##*/} name=${name%.ko} && name=${name//-/_}
    [[ -d /sys/module/$name ]] || insmod "$modules/$path"
  done
}

for module in tun ip_vs ip_vs_twos; do load "$module"; done
ip link set lo up
/usr/bin/python3 -B "${0%/*}/twos.py" "$LVS_FOLDER/twos.json"
echo $? >"$LVS_FOLDER/status"
sync
echo o >/proc/sysrq-trigger
sleep 60
