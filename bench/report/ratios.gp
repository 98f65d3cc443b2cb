# SPDX-License-Identifier: GPL-2.0
# Bars of ratios: a group a metric, a bar a run.  Needs data and output_file.
set terminal svg size 1100,600 noenhanced font "sans,12"
set output output_file
set datafile separator "\t"
set datafile missing "?"
set style data histogram
set style histogram clustered gap 1
set style fill solid 0.8 border -1
set key outside top center horizontal
set ylabel "ratio to the first run (less is better)"
set xtics rotate by -25 noenhanced
set grid ytics
stats data using 2 skip 1 nooutput
columns = STATS_columns
largest = 0
do for [i = 2:columns] {
	stats data using i skip 1 nooutput
	if (STATS_max > largest) { largest = STATS_max }
}
# One row of 16 must not flatten all others.
if (largest > 3) {
	set logscale y 2
	set yrange [0.0625:]
} else {
	set yrange [0:]
}
plot for [i = 2:columns] data using i:xtic(1) title columnheader(i)
