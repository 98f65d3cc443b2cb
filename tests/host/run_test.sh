#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Tests of the harness itself (scripts/run.sh, log-check.sh), in TAP.
# shellcheck disable=SC2016 # commands for the guest's shell
set -eu
. "$(dirname "$0")/../../scripts/lib.sh"

need procps
tests=0 failed=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# check DESCRIPTION COMMAND...: a test that passes if the command succeeds
check()
{
	tests=$((tests + 1))
	description=$1
	shift
	if "$@" > "$tmp/check" 2>&1; then
		echo "ok $tests - $description"
	else
		failed=$((failed + 1))
		echo "not ok $tests - $description"
		{ echo "failed: $*"; cat "$tmp/check"; [ ! -f "$tmp/err" ] || tail -n 20 "$tmp/err"; } | sed 's/^/# /'
	fi
}

# guest VAR=value...: a run; its results are in $status, $tmp/out and $tmp/err
guest()
{
	status=0
	env LOG="$tmp/log" APPEND="mark=$$" "$@" "$top/scripts/run.sh" > "$tmp/out" 2> "$tmp/err" || status=$?
}

qemus() { pgrep -a -f "^qemu-system.*mark=$$ "; }

no_qemu()
{
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		qemus > /dev/null || return 0
		sleep 0.5
	done
	qemus
	return 1
}

is() { [ "$1" = "$2" ] || { echo "got '$1', want '$2'"; false; }; }
lacks() { ! grep -e "$1" "$2"; }

# --- what needs no guest
grep -v '^#' "$top/scripts/log-patterns" > "$tmp/patterns"
while read -r pattern; do
	check "a sample for the pattern $pattern" grep -E -e "$pattern" "$top/tests/host/log-samples"
done < "$tmp/patterns"
while read -r sample; do
	printf '[    0.1] first line\r\n%s\r\n[    9.9] last line\r\n' "$sample" > "$tmp/log"
	tripped=0
	"$top/scripts/log-check.sh" "$tmp/log" 2> "$tmp/err" || tripped=$?
	check "trips: ${sample#*] }" is "$tripped $(grep -c -F -e "$sample" "$tmp/err")" "1 1"
done < "$top/tests/host/log-samples"
printf '[    0.1] debug: DEBUG mode, warnings on\n[    0.2] reboot: Power down\n' > "$tmp/log"
check "a clean log passes" "$top/scripts/log-check.sh" "$tmp/log"

# report ONE OTHER BYTES: one writes and the other reads, as KCSAN says it
report()
{
	printf '[    3.1] %s\n' "BUG: KCSAN: data-race in $1 / $2" '' \
		"write (marked) to 0xffff000004a3f0a8 of $3 bytes by task 77 on cpu 0:" \
		" $1.isra.0+0x1c/0x300" ' walk+0x40/0x50' '' \
		"read to 0xffff000004a3f0a8 of $3 bytes by task 78 on cpu 1:" " $2+0x88/0x120" ' walk+0x40/0x50' '' \
		'value changed: 0x0000 -> 0x0001' '' 'Reported by Kernel Concurrency Sanitizer on:'
}
printf '%s\n' 'own free' 'walker walk' 'walker zap' 'walker look' 'known look read 8' > "$tmp/races"
while read -r one other bytes trips; do
	{ report swap page 8; report "$one" "$other" "$bytes"; report swap page 2; } > "$tmp/log"
	tripped=0
	RACES=$tmp/races "$top/scripts/log-check.sh" "$tmp/log" 2> "$tmp/err" || tripped=$?
	check "trips: a race of $one with $other for $bytes bytes: $trips" is "$tripped $(grep -c 'BUG: KCSAN:' "$tmp/err")" "$trips $trips"
done << END
swap page 8 0
free page 8 1
page free 8 1
walk page 8 0
page walk 2 1
walk zap 8 1
free look 8 0
free look 2 1
look free 8 1
END

# guarded SIGNAL VICTIM: what a guarded command has left running in a pipeline
guarded()
{
	env --default-signal=INT sh -c '"$@" & echo $! > "$0"; wait' "$tmp/pid" \
		env --default-signal=INT "$top/scripts/guard.sh" sh -c '
			trap "" INT; { sh -c "sleep 30.$0; :" | cat; } & sleep 30.$0; :' $$ &
	shell=$!
	for _ in $(seq 1 100); do
		[ "$(pgrep -c -f "^sleep 30.$$")" -ne 2 ] || break
		sleep 0.1
	done
	check "a guarded command runs" is "$(pgrep -c -f "^sleep 30.$$")" 2
	case $2 in
	guard.sh) kill -s "$1" "$(cat "$tmp/pid")" ;;
	caller) kill -s "$1" "$shell" ;;
	esac
	wait "$shell" || :
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ "$(pgrep -c -f "^sleep 30.$$")" -ne 0 ] || break
		sleep 0.2
	done
	check "SIG$1 to its $2 ends all of it" is "$(pgrep -c -f "^sleep 30.$$")" 0
}
guarded INT guard.sh
guarded TERM guard.sh
guarded KILL caller
status=0
"$top/scripts/guard.sh" sh -c 'exit 7' || status=$?
check "its status is the command's" is "$status" 7

# in a copy without build/, so that everything that is made shows
mkdir "$tmp/copy"
cp -r "$top/scripts" "$tmp/copy"
refused()
{
	bad=$1
	shift
	status=0
	env -u IMAGE CMD=true "$@" "$bad" "$tmp/copy/scripts/run.sh" > "$tmp/out" 2> "$tmp/err" || status=$?
	check "refused: $bad" is "$status $(grep -c -F -e "${bad%%=*}=" -e "${bad%%=*}:" "$tmp/err") $(wc -l < "$tmp/err")" "2 1 1"
	check "shown: $bad" grep -F -e "$bad" "$tmp/err"
}
for bad in ARCH=riscv KERNEL=new ROOT=fedora SMP=0 SMP=two SMP=08 SMP=99 MEM=2 MEM=G MEM=2T MEM=-1G MEM=1.5G MEM=10M MEM=99999G \
	NUMA=3 MTE=yes ICOUNT=2 TIMEOUT=0 TIMEOUT=1m ACCEL=hvf 'APPEND=a "b' 'APPEND=a -- b' \
	"APPEND=a$(printf '\t')--$(printf '\t')b" FILES=/none LOG=/none/log LOG=/tmp \
	IMAGE=/none LINUX_SRC=/none; do
	refused "$bad"
done
refused MTE=1 ARCH=x86_64
refused ICOUNT=1 ARCH=x86_64
refused NUMA=2 SMP=3
refused ICOUNT=1 ARCH=arm64 ACCEL=kvm
refused CMD=
check "nothing was made before the variables were checked" [ ! -e "$tmp/copy/build" ]

# --- what needs a guest
if [ -z "${IMAGE:-}" ]; then
	# the quickest to boot of those that `make test` builds in any case
	KERNEL=stock "$top/scripts/kernel.sh" >&2
	IMAGE=$(KERNEL=stock "$top/scripts/kernel.sh" -i)
fi
export IMAGE

files="$tmp/my files/sub dir"
mkdir -p "$files"
printf '#!/bin/sh\necho "$(pwd) $(id -u) $(date +%%Y) [$1]"\n' > "$files/a script"
chmod +x "$files/a script"
# the first one says what it installs and builds
guest CMD=:

guest FILES="$tmp/my files" CMD='"./sub dir/a script" "x  y"; seq 1 2000000; seq 1 100000 >&2
	echo last > /dev/stderr; sleep 1000 & exit 7'
check "the status is the command's" is "$status" 7
check "FILES arrive, with blanks and mode; root, in /files, with our clock" \
	is "$(head -n 1 "$tmp/out")" "/files 0 $(date -u +%Y) [x  y]"
check "all of stdout and nothing else" is "$(sed 1d "$tmp/out" | cksum)" "$(seq 1 2000000 | cksum)"
check "all of stderr" is "$(grep -v '^\(run\|root\|kernel\) \[' "$tmp/err" | cksum)" "$({ seq 1 100000; echo last; } | cksum)"
check "no program output in the kernel log" lacks '^last' "$tmp/log"

guest CMD='kill -9 $$'
check "a command killed by signal 9: 137" is "$status" 137

guest APPEND="mark=$$ quiet loglevel=1 console=null printk.ignore_loglevel=0" \
	CMD='dmesg -n 1; echo "<4>WARNING: test" > /dev/kmsg; echo out'
check "a WARNING in the kernel log: 125, whatever the command says and APPEND hides" is "$status" 125
check "it is shown" grep 'WARNING: test' "$tmp/err"
check "the output is still there" is "$(cat "$tmp/out")" out

guest CMD='echo c > /proc/sysrq-trigger; sleep 100'
check "a panic: 125" is "$status" 125
check "it is shown" grep 'Kernel panic' "$tmp/err"

guest CMD='echo o > /proc/sysrq-trigger; sleep 100'
check "a guest that ends without a status: 125" is "$status" 125
check "the end of its log is shown" grep 'the guest died' "$tmp/err"

guest TIMEOUT=20 CMD='echo out; sleep 100'
check "TIMEOUT: 124" is "$status $(cat "$tmp/out")" "124 out"
check "TIMEOUT leaves no QEMU" no_qemu

# ended SIGNAL run.sh|make: while the command runs
ended()
{
	: > "$tmp/out"
	export LOG="$tmp/log" APPEND="mark=$$" CMD='echo started $HOME; sleep 100'
	case $2 in
	make) make -s -C "$top" run CMD="$CMD" > "$tmp/out" 2> "$tmp/err" & ;;
	*) "$top/scripts/run.sh" > "$tmp/out" 2> "$tmp/err" & ;;
	esac
	caller=$!
	for _ in $(seq 1 600); do
		! grep -q started "$tmp/out" || break
		sleep 0.1
	done
	check "CMD reaches the guest as typed; QEMU runs" is "$(cat "$tmp/out") $(qemus | wc -l)" "started /root 1"
	kill -s "$1" "$caller"
	wait "$caller" || :
	check "$2 ended by SIG$1 leaves no QEMU" no_qemu
}
ended KILL run.sh
ended TERM run.sh
ended KILL make
ended TERM make

status=0
: > "$tmp/out"
# shellcheck disable=SC2094 # the answer waits for the prompt
{
	for _ in $(seq 1 300); do
		! grep -q '# ' "$tmp/out" || break
		sleep 0.2
	done
	echo 'echo "$((6 * 7))"; exit 4'
} | LOG="$tmp/log" timeout --foreground 60 "$top/scripts/run.sh" -i > "$tmp/out" 2> "$tmp/err" || status=$?
check "-i: a shell on the terminal" grep '^42' "$tmp/out"
check "-i: the status is the shell's" is "$status" 4

"$top/scripts/tests-build.sh"
guest FILES="$build/tests/$ARCH" CMD='./runner policy -t nothing'
check "a test case that there is not" grep -e '-t nothing: no such test' "$tmp/out"
check "it has not passed" is "$status" 1

guest NUMA=2 SMP=4 CMD='cat /sys/devices/system/node/node*/cpulist'
check "NUMA=2: two nodes, no WARNING" is "$status $(paste -s -d ' ' "$tmp/out")" "0 0-1 2-3"

if [ "$ARCH" = arm64 ]; then
	pmu='echo $COUNTERS $(ls /sys/bus/event_source/devices | grep -c armv8)'
	guest ICOUNT=1 SMP=1 MTE=1 CMD="$pmu; grep -c mte /proc/cpuinfo"
	check "ICOUNT=1 SMP=1: counters; MTE=1" is "$(paste -s -d ' ' "$tmp/out")" "1 1 1"
	guest ICOUNT=1 SMP=2 CMD="$pmu"
	check "ICOUNT=1 SMP=2: no counters" is "$(paste -s -d ' ' "$tmp/out")" "0 0"
	check "it is said" grep 'counters are refused' "$tmp/err"
	# QEMU's own thread has its say where all CPUs sleep: compare only up to there
	sed '/Unpacking initramfs/q' "$tmp/log" > "$tmp/first"
	guest ICOUNT=1 SMP=2 CMD="$pmu"
	sed '/Unpacking initramfs/q' "$tmp/log" > "$tmp/second"
	check "the same boot to the microsecond" cmp "$tmp/first" "$tmp/second"
	guest ROOT=debian CMD='echo "int main(void) { return 6; }" > a.c; gcc a.c && ./a.out; status=$?
		! command -v python3 && for t in awk bc flex bison make perl; do command -v $t > /dev/null || exit; done; exit $status'
	check "ROOT=debian compiles" is "$status" 6
fi

echo "1..$tests"
[ "$failed" -eq 0 ]
