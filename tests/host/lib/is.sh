# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# Sourced: a test is what a file has to say. Needs a folder $work; the last line is
# for the test to print, from $tests, and its status is $failed.

tests=0 failed=0

# is NAME FILE: FILE is what standard input says
is()
{
	tests=$((tests + 1))
	if diff - "$2" > "$work/diff"; then
		echo "ok $tests - $1"
	else
		sed 's/^/# /' "$work/diff"
		echo "not ok $tests - $1"
		failed=1
	fi
}
