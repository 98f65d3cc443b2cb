#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# All tests: the checks of the series, the tests that run on the host, and the
# guest programs on the debug kernels of both architectures and on stock arm64,
# where what needs the feature has to fail at its assertion about the order.
# Nested TAP; then a table of seconds; the last line is "N passed, N failed".
# "test.sh matrix": what concerns page tables, on each variant of the debug kernel
# of ARCH that configs/matrix/ has.
set -eu
. "$(dirname "$0")/lib.sh"

own_kernels
# as they are given, and as the guests have them
"$top/scripts/run.sh" -c 1024
if [ $# -eq 0 ]; then
	ARCH=arm64 NUMA=2 MTE=1 "$top/scripts/run.sh" -c
	ARCH=x86_64 NUMA=2 "$top/scripts/run.sh" -c
else
	NUMA=2 "$top/scripts/run.sh" -c
fi
results=$build/results/test${1:+-$1}
tap=$results/tap
times=$results/times
failures=$results/failures
rm -rf "$results"
mkdir -p "$results"
: > "$tap"
: > "$failures"

# first the one that wants a policy which nobody has set yet
programs="policy orders stats optout fallback race uffd mlock memcg protnone fork reuse zap swap compact split advise move tables damon hwpoison thp idle clear_refs ksm uring direct device counts markers free free_race"

# what has something to do with a second node
numa_programs="numa numa_calls numa_balance migrating stress"
numa_runner="./runner free_race -t migrated -- free_race -t numa_hints -- tables -t numa_hints --"

table_programs="race uffd mlock fork reuse zap swap split move tables thp counts markers free free_race stress"

# timed NAME COMMAND...: the command, and a line of the table
timed()
{
	timed_name=$1
	shift
	say "$timed_name"
	timed_start=$(date +%s)
	timed_status=0
	"$@" || timed_status=$?
	printf '%7d  %s\n' $(($(date +%s) - timed_start)) "$timed_name" >> "$times"
	return $timed_status
}

# result 'ok|not ok' NAME
result() { echo "$1 - $2" | tee -a "$tap"; }

# step NAME COMMAND...: one result; what the command prints is shown if it fails
step()
{
	step_name=$1
	step_log=$results/$(echo "$step_name" | tr ' ' -).log
	shift
	if timed "$step_name" "$@" > "$step_log"; then
		result ok "$step_name"
	else
		tail -n 40 "$step_log" | sed 's/^/# /'
		result 'not ok' "$step_name"
		return 1
	fi
}

# subtest NAME COMMAND...: a command that prints TAP itself
subtest()
{
	subtest_name=$1
	shift
	subtest_status=$results/$(basename "$tap").status
	: > "$subtest_status"
	echo "# Subtest: $subtest_name"
	{ timed "$subtest_name" "$@" || echo $? > "$subtest_status"; } | sed -u 's/^/    /' | tee -a "$tap"
	if [ -s "$subtest_status" ]; then
		result 'not ok' "$subtest_name"
	else
		result ok "$subtest_name"
	fi
}

# guest NAME RUNNER PROGRAMS [VAR=value...]: one boot in which RUNNER runs these
guest()
{
	guest_name=$1
	guest_cmd="$2 $(echo "$3" | sed 's/ / -- /g')"
	guest_programs=$3
	shift 3
	guest_log=$results/$(echo "$guest_name" | tr ' ' -)
	guest_filter='{ print; fflush() }'
	case $guest_name in
	*' stock' | *-nofolios | *-nothp) guest_filter=$(cat "$top/scripts/tap-red.awk") ;;
	esac
	: > "$guest_log.status"
	{
		timed "guest: $guest_name" env ARCH="$arch" IMAGE="$image" LOG="$guest_log.log" \
			FILES="$build/tests/$arch" CMD="$guest_cmd" TIMEOUT=2400 "$@" "$top/scripts/run.sh" ||
			echo $? > "$guest_log.status"
	} | awk "$guest_filter" | sed -u "/^TAP version/d; /^1\.\./d; s/^\(\(not \)*ok\) [0-9]* - /\1 - $guest_name: /" |
		tee "$guest_log.tap" | tee -a "$tap"
	for program in $guest_programs; do
		grep -q "ok - $guest_name: $program " "$guest_log.tap" ||
			result 'not ok' "$guest_name: $program # did not run"
	done
	case $(cat "$guest_log.status") in
	'' | 1) result ok "$guest_name: kernel log" ;;
	*)
		result 'not ok' "$guest_name: kernel log # run.sh ended with $(cat "$guest_log.status")"
		kernel_log "$@" >> "$failures"
		;;
	esac
}

# kernel_log [VAR=value...]: what is wrong in that of the last guest, for the end
kernel_log()
{
	echo "# kernel log of $guest_name"
	if env "$@" "$top/scripts/log-check.sh" "$guest_log.log" 2>&1; then
		tail -n 30 "$guest_log.log"
	fi | tr -d '\r' | head -n 80 | sed 's/^/# /'
}

# kernel_and_programs ARCH KERNEL: builds what guests boot and run
kernel_and_programs()
{
	step "programs for $1" env ARCH="$1" "$top/scripts/tests-build.sh" &&
		step "kernel $1 $2" env ARCH="$1" KERNEL="$2" "$top/scripts/kernel.sh"
}

# boots ARCH KERNEL: what the next guests boot
boots()
{
	arch=$1
	image=$(ARCH=$1 KERNEL=$2 "$top/scripts/kernel.sh" -i)
}

# in the last guest
kunit_ran()
{
	if grep -q '^ok - .*, at boot$' "$guest_log.tap"; then
		result ok "$guest_name: KUnit suites have run"
	else
		result 'not ok' "$guest_name: KUnit suites have run"
	fi
}

# job_NAME: the guests of what boots() has chosen
job_programs()
{
	guest "$arch debug" './runner -k' "$programs"
	kunit_ran
}

job_numa()
{
	guest "$arch debug NUMA" "$numa_runner" "$numa_programs" NUMA=2 MEM=1G
}

# tags: where pages are mapped, copied, moved, split or swapped
job_mte()
{
	guest 'arm64 debug MTE' ./runner \
		'mte orders race fork reuse zap split advise swap move thp' MTE=1 NUMA=2
}

# memory that was there at boot can go offline on x86_64 only; the allocator zeroes;
# an LDT is mapped only with PTI, which this CPU does not ask for
job_hotplug()
{
	guest 'x86_64 debug hotplug' './runner counts -t ldt --' 'hotplug memcg_v1 orders' \
		APPEND='kernelcore=512M init_on_alloc=1 pti=on'
}

# mainline's example, where no cgroup was before v1's
job_thp_anon()
{
	guest "$arch debug thp_anon" \
		"THP_ANON_MODES='always always always inherit madvise inherit never never' ./runner" 'bootarg memcg_v1' \
		APPEND='thp_anon=16K-64K:always;128K,512K:inherit;256K:madvise;1M-2M:never'
}

# what must leave the defaults and say so, and empty tables without a group that pays for them
job_bad_thp_anon()
{
	guest "$arch debug bad thp_anon" \
		"THP_ANON_MODES='inherit inherit inherit never never never never inherit' THP_ANON_LOG=64K:sometimes ./runner" 'bootarg free' \
		APPEND='thp_anon=64K:sometimes cgroup_disable=memory'
}

# but what wants other hardware or boot arguments: mte and hotplug
job_stock()
{
	guest 'arm64 stock' 'THP_ANON_MODES=always ./runner' \
		"$programs memcg_v1 numa numa_calls numa_balance migrating bootarg" NUMA=2
}

# one CPU, most of the time
job_host()
{
	for test in "$top"/tests/host/*.sh; do
		subtest "host: $(basename "$test" .sh)" "$test"
	done
}

# take: the next job of the queue, nothing if there is none
take()
{
	# shellcheck disable=SC2016 # $0 is the queue
	flock "$queue" sh -c 'head -n 1 "$0/jobs"; sed -i 1d "$0/jobs"' "$queue"
}

worker()
{
	while job=$(take) && [ "$job" ]; do
		# shellcheck disable=SC2086 # two words
		boots ${job%:*}
		"job_${job#*:}"
	done
}

worker_beside()
{
	tap=$results/tap.beside
	: > "$tap"
	worker
}

all()
{
	subtest 'make check' "$top/scripts/check.sh"
	queue=$results/queue
	mkdir "$queue"
	# KERNEL:JOB, the longest first
	cat > "$queue/jobs" <<- END
	arm64 debug:programs
	x86_64 debug:programs
	arm64 debug:numa
	x86_64 debug:numa
	arm64 debug:mte
	arm64 stock:host
	x86_64 debug:hotplug
	arm64 stock:stock
	arm64 debug:bad_thp_anon
	x86_64 debug:bad_thp_anon
	arm64 debug:thp_anon
	x86_64 debug:thp_anon
	END
	for kernel in 'arm64 debug' 'x86_64 debug' 'arm64 stock'; do
		# shellcheck disable=SC2086 # two words
		kernel_and_programs $kernel && continue
		result 'not ok' "guests of $kernel # did not run"
		sed -i "/^$kernel:/d" "$queue/jobs"
	done

	# Two guests at a time: few tests keep more than one CPU busy. What those in the
	# background print comes afterwards.
	worker_beside > "$results/beside.out" &
	worker
	wait
	cat "$results/beside.out"
	cat "$results/tap.beside" >> "$tap"
}

# No report says nothing where nobody has looked.
kcsan_looked()
{
	looked=$(sed -n 's/^setup_watchpoints: //p' "$guest_log.tap")
	if [ "${looked:-0}" -ge 100000 ]; then
		result ok "$guest_name: KCSAN has looked # $looked watchpoints"
	else
		result 'not ok' "$guest_name: KCSAN has looked # ${looked:-no} watchpoints"
	fi
}

matrix()
{
	for variant in $matrix; do
		kernel_and_programs "$ARCH" "debug-$variant" || continue
		boots "$ARCH" "debug-$variant"
		runner='./runner -k'
		programs=$table_programs
		races=
		case $variant in
		kcsan)
			runner="trap 'cat /sys/kernel/debug/kcsan' EXIT; echo on > /sys/kernel/debug/kcsan && $runner"
			races=$results/races
			"$top/scripts/races.sh" "${image%/arch/*}/System.map" > "$races"
			;;
		nofolios | nothp) programs="tables counts markers free free_race stress" ;; # the rest wants folios
		voluntary) runner="CYCLES=100000 $runner" ;; # of free, two minutes or so
		esac
		guest "$ARCH debug-$variant" "$runner" "$programs" RACES="$races" NUMA=2
		[ "$variant" != kcsan ] || kcsan_looked
		[ "$variant" = nothp ] || kunit_ran
	done
}

case ${1:-all} in
all) all ;;
matrix) matrix ;;
*) die "$1: must be nothing, or: matrix" ;;
esac

# again, since the beginning of a long output gets lost
echo
grep '^ *not ok' "$tap" || :
cat "$failures"
echo
echo 'seconds  step'
cat "$times"
echo
awk -f "$top/scripts/tap-count.awk" "$tap"
