# SPDX-License-Identifier: GPL-2.0
# From what a program of `make test-peers` printed to one TAP line a case. A case
# has the same name on every kernel, whatever its result says: that of the last
# "[RUN]", " RUN " (kselftest_harness.h) or "[INFO]" line, or of its place. Programs
# without TAP: what those of userfaultfd, khugepaged, protection keys and stress-ng
# print, and the exit status. Nothing that skipped counts as passed.

# result STATE NAME
function result(state, text)
{
	gsub(/[[:space:]]+/, " ", text)
	sub(/^ ?-? ?/, "", text)
	sub(/ $/, "", text)
	states[++cases] = state
	texts[cases] = text
	runs[cases] = run
	infos[cases] = info
}

{
	gsub(/\r|\033\[[0-9;]*m/, "")
}
/^# \[RUN\] / || /^\[RUN\]/ { run = $0; sub(/^(# )?\[RUN\][ \t]*/, "", run); any_run = 1; next }
/^#  RUN  .* \.\.\.$/ { run = $3; any_run = 1; next }
/^# \[INFO\] / { info = $0; sub(/^# \[INFO\] /, "", info); if (cases) any_info = 1; next }

/^[ \t]*(not )?ok [0-9]/ {
	state = $1 == "not" ? "fail" : "pass"
	text = $0
	# some messages lack their end of line
	next_run = ""
	if (match(text, /# \[RUN\] /)) {
		next_run = substr(text, RSTART + RLENGTH)
		text = substr(text, 1, RSTART - 1)
	}
	sub(/^[ \t]*(not )?ok [0-9]+/, "", text)
	if (match(text, / *# ?(SKIP|XFAIL)/)) {
		state = text ~ /# ?SKIP/ ? "skip" : "xfail"
		text = substr(text, 1, RSTART - 1)
	} else
		sub(/ # .*/, "", text)
	result(state, text)
	if (next_run != "")
		run = next_run
	tap = 1
	next
}
/^[ \t]*1\.\.[0-9]+/ { plan = $0; sub(/.*1\.\./, "", plan); plan += 0; next }

# userfaultfd
/^Testing .*\.\.\. *(done|skipped|failed)/ {
	text = $0
	sub(/^Testing /, "", text)
	state = text ~ /\.\.\. *done/ ? "pass" : text ~ /\.\.\. *skipped/ ? "skip" : "fail"
	sub(/\.\.\. *(done|skipped|failed).*/, "", text)
	result(state, text)
	next
}

# 6.1's userfaultfd, uffd-stress; an error comes after what has been printed of the line
/^(testing|bounces:) .*(done|userfaults:|ERROR)/ {
	text = $0
	state = text ~ /ERROR/ ? "fail" : "pass"
	sub(/[:,] *(done|userfaults:|ERROR).*/, "", text)
	sub(/^testing /, "", text)
	result(state, text)
	next
}

# protection_keys: all its tests again and again; with a pipe for standard output a
# child prints once more what its parent has not written yet
/^test +[0-9]+ PASSED \(iteration/ {
	keys = 1
	if (!key_test[$2]++)
		result("pass", "test " $2)
	next
}
/^done \(all tests OK\)/ { keys_done = 1 }
/^running PKEY tests for unsupported/ { skipped = 1 }

# thuge-gen: ends with 0
/^(Not enough huge pages for|No GB pages|Please do echo)/ { skipped = 1 }

# stress-ng: ends with 0 if it skipped, or with 3; columns of "metrc" are stressor,
# operations and times
/^stress-ng: (info|warn|error): .*(skipping|will be skipped|not implemented on this|out of system resources|No stress workers)/ {
	skipped = 1
}
/^stress-ng: fail: / { failed = 1 }
/^stress-ng: info: .* dispatching hogs:/ { hogs = 1 }
/^stress-ng: metrc: / && $5 ~ /^[0-9]+$/ { operations += $5 }

# khugepaged; a line may be cut in two by one of standard error
/^Run test: / { test = $0; sub(/^Run test: /, "", test); next }
/\.\.\.+.* *(OK|Fail.*|Skip.*|Timeout)$/ {
	text = $0
	state = text ~ /OK$/ ? "pass" : text ~ /Skip[^.]*$/ ? "skip" : "fail"
	sub(/\.\.\.+.*/, "", text)
	result(state, (test == "" ? "" : test ": ") text)
	next
}

/^@exit / { status = $2; ended = 1 }
/^@guest / { guest = $2 }

END {
	for (i = 1; i <= cases; i++) {
		if (!tap)
			name = texts[i]
		else if (any_run)
			name = runs[i] == "" ? texts[i] : runs[i]
		else if (any_info)
			name = infos[i]
		else
			name = "result " i
		if (seen[name]++)
			name = name ", " seen[name]
		line(states[i], name)
	}
	if (plan > cases)
		line(status == 4 ? "skip" : "fail", "all " plan " results are there")
	if (keys)
		line(keys_done ? "pass" : "fail", "all iterations")
	if (hogs && !operations)
		skipped = 1
	if (!tap)
		line(outcome(), "exit status")
	# 128 and more: a signal; 124, 137: too slow
	line(ended && status < 124 ? "pass" : "fail", "ends by itself")
	line(guest == 125 ? "fail" : "pass", "kernel log")
	print "1.." lines
}

function outcome()
{
	if (!ended || failed || (status != 0 && status != 4 && !(status == 3 && skipped)))
		return "fail"
	return status == 4 || skipped ? "skip" : "pass"
}

function line(state, name)
{
	printf "%s %d - %s%s\n", state == "fail" ? "not ok" : "ok", ++lines, name,
		state == "skip" ? " # SKIP" : state == "xfail" ? " # XFAIL" : ""
}
