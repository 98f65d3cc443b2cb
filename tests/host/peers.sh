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
echo "1..$tests"
exit $failed
