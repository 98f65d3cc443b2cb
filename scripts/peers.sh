#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# make test-peers: runs the programs that tests/peers/programs lists, each in a guest
# of its own, on stock 6.1, patched 6.1 and 6.12, and compares case by case. What
# has run is not run again for the same kernel and program. Fails if a case of the
# patched kernel is worse and tests/peers/explained does not say why.
set -eu
. "$(dirname "$0")/lib.sh"

: "${PROGRAMS:=}"
own_kernels
"$top/scripts/run.sh" -c
list=$top/tests/peers/programs
results=$build/results/peers
kernels="stock tables 6.12"

# one PROGRAM KERNEL: from a guest that runs it to its .tap
one()
{
	read -r name suite seconds hardware command << END
$(awk -v name="$1" '$1 == name' "$list")
END
	export KERNEL="$2" ROOT=debian SMP=2 MEM=2G NUMA=1 MTE=0 ICOUNT=0 ACCEL=tcg APPEND=
	for setting in $(echo "$hardware" | tr , ' '); do
		[ "$setting" = - ] || export "${setting?}"
	done
	IMAGE=$("$top/scripts/kernel.sh" -i)
	out=$results/$2/$1
	APPEND=$(echo "$APPEND" | tr + ' ')
	# 6.12 comes with the sizes off that are on in ours, and naming them turns PMD size off
	[ "$2" != 6.12 ] || APPEND="thp_anon=16K-64K,2M:inherit${APPEND:+ $APPEND}"
	key=$({
		cat "$IMAGE"
		# without the suite's other programs
		awk -v command="$command" '$2 !~ /^\.\/[^.\/]*$/ || $2 == "./busybox" || index(command, $2)' \
			"$build/peers/$ARCH/$suite/.key"
		echo "$name $suite $seconds $SMP $MEM $hardware $command $APPEND"
	} | sha1sum)
	if [ "$(cat "$out.key" 2>/dev/null)" != "$key" ]; then
		rm -f "$out.key"
		status=0
		IMAGE=$IMAGE FILES=$build/peers/$ARCH/$suite CMD="./guest.sh $seconds $command" \
			APPEND=$APPEND TIMEOUT=$((seconds + 120)) LOG=$out.log \
			"$top/scripts/run.sh" > "$out.new" 2> "$out.err" || status=$?
		case $status in
		0 | 124 | 125) ;;
		*) # interrupted, or not started
			cat "$out.err" >&2
			exit 255
			;;
		esac
		echo "@guest $status" >> "$out.new"
		mv "$out.new" "$out.out"
		echo "$key" > "$out.key"
	fi
	awk -f "$top/scripts/peers-tap.awk" "$out.out" > "$out.tap"
	say "$2 $1: $(grep -c '^ok [^#]*$' "$out.tap" || :) passed," \
		"$(grep -c '# SKIP' "$out.tap" || :) skipped, $(grep -c '^not ok' "$out.tap" || :) failed"
}

if [ "${1:-}" = -1 ]; then
	one "$2" "$3"
	exit
fi

names=$(sed '/^#/d; /^$/d' "$list" | cut -f 1)
set -f # PROGRAMS='*' is a bad name, not all files
for program in $PROGRAMS; do
	echo "$names" | grep -qxF -- "$program" ||
		die "PROGRAMS=$program: no such program; there are: $(echo "$names" | paste -s -d ' ')"
done
: "${PROGRAMS:=$names}"
set +f

mkdir -p "$results"
exec 8> "$results/.lock"
flock -n 8 || die "another 'make test-peers' is running"
for arch in arm64 x86_64; do
	for program in $PROGRAMS; do
		case $(awk -v name="$program" '$1 == name { print $4 }' "$list") in
		*ARCH=x86_64*) [ $arch = x86_64 ] || continue ;;
		*) [ $arch = arm64 ] || continue ;;
		esac
		echo "$program"
	done > "$results/$arch.programs"
	[ -s "$results/$arch.programs" ] || continue
	ARCH=$arch "$top/scripts/peers-build.sh" 8>&-
	ARCH=$arch ROOT=debian "$top/scripts/root.sh" 8>&-
	for kernel in $kernels; do
		mkdir -p "$results/$kernel"
		ARCH=$arch KERNEL=$kernel "$top/scripts/kernel.sh" 8>&-
	done
done
for kernel in $kernels; do
	sed "s/$/ $kernel/" "$results/arm64.programs" "$results/x86_64.programs"
done | xargs -P 2 -L 1 "$0" -1

cd "$results"
cat arm64.programs x86_64.programs | while read -r program; do
	for kernel in $kernels; do
		echo "# $program $kernel"
		cat "$kernel/$program.tap"
	done
done | awk -f "$top/scripts/peers-join.awk" "$top/tests/peers/explained" - > peers.new || failed=1
mv peers.new ../peers.txt
cat ../peers.txt
exit "${failed:-0}"
