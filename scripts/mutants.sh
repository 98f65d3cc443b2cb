#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Takes one guard at a time out of the patched kernel and wants the test that
# watches it to fail. tests/mutants/NNNN-name.patch is a patch for build/tree,
# below these lines:
#   Test: program [case]     in a guest; without a case any of the program's does
#   Arch: arm64|x86_64
#   Kernel: debug-kcsan      if not debug
#   Env: NUMA=2              if need be: variables of make run
# or
#   Test: host/program       tests/host/program.sh, which reads the tree
# Before that the same tests have to pass without a mutant. Arguments: names of
# mutants, to try only these. What has been killed is remembered for this kernel and
# this test, so that it can be interrupted and run again. The last line is
# "N passed, N failed".
set -eu
. "$(dirname "$0")/kbuild.sh"
. "$(dirname "$0")/series-lib.sh"

own_kernels
# as they are given, and as some mutants' guests have them
"$top/scripts/run.sh" -c 1024
NUMA=2 "$top/scripts/run.sh" -c
mutants=$top/tests/mutants
work=$build/mutants$suffix
results=$build/results/mutants
killed=$work/killed
passed=0 failed=0

# field NAME MUTANT
field() { sed -n "/^diff --git/q; s/^$1: *//p" "$mutants/$2.patch"; }

result()
{
	echo "$1 - $2"
	[ "$1" = ok ] && passed=$((passed + 1)) || failed=$((failed + 1))
}

# build_kernel NAME: $kernel from what is in the clone now
build_kernel()
{
	kconfig "$work/tree" "$out" "$kernel" > "$results/$1.build" 2>&1 &&
		kimage "$work/tree" "$out" "$kernel" >> "$results/$1.build" 2>&1 9>&- ||
		{ tail -n 20 "$results/$1.build" | sed 's/^/# /'; return 1; }
}

# run NAME ENV PROGRAMS: its TAP in $results/NAME.tap
run()
{
	cmd="./runner $3"
	races=
	if [ "$kernel" = debug-kcsan ]; then
		cmd="echo on > /sys/kernel/debug/kcsan && $cmd"
		races=$results/races
		ARCH=$ARCH TREE=$work/tree "$top/scripts/races.sh" "$out/System.map" > "$races"
	fi
	# shellcheck disable=SC2086 # words
	env $2 ARCH="$ARCH" IMAGE="$out/$image_file" LOG="$results/$1.log" TIMEOUT=900 \
		FILES="$build/tests/$ARCH" CMD="$cmd" RACES="$races" \
		"$top/scripts/run.sh" > "$results/$1.tap" 2> "$results/$1.err" 9>&-
}

# guest_test NAME: prints what has noticed the mutant, if anything has
guest_test()
{
	test=$(field Test "$1")
	program=${test%% *}
	test_case=${test#"$program"}
	test_case=${test_case##*[ .]}
	status=0
	run "$1" "$(field Env "$1")" "$program${test_case:+ -t $test_case}" || status=$?
	# the log of KUnit may be too short for the case
	if grep -q '^ *not ok ' "$results/$1.tap"; then
		sed -n '/^ *not ok /{s/^ *not ok [0-9]* *-* *//p; q}' "$results/$1.tap"
	elif [ "$status" -eq 125 ]; then
		# with its number from scripts/log-check.sh
		if line=$(sed '/^#/d' "$top/scripts/log-patterns" | grep -m 1 -E -f - "$results/$1.err"); then
			echo "${line#*:} (kernel log)"
		else
			echo 'the death of the guest'
		fi
	fi
}

# host_test NAME: the same
host_test()
{
	TREE=$work/tree "$top/tests/$(field Test "$1").sh" 9>&- 2>&1 |
		tee "$results/$1.tap" | sed -n '/^not ok /{s/^not ok *[0-9]* *-* *//p; q}'
}

# key MUTANT: one word for what its test in the guest depends on
key()
{
	{
		echo "$unmutated"
		cat "$0" "$mutants/$1.patch"
		cd "$build/tests/$ARCH"
		test=$(field Test "$1")
		cat runner "${test%% *}" 2> /dev/null || : # KUnit is in the kernel
	} | sha1sum | cut -d ' ' -f 1
}

# try MUTANT BUILD TEST: these functions build the kernel and run the test
try()
{
	say "$1"
	if ! git -C "$work/tree" apply "$mutants/$1.patch"; then
		result 'not ok' "mutant $1 does not apply"
	elif ! $2 "$1"; then
		result 'not ok' "mutant $1 does not build"
	else
		killer=$($3 "$1")
		if [ "$killer" ]; then
			result ok "mutant $1 killed by $(field Test "$1"): $killer"
			[ "$2" = : ] || echo "$(key "$1") $killer" >> "$keep"
		else
			result 'not ok' "mutant $1 survives $(field Test "$1")"
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
	case $(field Test "$name") in
	'') die "$name: has no Test: line" ;;
	host/*) arch=host ;;
	*) arch=$(field Arch "$name") ;;
	esac
	one_of arch "host arm64 x86_64"
	kernel=$(field Kernel "$name")
	kernel=${kernel:-debug}
	one_of kernel "debug debug-kcsan"
	list="$list$arch $kernel $name
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
: >> "$killed"

names_for() { printf %s "$list" | sed -n "s/^$1 //p"; }

for name in $(names_for 'host debug'); do
	if [ "$(host_test "$name")" ]; then
		result 'not ok' "$(field Test "$name") fails without a mutant"
	else
		try "$name" : host_test
	fi
done
for built in 'arm64 debug' 'arm64 debug-kcsan' 'x86_64 debug' 'x86_64 debug-kcsan'; do
	names=$(names_for "$built")
	[ "$names" ] || continue
	ARCH=${built% *}
	kernel=${built#* }
	. "$top/scripts/kbuild.sh" # for this ARCH
	out=$work/kernel-$ARCH${kernel#debug}
	ARCH=$ARCH "$top/scripts/tests-build.sh"
	# shellcheck disable=SC2046 # no word, or one
	unmutated=$(compiled_from "$(git -C "$work/tree" rev-parse HEAD)" common "$ARCH" debug \
		$(echo "$kernel" | sed -n 's,^debug-,matrix/,p'))

	left=
	for name in $names; do
		if before=$(grep "^$(key "$name") " "$killed"); then
			result ok "mutant $name was killed by $(field Test "$name"): ${before#* }"
		else
			left="$left $name"
		fi
	done
	names=$left
	[ "$names" ] || continue
	keep=$killed

	say "no mutant ($built)"
	none=none-$ARCH${kernel#debug}
	build_kernel "$none" >&2 || die "the kernel without a mutant does not build"
	for name in $names; do
		echo "$(field Env "$name")|$(field Test "$name" | cut -d ' ' -f 1)"
	done | sort -u > "$work/tests"
	cut -d '|' -f 1 "$work/tests" | uniq > "$work/envs"
	while IFS= read -r env <&3; do
		programs=$(sed -n "s/^$env|//p" "$work/tests" | tr '\n' ' ')
		if run "$none" "$env" "$(echo "$programs" | sed 's/ $//; s/ / -- /g')"; then
			result ok "no mutant, $built${env:+, $env}: these pass: $programs"
		else
			grep 'not ok' "$results/$none.tap" | sed 's/^/# /'
			result 'not ok' "no mutant, $built${env:+, $env}: the tests fail as they are"
			keep=/dev/null
		fi
	done 3< "$work/envs"
	for name in $names; do
		try "$name" build_kernel guest_test
	done
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
