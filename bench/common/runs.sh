#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs a benchmark on several kernels, four guests at a time, collects
# build/results/NAME.json and reports it. Two at a time, three would take as long as four.
#   runs.sh NAME FILES COMMAND < runs
# A line of stdin is one run: KERNEL|name|config|boot arguments
set -eu
. "$(dirname "$0")/../../scripts/lib.sh"

name=$1
files=$2
command=$3
results=$build/results
need jq

parts=$results/$name.parts # stays where this is interrupted
mkdir -p "$parts"
rm -f "$parts"/run.??
cat > "$parts/runs"

cut -d '|' -f 1 "$parts/runs" | sort -u | while read -r kernel; do
	KERNEL=$kernel "$top/scripts/kernel.sh" < /dev/null
done
ROOT=debian "$top/scripts/root.sh"

split -l 1 "$parts/runs" "$parts/run."
set -- "$parts"/run.??
# shellcheck disable=SC2016 # the inner shell's
printf '%s\n' "$@" |
	xargs -P 4 -I RUN sh -c '"$1" "$2" "$3" "$4" "$5.json" "$(cat "$5")"' \
		sh "$top/bench/common/guest.sh" "$name" "$files" "$command" RUN

# of these only: with other columns an interrupted run may have left more
# shellcheck disable=SC2016 # jq's
printf '%s.json\n' "$@" | xargs jq -s --arg bench "$name" '{bench: $bench, runs: .}' > "$parts/all"
mv "$parts/all" "$results/$name.json"
rm -r "$parts"
"$top/bench/report/report.sh" "$name"
