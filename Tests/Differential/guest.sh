#!/bin/bash
# Process 1 of the guest: loads IPVS, has this guest's share of the histories recorded, and powers off.
# The kernel's command line gives LVS_FOLDER, LVS_GUEST (from 0 on) and LVS_GUESTS.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
modules=/usr/lib/uml/modules/$(uname -r)
mknod /run/tun c 10 200

# Loads a module after all that it needs, which `modules.dep` lists from the last to the first.
load() {
  local line needed=
  line=$(grep "/$1\.ko:" "$modules/modules.dep")
  for path in ${line/:/}; do needed="$path $needed"; done
  for path in $needed; do
    name=${path##*/} name=${name%.ko} && name=${name//-/_}
    [[ -d /sys/module/$name ]] || insmod "$modules/$path"
  done
}

for module in tun xt_mark ip{,6}table_mangle ip_vs ip_vs_pe_sip ip_vs_{rr,wrr,lc,wlc,lblc,lblcr,dh,sh,mh,sed,nq,fo,ovf}; do
  load "$module"
done
ip link set lo up
echo 1 >/proc/sys/kernel/printk
echo 1000000 >/proc/sys/net/ipv4/icmp_msgs_per_sec
echo 1000000 >/proc/sys/net/ipv4/icmp_msgs_burst
/usr/bin/python3 -B "${0%/*}/record.py" "$LVS_FOLDER/histories.json" "$LVS_FOLDER/recorded" "$LVS_GUEST" "$LVS_GUESTS"
echo $? >"$LVS_FOLDER/status-$LVS_GUEST"
sync
echo o >/proc/sysrq-trigger
sleep 60
