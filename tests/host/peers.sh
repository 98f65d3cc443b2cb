#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What `make test-peers` makes of the programs' output, and of three kernels' results.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd -P)
scripts=$top/scripts
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. "$(dirname "$0")/lib/is.sh"

tap() { awk -f "$scripts/peers-tap.awk" > "$work/tap"; }

tap << END
TAP version 13
1..5
# [INFO] huge pages: yes
# [RUN] pin ... with memfd (64 kB)
ok 1 Pin is reliable
# [RUN] pin ... with THP
ok 2 # SKIP Vmsplice not possible
ok 3 # XFAIL Leak from parent into child
# [RUN] last
not ok 4 Should have worked# [RUN] other
not ok 5 reason

@exit 1
@guest 0
END
is 'a case is named for what runs, not for what it says' "$work/tap" << END
ok 1 - pin ... with memfd (64 kB)
ok 2 - pin ... with THP # SKIP
ok 3 - pin ... with THP, 2 # XFAIL
not ok 4 - last
not ok 5 - other
ok 6 - ends by itself
ok 7 - kernel log
1..7
END

tap << END
1..4
ok 1 one
ok 2 # SKIP two
@guest 125
END
is 'what is missing, and a guest that died' "$work/tap" << END
ok 1 - result 1
ok 2 - result 2 # SKIP
not ok 3 - all 4 results are there
not ok 4 - ends by itself
not ok 5 - kernel log
1..5
END

printf 'Testing wp on anon... done\nTesting move on anon... skipped [reason: x]\nTesting poison on shmem... failed [reason: y]\n\n@exit 1\n@guest 0\n' | tap
is 'uffd-unit-tests' "$work/tap" << END
ok 1 - wp on anon
ok 2 - move on anon # SKIP
not ok 3 - poison on shmem
not ok 4 - exit status
ok 5 - ends by itself
ok 6 - kernel log
1..6
END

printf 'Run test: full (a:anon)\nCollapse it.... \033[32mOK\033[0m\nDo not collapse.... \033[31mFail\033[0m\n\nRun test: full (b:anon)\nCollapse it.... \033[33mSkip\033[0m\n@exit 137\n@guest 0\n' | tap
is 'khugepaged' "$work/tap" << END
ok 1 - full (a:anon): Collapse it
not ok 2 - full (a:anon): Do not collapse
ok 3 - full (b:anon): Collapse it # SKIP
not ok 4 - exit status
not ok 5 - ends by itself
ok 6 - kernel log
1..6
END

tap << 'END'
TAP version 13
1..3
# Starting 3 tests from 2 test cases.
#  RUN           hmm.hmm_device_private.open_close ...
#            OK  hmm.hmm_device_private.open_close
ok 1 hmm.hmm_device_private.open_close
#  RUN           hmm.hmm_device_coherent.open_close ...
#      SKIP      no such device
#            OK  hmm.hmm_device_coherent.open_close
ok 2 # SKIP no such device
#  RUN           migration.private_anon ...
# migration.c:121:private_anon:Expected migrate() (-2) == 0 (0)
# private_anon: Test terminated by assertion
#          FAIL  migration.private_anon
not ok 3 migration.private_anon
@exit 1
@guest 0
END
is "the harness's names" "$work/tap" << END
ok 1 - hmm.hmm_device_private.open_close
ok 2 - hmm.hmm_device_coherent.open_close # SKIP
not ok 3 - migration.private_anon
ok 4 - ends by itself
ok 5 - kernel log
1..5
END

printf 'TAP version 13\n1..3\nok 1 # SKIP memfd_secret is not supported\n@exit 4\n@guest 0\n' | tap
is 'what skips as a whole after its plan does not fail' "$work/tap" << END
ok 1 - result 1 # SKIP
ok 2 - all 3 results are there # SKIP
ok 3 - ends by itself
ok 4 - kernel log
1..4
END

tap << 'END'
nr_pages: 5120, nr_pages_per_cpu: 2560
bounces: 1, mode: rnd read, userfaults: 48 missing (31+17+) 
bounces: 0, mode: read, userfaults: 
testing uffd-wp with pagemap (pgsize=4096): done
testing signal delivery: done.
testing events (fork, remap, remove): ERROR: nr 7 memory corruption 0 1
 (errno=0, line=912)
@exit 1
@guest 0
END
is "6.1's userfaultfd" "$work/tap" << END
ok 1 - bounces: 1, mode: rnd read
ok 2 - bounces: 0, mode: read
ok 3 - uffd-wp with pagemap (pgsize=4096)
ok 4 - signal delivery
not ok 5 - events (fork, remap, remove)
not ok 6 - exit status
ok 7 - ends by itself
ok 8 - kernel log
1..8
END

keys='has pkeys: 1
startup pkey_reg: 0000000055555554
test  0 PASSED (iteration 1)
test 18 PASSED (iteration 1)
test  0 PASSED (iteration 1)
test  0 PASSED (iteration 2)'
printf '%s\ndone (all tests OK)\n@exit 0\n@guest 0\n' "$keys" | tap
is 'protection keys' "$work/tap" << END
ok 1 - test 0
ok 2 - test 18
ok 3 - all iterations
ok 4 - exit status
ok 5 - ends by itself
ok 6 - kernel log
1..6
END
printf '%s\nassert() at protection_keys.c::1034 test_nr: 1 iteration: 2\n@exit 0\n@guest 0\n' "$keys" | tap
sed -n 3p "$work/tap" > "$work/line"
is 'protection keys that fail later on' "$work/line" << END
not ok 3 - all iterations
END

# status OUTPUT STATUS: the line of the exit status
status()
{
	printf '%s\n@exit %d\n@guest 0\n' "$1" "$2" | tap
	sed -n 's/ [0-9]* - exit status//p' "$work/tap"
}
ng='stress-ng: info:  [98] dispatching hogs: 2 swap
stress-ng: metrc: [98] stressor       bogo ops real time  usr time  sys time   bogo ops/s     bogo ops/s
stress-ng: metrc: [98]                           (secs)    (secs)    (secs)   (real time) (usr+sys time)'
# row OPERATIONS
row() { echo "stress-ng: metrc: [98] swap                 $1      1.05      0.05      0.13        18.97         107.53"; }
mean='stress-ng: metrc: [98] swap              12655.01 nanosecs per call (geometic mean of 1 instances)'
ng_done="$ng
$(row 20)
$mean
stress-ng: info:  [98] successful run completed in 1.06s"
none='stress-ng: error: [98] No stress workers invoked (one or more were unsupported)'
{
	status "$ng_done" 0
	status "$ng_done
stress-ng: info:  [99] swap: 0 of 2796 (0.00%) pages were swapped out" 0
	echo 'the same, other statuses'
	status "$ng_done" 2
	status "$ng_done" 3
	status "$ng_done" 7
	status "$ng_done" 137
	echo 'not started'
	status "stress-ng: info:  [98] swap stressor will be skipped, need to be running with CAP_SYS_ADMIN rights for this stressor" 0
	status "stress-ng: info:  [98] userfaultfd: stressor will be skipped, insufficient privilege" 0
	status "$none" 0
	echo 'started in vain'
	status "$ng" 0
	status "$ng
$(row 0)
$mean" 0
	status "$ng_done
stress-ng: info:  [99] swap: cannot enable swap file on the filesystem, skipping test" 0
	status "$ng_done
stress-ng: info:  [99] swap: this stressor is not implemented on this system: aarch64 Linux" 0
	status "$ng_done
stress-ng: warn:  [98] process [99] (swap) aborted early, out of system resources" 3
	echo 'found something'
	status "$ng_done
stress-ng: fail:  [99] swap: failed: address 0xffff8000 contains 1 and not 2" 0
	echo 'skipped, and found something'
	status "$ng_done
stress-ng: warn:  [98] process [99] (swap) aborted early, out of system resources" 2
} > "$work/statuses"
is 'stress-ng' "$work/statuses" << END
ok
ok
the same, other statuses
not ok
not ok
not ok
not ok
not started
ok # SKIP
ok # SKIP
ok # SKIP
started in vain
ok # SKIP
ok # SKIP
ok # SKIP
ok # SKIP
ok # SKIP
found something
not ok
skipped, and found something
not ok
END

{
	status 'Found 2MB
Testing 2MB mmap with shift 54000000' 0
	status 'Not enough huge pages for page size 1024 MB, need 4' 0
	status 'Please do echo 4294967296 > /proc/sys/kernel/shmmax' 0
	status 'No GB pages available on x86-64' 0
	status 'running PKEY tests for unsupported CPU/OS' 0
} > "$work/statuses"
is 'what ends with 0 and has tested nothing' "$work/statuses" << END
ok
ok # SKIP
ok # SKIP
ok # SKIP
ok # SKIP
END

printf '@exit 4\n@guest 0\n' | tap
is 'nothing but a status' "$work/tap" << END
ok 1 - exit status # SKIP
ok 2 - ends by itself
ok 3 - kernel log
1..3
END

# join CASES: "NAME STOCK OURS PEER", a letter each: p, x, s, f, or - for none
join()
{
	awk '
		BEGIN { split("stock tables 6.12", kernels, " ") }
		{
			for (k = 1; k <= 3; k++)
				if ($(k + 1) != "-")
					text[k] = text[k] ($(k + 1) == "f" ? "not ok" : "ok") " 1 - " $1 \
						($(k + 1) == "s" ? " # SKIP" : $(k + 1) == "x" ? " # XFAIL" : "") "\n"
		}
		END { for (k = 1; k <= 3; k++) printf "# prog %s\n%s", kernels[k], text[k] }' |
		awk -f "$scripts/peers-join.awk" "$work/explained" - > "$work/all" && echo fine >> "$work/all" ||
		echo failed >> "$work/all"
}

: > "$work/explained"
join << END
equal p p p
skipped s s s
no-news f f f
up f p p
new - p p
new-skip - s s
down p s p
fewer s - s
gone f - f
new-fail - f p
behind s s p
behind-too f f p
ahead p p f
xfail x x x
END
sed -n '/^prog$/,/^$/p' "$work/all" > "$work/cases"
is 'case by case' "$work/cases" << END
prog
  same              pass  pass  pass   equal
  same              skip  skip  skip   skipped
  same              fail  fail  fail   no-news
  better            fail  pass  pass   up
  worse than stock  pass  skip  pass   down
  worse than stock  skip  -     skip   fewer
  worse than stock  fail  -     fail   gone
  worse than 6.12   skip  skip  pass   behind
  worse than 6.12   fail  fail  pass   behind-too
  same              pass  pass  fail   ahead
  same              xfail xfail xfail  xfail
  better            -     pass  pass   new
  same              -     skip  skip   new-skip
  worse than 6.12   -     fail  pass   new-fail

END
tail -n 2 "$work/all" > "$work/end"
is 'worse and not explained: fails' "$work/end" << END
6 same, 2 better, 6 worse, 6 of them not explained
failed
END

printf 'prog\tbeh.*\tnever had it\nprog\tstale\told\n' > "$work/explained"
printf 'behind s s p\nother p p p\n' | join
sed -n '/^worse, explained/,$p' "$work/all" > "$work/end"
is 'explained: fine; what explains nothing is named' "$work/end" << END
worse, explained: never had it
  worse than 6.12   skip  skip  pass   prog: behind

not needed any longer: prog: stale

1 same, 0 better, 1 worse, 0 of them not explained
fine
END

cp -r "$top/scripts" "$top/tests/peers" "$work"
mkdir "$work/tests"
mv "$work/peers" "$work/tests"
PROGRAMS='cow nonsense' "$work/scripts/peers.sh" > "$work/out" 2>&1 || echo "status $?" >> "$work/out"
sed -i 's/; there are: .* cow .*/; there are: .../' "$work/out"
sed -i 's/; there are: cow .*/; there are: .../' "$work/out"
is 'an unknown program is named' "$work/out" << END
peers: PROGRAMS=nonsense: no such program; there are: ...
status 2
END

# the list: known suites, plain seconds, settings that run.sh has, each name once
awk '
	/^#/ || /^$/ { next }
	NF < 5 || $3 !~ /^[1-9][0-9]+$/ || $2 !~ /^(mm|vm|damon|mte|stress-ng)$/ || seen[$1]++ ||
	$4 !~ /^(-|(ARCH|SMP|MEM|NUMA|MTE|APPEND)=[^,]+(,(ARCH|SMP|MEM|NUMA|MTE|APPEND)=[^,]+)*)$/' \
	"$work/tests/peers/programs" > "$work/bad"
is 'no bad line in the list' "$work/bad" < /dev/null

# one run, in a guest that only says what it was asked for
cat > "$work/scripts/run.sh" << 'END'
#!/bin/sh
[ "${1:-}" = -c ] || echo "$KERNEL SMP=$SMP APPEND=$APPEND TIMEOUT=$TIMEOUT $CMD"
END
printf '#!/bin/sh\necho "%s"\n' "$work/image" > "$work/scripts/kernel.sh"
cat > "$work/tests/peers/programs" << 'END'
two	vm	120	SMP=4,NUMA=2	sh -c './two 3; [ $? = 124 ]'
words	vm	60	APPEND=a.b=1+c=full	./words
END
key=$work/build/peers/arm64/vm/.key
mkdir -p "$(dirname "$key")" "$work/build/results/peers/stock" "$work/build/results/peers/6.12"
printf '1  ./busybox\n2  ./guest.sh\n3  ./two\n4  ./words\n' > "$key"
echo > "$work/image"
# run NAME KERNEL: what the guest was asked for, if there was one
run()
{
	out=$work/build/results/peers/$2/$1.out
	[ ! -f "$out" ] || echo 'no guest' > "$out"
	APPEND=mine "$work/scripts/peers.sh" -1 "$1" "$2" 2> /dev/null
	sed 1q "$out"
}
{
	run two stock
	run two stock
	run words stock
	run words 6.12
	echo "another program of the suite:"
	sed -i 's/^4/5/' "$key"
	run two stock
	run words stock
	echo 'what all of them have:'
	sed -i 's/^1/6/' "$key"
	run two stock
} > "$work/runs"
is 'a run has the hardware and words of the list, and is not repeated' "$work/runs" << 'END'
stock SMP=4 APPEND= TIMEOUT=240 ./guest.sh 120 sh -c './two 3; [ $? = 124 ]'
no guest
stock SMP=2 APPEND=a.b=1 c=full TIMEOUT=180 ./guest.sh 60 ./words
6.12 SMP=2 APPEND=thp_anon=16K-64K,2M:inherit a.b=1 c=full TIMEOUT=180 ./guest.sh 60 ./words
another program of the suite:
no guest
stock SMP=2 APPEND=a.b=1 c=full TIMEOUT=180 ./guest.sh 60 ./words
what all of them have:
stock SMP=4 APPEND= TIMEOUT=240 ./guest.sh 120 sh -c './two 3; [ $? = 124 ]'
END
echo "1..$tests"
exit $failed
