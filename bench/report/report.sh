#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Prints build/results/NAME.json as a table and plots it as NAME.svg.  Ratios
# are to the first run.  bench/NAME/metrics says what to show.
set -eu
. "$(dirname "$0")/../../scripts/lib.sh"

name=${1:-}
result=$build/results/$name.json
metrics=$top/bench/$name/metrics
[ -f "$result" ] && [ -f "$metrics" ] || die "no result of a benchmark '$name' in $build/results"
need jq gnuplot-nox

table=$(mktemp)
trap 'rm -f "$table"' EXIT

# Two header lines, then a line a metric: label, decimals, a value a run
jq -r --rawfile metrics "$metrics" '
	.runs as $runs
	| (["", 0] + [$runs[].kernel]),
	  (["", 0] + [$runs[].config]),
	  ($metrics | split("\n")[] | select(test("^[^#]")) | split("|")
	   | . as [$key, $scale, $decimals, $title]
	   | [$title, $decimals] + [$runs[] | .[$key] | if . then . / ($scale | tonumber) else "-" end])
	| @tsv' "$result" > "$table"

awk -F '\t' '
function cell(i, text, ratio)
{
	printf "  %*s", width[i], text
	if (i > 3)
		printf " %6s", ratio
}
NR == FNR {
	for (i = 1; i <= NF; i++)
		if (i != 2 && length($i) > width[i])
			width[i] = i > 1 && FNR > 2 ? 10 : length($i)
	next
}
{
	printf "%-*s", width[1], $1
	for (i = 3; i <= NF; i++) {
		if (FNR <= 2)
			cell(i, $i, FNR == 2 ? "ratio" : "")
		else if ($i == "-")
			cell(i, "-", "")
		else
			cell(i, sprintf("%.*f", $2, $i), $3 + 0 ? sprintf("%.3f", $i / $3) : "")
	}
	print ""
}' "$table" "$table"

jq -r '.runs[] | select((.folios // {}) != {})
	| "folios, \(.kernel) \(.config): " + ([.folios | to_entries[] | "\(.key) \(.value)"] | join(", "))' "$result"

# The same ratios as bars
awk -F '\t' '
NR == 1 { for (i = 3; i <= NF; i++) kernel[i] = $i; next }
NR == 2 { for (i = 3; i <= NF; i++) printf "\t\"%s %s\"", kernel[i], $i; print ""; next }
$3 + 0 { printf "\"%s\"", $1; for (i = 3; i <= NF; i++) printf "\t%s", $i == "-" ? "?" : $i / $3; print "" }
' "$table" > "$table.ratios"
trap 'rm -f "$table" "$table.ratios"' EXIT
gnuplot -e "data='$table.ratios'" -e "output_file='$build/results/$name.svg'" "$top/bench/report/ratios.gp"
echo "$result, $build/results/$name.svg"
