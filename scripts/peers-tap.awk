# SPDX-License-Identifier: GPL-2.0
# From what a program of `make test-peers` printed to one TAP line a case. A case
# has the same name on every kernel, whatever its result says: that of the last
# "[RUN]" or "[INFO]" line, or of its place. Programs without TAP: what userfaultfd's
# and khugepaged's print, and the exit status.

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
		line("fail", "all " plan " results are there")
	if (!tap)
		line(status == 4 ? "skip" : status == 0 && ended ? "pass" : "fail", "exit status")
	# 128 and more: a signal; 124, 137: too slow
	line(ended && status < 124 ? "pass" : "fail", "ends by itself")
	line(guest == 125 ? "fail" : "pass", "kernel log")
	print "1.." lines
}

function line(state, name)
{
	printf "%s %d - %s%s\n", state == "fail" ? "not ok" : "ok", ++lines, name,
		state == "skip" ? " # SKIP" : state == "xfail" ? " # XFAIL" : ""
}
