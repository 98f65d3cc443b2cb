#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Takes one guard at a time out of the patched kernel and wants the test that
# watches it to fail. tests/mutants/NNNN-name.patch is a patch for build/tree,
# below these lines:
#   Test: program [case]     without a case any of the program's does
#   Arch: arm64|x86_64
#   Env: NUMA=2              if need be: variables of make run
# Before that the same tests have to pass without a mutant. Arguments: names of
# mutants, to try only these. The last line is "N passed, N failed".
set -eu
. "$(dirname "$0")/kbuild.sh"

mutants=$top/tests/mutants
work=$build/mutants
results=$build/results/mutants
passed=0 failed=0

# field NAME MUTANT
field() { sed -n "/^diff --git/q; s/^$1: *//p" "$mutants/$2.patch"; }

result()
{
	echo "$1 - $2"
	[ "$1" = ok ] && passed=$((passed + 1)) || failed=$((failed + 1))
}

# build_kernel NAME: the debug kernel from what is in the clone now
build_kernel()
{
	kconfig "$work/tree" "$out" debug > "$results/$1.build" 2>&1 &&
		kmake "$work/tree" "$out" -j"$JOBS" "${image_file##*/}" >> "$results/$1.build" 2>&1 9>&- ||
		{ tail -n 20 "$results/$1.build" | sed 's/^/# /'; return 1; }
}

# run NAME ENV PROGRAMS: its TAP in $results/NAME.tap
run()
{
	# shellcheck disable=SC2086 # words
	env $2 ARCH="$ARCH" IMAGE="$out/$image_file" LOG="$results/$1.log" TIMEOUT=900 \
		FILES="$build/tests/$ARCH" CMD="./runner $3" \
		"$top/scripts/run.sh" > "$results/$1.tap" 2> "$results/$1.err" 9>&-
}

# first_failure NAME CASE STATUS: what has noticed the mutant; nothing if nothing
first_failure()
{
	sed -n "s/^    not ok [0-9]* \(.*${2:-}\)\$/\1/p" "$results/$1.tap" | head -n 1 | grep . && return
	[ "$3" -ne 125 ] || sed '/^#/d' "$top/scripts/log-patterns" |
		grep -m 1 -E -f - "$results/$1.log" || echo 'the death of the guest'
}

try() # MUTANT
{
	test=$(field Test "$1")
	program=${test%% *}
	case=${test#"$program"}
	case=${case# }
	say "$1 ($ARCH)"
	if ! git -C "$work/tree" apply "$mutants/$1.patch"; then
		result 'not ok' "mutant $1 does not apply"
	elif ! build_kernel "$1"; then
		result 'not ok' "mutant $1 does not build"
	else
		status=0
		run "$1" "$(field Env "$1")" "$program${case:+ -t ${case##*.}}" || status=$?
		killer=$(first_failure "$1" "$case" "$status" || :)
		if [ "$killer" ]; then
			result ok "mutant $1 killed by $program: $killer"
		else
			result 'not ok' "mutant $1 survives $test (run.sh ended with $status)"
		fi
	fi
	git -C "$work/tree" checkout -q -- .
}

if [ $# -eq 0 ]; then
	set -- "$mutants"/*.patch
	[ -e "$1" ] || die "tests/mutants: no mutants"
fi
list=
for name; do
	name=$(basename "$name" .patch)
	[ -f "$mutants/$name.patch" ] || die "$name: no such mutant"
	arch=$(field Arch "$name")
	one_of arch "arm64 x86_64"
	[ "$(field Test "$name")" ] || die "$name: has no Test: line"
	list="$list$arch $name
"
done

# shellcheck disable=SC2086 # a list
need git $kbuild_packages
mkdir -p "$work" "$results"
exec 9> "$work/.lock"
flock 9
# A clone: the tree itself may have edits.
KERNEL=debug "$top/scripts/tree.sh"
[ -d "$work/tree" ] || git clone -q --shared "$tree" "$work/tree"
git -C "$work/tree" fetch -q origin HEAD
git -C "$work/tree" reset -q --hard FETCH_HEAD

for arch in arm64 x86_64; do
	names=$(printf %s "$list" | sed -n "s/^$arch //p")
	[ "$names" ] || continue
	ARCH=$arch
	. "$top/scripts/kbuild.sh" # for this ARCH
	out=$work/kernel-$ARCH
	ARCH=$ARCH "$top/scripts/tests-build.sh"

	say "no mutant ($ARCH)"
	build_kernel "none-$ARCH" >&2 || die "the kernel without a mutant does not build"
	for name in $names; do
		echo "$(field Env "$name")|$(field Test "$name" | cut -d ' ' -f 1)"
	done | sort -u > "$work/tests"
	cut -d '|' -f 1 "$work/tests" | uniq > "$work/envs"
	while IFS= read -r env <&3; do
		programs=$(sed -n "s/^$env|//p" "$work/tests" | tr '\n' ' ')
		if run "none-$ARCH" "$env" "$(echo "$programs" | sed 's/ $//; s/ / -- /g')"; then
			result ok "no mutant, $ARCH${env:+, $env}: these pass: $programs"
		else
			grep 'not ok' "$results/none-$ARCH.tap" | sed 's/^/# /'
			result 'not ok' "no mutant, $ARCH${env:+, $env}: the tests fail as they are"
		fi
	done 3< "$work/envs"
	for name in $names; do try "$name"; done
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
