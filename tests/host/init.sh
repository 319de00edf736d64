#!/bin/sh
# The first moments of a machine: in namespaces of its own, makes a root of a Debian that stays as it is and of memory that
# takes the changes, and becomes its systemd. Usage: init.sh DEBIAN SHARED NAME
set -eu
debian=$1 shared=$2
hostname "$3"
mount --make-rprivate /
mount -t tmpfs -o mode=0755 tmpfs /mnt
mkdir /mnt/changes /mnt/work /mnt/root
mount -t overlay -o "lowerdir=$debian,upperdir=/mnt/changes,workdir=/mnt/work" overlay /mnt/root
cd /mnt/root
mount -t proc -o nosuid,nodev,noexec proc proc
# The kernel's settings are the whole computer's, and not this machine's.
for part in proc/sys proc/sysrq-trigger; do
    [ -e "$part" ] || continue
    mount --bind "$part" "$part"
    mount -o remount,bind,ro "$part"
done
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs run
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs tmp
mount -t tmpfs -o mode=0755,nosuid tmpfs dev
for device in null zero full random urandom tty; do
    : >"dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mkdir -p mnt/shared
mount --bind -o ro "$shared" mnt/shared
mkdir .before
printf "%s\n" "$3" >etc/hostname
pivot_root . .before
umount -l /.before
rmdir /.before
# As systemd does where it starts the computer: what it mounts for a service, it mounts in a namespace of that service.
mount --make-rshared /
exec env -i container=tests PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    /lib/systemd/systemd --log-target=journal --show-status=no --unit=multi-user.target
