#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What scripts/test.sh makes of the programs' output.
set -eu
scripts=$(cd "$(dirname "$0")/../../scripts" && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. "$(dirname "$0")/lib/is.sh"

cat > "$work/stock" << END
# Subtest: orders
    # orders.c:32:vma_edges:order wanted 4, found 0
    # orders.c:32:vma_edges:order wanted 3, found 0
    not ok 1 laf.vma_edges
    # hole: Test failed at step #1
    not ok 2 laf.no_assertion
    ok 3 laf.green
    ok 4 # SKIP no userfaultfd write protection here
    #  RUN           laf.here ...
    ok 4 # SKIP no userfaultfd write protection here
    #  RUN           stock.here ...
    ok 4 # SKIP no userfaultfd write protection here
    # order wanted 0, found 4
    not ok 5 stock.never
    ok 6 stock.fault
not ok 1 - orders # 1.1 s, exit status 1
# Subtest: race
    # race.c:10:one:order wanted 7, found 0
    not ok 1 laf.one
not ok 2 - race # 2.0 s, exit status 1
# Subtest: split
    # split.c:10:two:order wanted 7, found 0
    not ok 1 laf.two
not ok 3 - split # 120.0 s, killed after 120 s
# Subtest: thp
    ok 1 stock.fault
ok 4 - thp # 0.1 s
END
awk -f "$scripts/tap-red.awk" "$work/stock" | grep -v '#.*order wanted\|step\|RUN' > "$work/red"
is 'on stock laf.* has to fail at its assertion, the rest to pass' "$work/red" << END
# Subtest: orders
    ok - laf.vma_edges, red: order wanted 4, found 0
    not ok - laf.no_assertion
    not ok - laf.green
    not ok - here
    not ok - laf.here # SKIP no userfaultfd write protection here
    ok - stock.here # SKIP no userfaultfd write protection here
    not ok - stock.never, red: order wanted 0, found 4
    ok - stock.fault
not ok 1 - orders # 1.1 s
# Subtest: race
    ok - laf.one, red: order wanted 7, found 0
ok 2 - race # 2.0 s
# Subtest: split
    ok - laf.two, red: order wanted 7, found 0
not ok 3 - split # 120.0 s, killed after 120 s
# Subtest: thp
    ok - stock.fault
ok 4 - thp # 0.1 s
END

awk -f "$scripts/tap-count.awk" "$work/red" > "$work/count" || echo failed >> "$work/count"
is 'inner results count, outer ones where they say more' "$work/count" << END
1 skipped
5 passed, 6 failed
failed
END

printf '    ok 1 # SKIP why\nok - a\nok - b\n    ok 1 x\nok - c\n' |
	awk -f "$scripts/tap-count.awk" > "$work/count" && echo fine >> "$work/count"
is 'a skipped test is no pass' "$work/count" << END
1 skipped
2 passed, 0 failed
fine
END
echo "1..$tests"
exit $failed
