# SPDX-License-Identifier: GPL-2.0
# Counts the results in TAP with one level of subtests. A result on the outer
# level counts only if those inside do not speak for it. Fails if one failed.
/^    ok .*# SKIP/ { skipped++; inside++; next }
/^    ok / { passed++; inside++ }
/^    not ok / { failed++; inside++; inside_failed++ }
/^ok / { passed += !inside; inside = inside_failed = 0 }
/^not ok / { failed += !inside_failed; inside = inside_failed = 0 }
END {
	printf "%d skipped\n%d passed, %d failed\n", skipped, passed, failed
	exit failed > 0
}
