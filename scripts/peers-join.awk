# SPDX-License-Identifier: GPL-2.0
# Compares what the programs of `make test-peers` have said on three kernels:
#   peers-join.awk EXPLAINED RESULTS
# RESULTS are their TAP, each after "# PROGRAM KERNEL" with KERNEL stock, tables or
# 6.12. A line of EXPLAINED is PROGRAM, a tab, a regular expression for cases, a tab,
# and why they cannot be better. Prints a line a case, a table, and what is worse;
# fails if something is worse without being explained.
#
# Worse: a result below that of stock, a case that stock has and ours does not, and
# a case that 6.12 passes and ours does not.
BEGIN {
	FS = "\t"
	rank["pass"] = 4; rank["xfail"] = 3; rank["skip"] = 2; rank["fail"] = 1; rank["-"] = 0
}

FILENAME == ARGV[1] {
	if (/^#/ || NF < 3)
		next
	explained_program[++explanations] = $1
	explained_case[explanations] = $2
	explained_why[explanations] = $3
	next
}

/^# / {
	split(substr($0, 3), word, " ")
	program = word[1]
	kernel = word[2]
	if (!(program in known)) {
		known[program] = 1
		programs[++n_programs] = program
	}
	next
}
/^(not )?ok / {
	state = /^not/ ? "fail" : / # SKIP/ ? "skip" : / # XFAIL/ ? "xfail" : "pass"
	name = $0
	sub(/^(not )?ok [0-9]+ - /, "", name)
	sub(/ # (SKIP|XFAIL).*/, "", name)
	if (!((program, name) in place)) {
		place[program, name] = ++n_cases[program]
		cases[program, n_cases[program]] = name
	}
	states[program, name, kernel] = state
	count[program, kernel, state]++
}

function state_of(program, name, kernel)
{
	return (program, name, kernel) in states ? states[program, name, kernel] : "-"
}

# "same", "better", or "worse" with against what
function judge(stock, ours, peer)
{
	if (ours == "-" && stock != "-")
		return "worse than stock"
	if (stock != "-" && rank[ours] < rank[stock])
		return "worse than stock"
	if (peer == "pass" && ours != "pass")
		return "worse than 6.12"
	if (stock == "-" && ours == "fail")
		return "worse than stock"
	return rank[ours] > rank[stock] && (stock != "-" || ours == "pass") ? "better" : "same"
}

function why(program, name,	i)
{
	for (i = 1; i <= explanations; i++)
		if (program ~ "^(" explained_program[i] ")$" && name ~ "^(" explained_case[i] ")$") {
			used[i]++
			return explained_why[i]
		}
	return ""
}

END {
	for (p = 1; p <= n_programs; p++) {
		program = programs[p]
		printf "%s\n", program
		for (c = 1; c <= n_cases[program]; c++) {
			name = cases[program, c]
			stock = state_of(program, name, "stock")
			ours = state_of(program, name, "tables")
			peer = state_of(program, name, "6.12")
			verdict = judge(stock, ours, peer)
			split(verdict, word, " ")
			total[program, word[1]]++
			sum[word[1]]++
			printf "  %-16s  %-5s %-5s %-5s  %s\n", verdict, stock, ours, peer, name
			if (word[1] != "worse")
				continue
			reason = why(program, name)
			line = sprintf("%-16s  %-5s %-5s %-5s  %s: %s", verdict, stock, ours, peer, program, name)
			if (reason != "")
				reasons[reason] = reasons[reason] "  " line "\n"
			else
				open_cases[++n_open] = line
		}
	}
	printf "\n%-24s %-15s %-15s %-15s %5s %6s %5s\n", "pass/skip/fail", "stock", "patched", "6.12", "same", "better", "worse"
	for (p = 1; p <= n_programs; p++) {
		program = programs[p]
		printf "%-24s %-15s %-15s %-15s %5d %6d %5d\n", program, counts(program, "stock"), counts(program, "tables"),
			counts(program, "6.12"), total[program, "same"], total[program, "better"], total[program, "worse"]
	}
	for (reason in reasons)
		printf "\nworse, explained: %s\n%s", reason, reasons[reason]
	if (n_open)
		print "\nworse, not explained (stock, patched, 6.12):"
	for (i = 1; i <= n_open; i++)
		print "  " open_cases[i]
	for (i = 1; i <= explanations; i++)
		if (!used[i] && explained_program[i] in known)
			printf "\nnot needed any longer: %s: %s\n", explained_program[i], explained_case[i]
	printf "\n%d same, %d better, %d worse, %d of them not explained\n", sum["same"], sum["better"], sum["worse"], n_open
	exit n_open > 0
}

function counts(program, kernel)
{
	return (count[program, kernel, "pass"] + count[program, kernel, "xfail"]) "/" (count[program, kernel, "skip"] + 0) "/" \
		(count[program, kernel, "fail"] + 0)
}
