/**
 * The shell scripts that become the processes of a lab. Each sets up its namespaces, says "ready" and its number
 * on descriptor 3, and then sleeps for ever. Their parameters are environment variables, so that nothing is quoted.
 */

/**
 * The switch: keeps the network namespace of the bridges, and a mount namespace in which what is not on the machine's
 * disks is mounted, so that the machine never sees a mount of a lab and all of them end with their processes.
 *
 * SCRATCH: a directory for a tmpfs; STATE_BYTES: size of each host's state, or empty; STATE_DIRECTORIES: one a line;
 * LINKS: commands of ip; FILTER: commands of nft.
 */
export const SWITCH_SCRIPT = `
set -eu
# Copies of other namespaces' mounts would keep those alive as long as this lab.
while read -r source target type rest; do
  [ "$type" != nsfs ] || umount -n -l "$target"
done < /proc/self/mounts
mount -n -t tmpfs -o mode=0755 muster-lab "$SCRATCH"
IFS='
'
for directory in $STATE_DIRECTORIES; do
  [ -z "$STATE_BYTES" ] || mount -n -t tmpfs -o "mode=0755,size=$STATE_BYTES" muster-lab "$directory"
  mkdir -p "$directory/var" "$directory/etc"
done
printf '%s\\n' "$LINKS" | ip -batch -
printf '%s\\n' "$FILTER" | nft -f -
echo "ready $$" >&3
exec 3>&- >/dev/null 2>&1
exec sleep infinity
`;

/**
 * A host, up to the process namespace. Starts in the mount namespace of the switch.
 *
 * HOST: its name; SWITCH: the switch's process; SCRATCH; STATE: its state directory; HOSTS_FILE: text; VISIBLE: directories,
 * one a line, that stay visible below the private ones; LAB: the lab's name; INIT: the next script; PORTS, DEVICES: commands of ip, @HOST@ stands for this process.
 */
export const HOST_SCRIPT = `
set -eu
stage="$SCRATCH/$HOST"
mkdir -p "$stage"
printf '%s\\n' "$PORTS" | sed "s/@HOST@/$$/" | nsenter --net="/proc/$SWITCH/ns/net" ip -batch -
[ -e /proc/sys/net/ipv6 ] || DEVICES=$(printf '%s\\n' "$DEVICES" | grep -v ' nodad$')
printf '%s\\n' "$DEVICES" | ip -batch -
echo 0 > /proc/sys/net/ipv4/ip_forward
echo "$HOST" > /proc/sys/kernel/hostname

# What a program writes to these is the host's own: the machine never sees it, and it stays when the host is off.
for directory in /etc /var/lib /var/log; do
  mkdir -p "$stage/upper$directory" "$stage/work$directory"
  mount -n -t overlay -o "index=off,lowerdir=$directory,upperdir=$stage/upper$directory,workdir=$stage/work$directory" muster-lab "$directory"
done
mkdir -p /var/lib/muster /etc/muster
mount -n --bind "$STATE/var" /var/lib/muster
mount -n --bind "$STATE/etc" /etc/muster
printf '%s' "$HOSTS_FILE" > /etc/hosts
echo "$HOST" > /etc/hostname
# No name server: an unknown name is unknown at once, not after a time-out.
rm -f /etc/resolv.conf
: > /etc/resolv.conf

# /sys shows the interfaces of whoever mounts it.
mkdir -p "$stage/sys"
mount -n -t sysfs muster-lab "$stage/sys"
[ ! -d /sys/fs/cgroup ] || mount -n --rbind /sys/fs/cgroup "$stage/sys/fs/cgroup"
mount -n --move "$stage/sys" /sys

# A host must not be able to reset the machine: opening this fails with "no such device".
[ -e "$stage/absent" ] || mknod "$stage/absent" c 0 0
for device in /dev/watchdog*; do
  [ ! -e "$device" ] || mount -n --bind "$stage/absent" "$device"
done

IFS='
'
fresh() {
  mkdir -p "$stage/fresh"
  mount -n -t tmpfs -o "mode=$2" muster-lab "$stage/fresh"
  for directory in $VISIBLE; do
    case "$directory" in
      "$1"/*)
        mkdir -p "$stage/fresh\${directory#"$1"}"
        mount -n --rbind "$directory" "$stage/fresh\${directory#"$1"}"
        ;;
    esac
  done
  mount -n --move "$stage/fresh" "$1"
}
fresh /tmp 1777
fresh /dev/shm 1777
fresh /run 0755
mkdir -m 1777 /run/lock
cd /
exec unshare --pid --fork sh -c "$INIT" muster-lab "$LAB" "$HOST"
`;

/**
 * The first process of a host. With SIGCHLD ignored, which outlives exec, the kernel reaps every orphan by
 * itself, and the smallest program there is can be the init. dash cannot ignore it; env can.
 */
export const INIT_SCRIPT = `
set -eu
read -r number rest < /proc/self/stat
mount -n -t proc muster-lab /proc
if [ -e /proc/sysrq-trigger ]; then
  mkdir -p /run/muster-lab
  : > /run/muster-lab/sysrq-trigger
  mount -n --bind /run/muster-lab/sysrq-trigger /proc/sysrq-trigger
fi
echo "ready $number" >&3
exec 3>&- >/dev/null 2>&1
exec env --ignore-signal=CHLD sleep infinity
`;
