# SPDX-License-Identifier: GPL-2.0
# races.awk LIST LOG: a kernel log in which those of KCSAN's reports that do not concern
# page tables are no BUG. KCSAN itself can be told to report a race only if both of its
# sides are in a list, which hides what is looked for: one against somebody else.
# LIST is from scripts/races.sh. A race concerns page tables
#   - if one side is a function of their own,
#   - if both sides are walkers,
#   - or if one is, and two bytes are accessed: the count or the flags of a table;
# and if neither side is an access that is known to race.
FILENAME == ARGV[1] {
	if ($1 == "known")
		known[$2, $3, $4]
	else
		kind[$2] = $1
	next
}

# What has been read of the report that begins in line @title.
function end_report(    i, own, walkers, two_bytes, excused)
{
	for (i = 1; i <= sides; i++) {
		own += kind[name[i]] == "own"
		walkers += kind[name[i]] == "walker"
		two_bytes += size[i] == 2
		excused += (name[i], access[i], size[i]) in known
	}
	# of one that is cut off nothing is known
	if (sides && (excused || !(own || walkers == 2 || walkers && two_bytes)))
		sub(/BUG: KCSAN:/, "elsewhere:", line[title])
	title = sides = 0
}

{ line[FNR] = $0 }
/BUG: KCSAN:/ {
	if (title)
		end_report()
	title = FNR
}
!title { next }

# "write (marked) to 0xffff00000526a0a8 of 2 bytes by task 131 on cpu 1:" and its stack
/ to 0x[0-9a-f]* of [0-9]* bytes by / {
	text = $0
	sub(/ to 0x.*/, "", text)
	sub(/^\[[^]]*\] */, "", text)
	sub(/^race at unknown origin, with /, "", text)
	access[++sides] = text
	text = $0
	sub(/.* of /, "", text)
	size[sides] = text + 0
	name[sides] = ""
	next
}
sides && name[sides] == "" && match($0, /[A-Za-z_][A-Za-z_0-9.]*\+0x/) {
	name[sides] = substr($0, RSTART, RLENGTH - 3)
	sub(/\..*/, "", name[sides])
}
/Reported by Kernel Concurrency Sanitizer/ { end_report() }

END {
	if (title)
		end_report()
	for (i = 1; i <= FNR; i++)
		print line[i]
}
