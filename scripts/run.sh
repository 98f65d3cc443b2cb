#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Boots a guest, runs CMD in it as root in a copy of the folder FILES, and ends
# with CMD's status, with 125 where the kernel log has a failure in it or the
# guest died, with 124 after TIMEOUT seconds. -i: a shell on this terminal.
# -c [MB]: only checks the variables, for those who boot guests later on, with so
# much memory at least.
#
# The guest ends with this script, however it ends, and this script with the
# one that called it.
[ "${RUN_GUARDED:-}" = $$ ] || RUN_GUARDED=$$ exec setpriv --pdeathsig TERM "$0" "$@"
set -eu
. "$(dirname "$0")/lib.sh"

: "${ROOT:=test}" "${SMP:=2}" "${MEM:=2G}" "${NUMA:=1}" "${MTE:=0}" "${ICOUNT:=0}" "${ACCEL:=tcg}"
: "${APPEND:=}" "${TIMEOUT:=600}" "${FILES:=}" "${CMD:=}"
: "${IMAGE:=}" "${LOG:=$build/results/run.log}" # a kernel built elsewhere; the kernel log

interactive=${1:-}
case $interactive in
'' | -i | -c) ;;
*) die "$1: must be -i or -c" ;;
esac

one_of ROOT "test debian"
one_of ACCEL "tcg kvm"
one_of ICOUNT "0 1"
one_of MTE "0 1"
one_of NUMA "1 2"
in_range SMP 1 8
in_range TIMEOUT 1 999999
case $MEM in
[1-9]*G) mem_mb=${MEM%G} unit=1024 ;;
[1-9]*M) mem_mb=${MEM%M} unit=1 ;;
*) die "MEM=$MEM: must be a number and M or G" ;;
esac
case $mem_mb in
*[!0-9]* | ??????*) die "MEM=$MEM: must be a number and M or G" ;;
esac
mem_mb=$((mem_mb * unit))
[ "$mem_mb" -ge "${2:-256}" ] || die "MEM=$MEM: must be ${2:-256}M or more"
host_mb=$(awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo)
[ "$mem_mb" -le "$host_mb" ] || die "MEM=$MEM: this machine has ${host_mb}M"
[ $((SMP % NUMA)) -eq 0 ] || die "NUMA=$NUMA: SMP=$SMP cannot be split into so many nodes"
[ "$MTE$ARCH" != 1x86_64 ] || die "MTE=1: only ARCH=arm64 has it"
# QEMU has no x86 counter, and a second x86 CPU does not come up under icount
[ "$ICOUNT$ARCH" != 1x86_64 ] || die "ICOUNT=1: works with ARCH=arm64 only"
if [ "$ACCEL" = kvm ]; then
	[ "$ICOUNT" = 0 ] || die "ICOUNT=1: QEMU counts only where it emulates, not with ACCEL=kvm"
	[ "$MTE" = 0 ] || die "MTE=1: not with ACCEL=kvm"
	[ -w /dev/kvm ] || die "ACCEL=kvm: /dev/kvm cannot be used"
	[ "$(uname -m)" = "$(echo "$ARCH" | sed s/arm64/aarch64/)" ] ||
		die "ACCEL=kvm: ARCH=$ARCH is not this machine's"
fi
# Our own boot arguments come last and must stay what they are: the log depends on them.
case " $APPEND " in
*' -- '* | *'"'* | *[[:cntrl:]]*) die "APPEND=$APPEND: must be one line without tabs, quotes and --" ;;
esac
[ ${#APPEND} -le 1024 ] || die "APPEND=$APPEND: must not be longer than 1024 characters"
[ -z "$FILES" ] || [ -d "$FILES" ] || die "FILES=$FILES: not a folder"
[ -z "$IMAGE" ] || [ -f "$IMAGE" ] || die "IMAGE=$IMAGE: not a file"
[ "$CMD" ] || [ "$interactive" ] || die "CMD=: must be the command to run in the guest"
[ ${#CMD} -lt 131072 ] || die "CMD: must not be longer than 128 kB"
[ "$LOG" = "$build/results/run.log" ] || [ -d "$(dirname "$LOG")" ] || die "LOG=$LOG: no such folder"
[ ! -d "$LOG" ] || die "LOG=$LOG: must be a file"
[ ! -e "$LOG" ] || [ -w "$LOG" ] || die "LOG=$LOG: cannot be written"
[ "$interactive" != -c ] || exit 0

case $ARCH in
arm64) qemu=aarch64 package=qemu-system-arm ;;
x86_64) qemu=x86_64 package=qemu-system-x86 ;;
esac
need "$package" cpio
"$top/scripts/root.sh" >&2
{ read -r initramfs; read -r disk || :; } << END
$("$top/scripts/root.sh" -i)
END
if [ -z "$IMAGE" ]; then
	"$top/scripts/kernel.sh" >&2
	IMAGE=$("$top/scripts/kernel.sh" -i)
fi
mkdir -p "$build/results"
IMAGE=$(realpath "$IMAGE")
LOG=$(realpath "$LOG")

work=$build/run.$$
for old in "$build"/run.*; do # of runs that were killed
	[ -d "/proc/${old##*.}" ] || rm -rf "$old"
done
rm -rf "$work"
mkdir "$work"
guest=
terminal=
[ -z "$interactive" ] || terminal=$(stty -g 2>/dev/null) || :
# shellcheck disable=SC2317 # called by the trap
end()
{
	trap '' INT TERM HUP
	if [ "$guest" ]; then
		kill "$guest" 2>/dev/null || :
		wait "$guest" || :
	fi
	[ -z "$terminal" ] || stty "$terminal"
	[ ! -f "$work/log" ] || cp "$work/log" "$LOG"
	rm -rf "$work"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

append=
if [ "$interactive" ]; then
	append="GUEST_TTY=1 TERM=${TERM:-linux}"
	size=$(stty size 2>/dev/null) || size="24 80"
	CMD="stty rows ${size% *} cols ${size#* }; cd; [ ! -x /bin/bash ] || exec bash -l; exec sh -l"
fi

# FILES become /files; the unpacker wants an uncompressed archive at a multiple of 4.
printf '%s' "$CMD" > "$work/cmd"
if [ "$FILES" ]; then
	ln -s "$(cd "$FILES" && pwd -P)" "$work/files"
	(cd "$work" && find files/ -mindepth 1 -print0) > "$work/names"
fi
printf 'cmd\0' >> "$work/names"
(cd "$work" && cpio --quiet -o -0 -H newc -R 0:0 < names > files.cpio) || die "FILES=$FILES: cannot be packed"
cat "$initramfs" "$work/files.cpio" > "$work/initrd"
rm "$work/files.cpio"

cpu=max machine=q35 console=ttyS0 gic=3
[ "$ACCEL" = tcg ] || gic=host
if [ "$ARCH" = arm64 ]; then
	cpu=neoverse-n1 machine=virt,gic-version=$gic console=ttyAMA0
	[ "$MTE" = 0 ] || cpu=max,pauth-impdef=on machine=$machine,mte=on
fi
[ "$ACCEL" = tcg ] || cpu=host

set --
counters=0 now=$(date +%s)
if [ "$ICOUNT" = 1 ]; then
	# -seed: the same kaslr and rng seeds in each run
	set -- -icount shift=0,sleep=off -seed 1
	if [ "$SMP" = 1 ]; then
		counters=1
	else
		say "ICOUNT=1 with SMP=$SMP repeats the interleaving; instruction counters are refused"
		cpu=$cpu,pmu=off
		now=2145916800 # always the same, and newer than any file
		set -- "$@" -rtc base=2038-01-01,clock=vm
	fi
fi
[ "$ACCEL" = tcg ] || counters=1
if [ "$NUMA" = 2 ]; then
	half=$((mem_mb / 2)) mem_mb=$((mem_mb / 2 * 2))
	set -- "$@" -object "memory-backend-ram,id=ram0,size=${half}M" -object "memory-backend-ram,id=ram1,size=${half}M" \
		-numa "node,memdev=ram0,cpus=0-$((SMP / 2 - 1))" -numa "node,memdev=ram1,cpus=$((SMP / 2))-$((SMP - 1))"
fi
# Files, not pipes: the guest never waits for the reader of our output. Without
# ioeventfd what the guest has written is in them before it goes on. Ahead of the
# disk, so that the guest calls them /dev/vport0p1 to 3.
set -- "$@" -chardev file,id=log,path=log -serial chardev:log -device virtio-serial-pci,ioeventfd=off
: > "$work/log"
for port in 1 2 3; do
	: > "$work/port$port"
	set -- "$@" -chardev "file,id=port$port,path=port$port" -device "virtserialport,chardev=port$port,nr=$port"
done
if [ "$disk" ]; then
	ln -s "$disk" "$work/disk"
	append="$append GUEST_ROOT=/dev/vda"
	set -- "$@" -drive file=disk,if=none,id=disk,format=raw,snapshot=on -device virtio-blk-pci,drive=disk
fi
if [ "$interactive" ]; then
	set -- "$@" -chardev stdio,id=tty,mux=on,signal=off -device virtconsole,chardev=tty,nr=0
	TIMEOUT=0
	say "Ctrl-a x ends the guest at once; its kernel log: $work/log"
fi
# panic=-1 with -no-reboot: a dead guest ends QEMU
append="$append GUEST_TIME=$now COUNTERS=$counters panic=-1 oops=panic"
append="$APPEND $append rdinit=/init earlycon console=$console printk.ignore_loglevel=1"

exec 3<&0 # the shell takes standard input away from what runs in the background
cd "$work"
[ "$interactive" ] || exec 3< /dev/null
setpriv --pdeathsig TERM timeout --foreground -k 10 "$TIMEOUT" \
	setpriv --pdeathsig KILL "qemu-system-$qemu" -nodefaults -no-user-config -display none -no-reboot \
	-M "$machine" -cpu "$cpu" -accel "$ACCEL" -smp "$SMP,sockets=$NUMA" -m "${mem_mb}M" -kernel "$IMAGE" -initrd initrd \
	-append "$append" "$@" <&3 &
guest=$!
if [ -z "$interactive" ]; then
	tail -q -s 0.05 --pid="$guest" -c +1 -f port1 &
	out=$!
	tail -q -s 0.05 --pid="$guest" -c +1 -f port2 >&2 &
	err=$!
fi
ended=0
wait "$guest" || ended=$?
guest=
[ "$interactive" ] || wait "$out" "$err" || :

status=$(cat port3)
if ! "$top/scripts/log-check.sh" log; then
	say "the kernel log has a failure in it (above; all of it: $LOG)"
	exit 125
elif [ "$ended" -eq 124 ] || [ "$ended" -eq 137 ]; then
	tail -n 30 log >&2
	say "TIMEOUT=$TIMEOUT seconds are over (end of the kernel log above; all of it: $LOG)"
	exit 124
elif [ -z "$status" ]; then
	[ "$interactive" ] && [ "$ended" -eq 0 ] && exit # Ctrl-a x
	tail -n 30 log >&2
	say "the guest died (end of the kernel log above; all of it: $LOG)"
	exit 125
fi
exit "$status"
