#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# make stress: tests/guest/stress.c in debug guests, MINUTES of it in all, in
# rounds of at most five with a seed each. What is done is remembered for this
# kernel, so that it can be interrupted and run again; a failure says with which
# command its round is repeated: each thread's operations, and with ICOUNT=1 (arm64)
# the order that all threads do them in. FAULTS=1: allocations fail, too.
set -eu
. "$(dirname "$0")/lib.sh"

MINUTES=${MINUTES:-30}
FAULTS=${FAULTS:-0}
in_range MINUTES 1 9999
own_kernels
# as they are given, and as they are used
"$top/scripts/run.sh" -c
: "${SMP:=2}"
export SMP NUMA=2 MEM=1G
"$top/scripts/run.sh" -c
one_of FAULTS "0 1"

work=$build/stress
mkdir -p "$work"
exec 8> "$work/.lock"
flock 8
KERNEL=debug "$top/scripts/kernel.sh" >&2 8>&-
"$top/scripts/tests-build.sh" 8>&-
IMAGE=$(KERNEL=debug "$top/scripts/kernel.sh" -i)
state=$work/$ARCH-$FAULTS
key=$(cat "$IMAGE" "$build/tests/$ARCH/stress" | sha1sum | cut -d ' ' -f 1)
done_minutes=0 seed=1
if [ -f "$state" ]; then
	read -r old done_minutes seed < "$state"
	[ "$old" = "$key" ] || done_minutes=0
fi
[ "$FAULTS" = 0 ] || flag=-f
guest="SMP=$SMP NUMA=2 MEM=1G"
for name in ICOUNT ACCEL MTE APPEND LINUX_SRC; do
	eval "value=\${$name-}"
	[ -z "$value" ] || guest="$guest $name='$value'"
done

export IMAGE
while [ "$done_minutes" -lt "$MINUTES" ]; do
	minutes=$((MINUTES - done_minutes))
	[ "$minutes" -le 5 ] || minutes=5
	command="./stress -s $seed -m $minutes${flag:+ $flag}"
	say "$done_minutes of $MINUTES minutes done; $command"
	if ! FILES=$build/tests/$ARCH CMD=$command TIMEOUT=$((minutes * 60 + 600)) \
		LOG=$work/$ARCH-$FAULTS-$seed.log "$top/scripts/run.sh" > "$work/$ARCH-$FAULTS-$seed.tap" 8>&-; then
		cat "$work/$ARCH-$FAULTS-$seed.tap"
		die "seed $seed failed; again: make run ARCH=$ARCH KERNEL=debug $guest" \
			"FILES=build/tests/$ARCH CMD='$command'"
	fi
	tail -n 1 "$work/$ARCH-$FAULTS-$seed.tap"
	done_minutes=$((done_minutes + minutes))
	seed=$((seed + 1))
	echo "$key $done_minutes $seed" > "$state"
done
say "$MINUTES minutes without a failure"
