#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Compiles (W=1) and runs sparse on each .c file that the series touches, or that
# includes a header of ours, and prints the lines that the pristine source does
# not give. Argument: compile, off or xen. The pristine source's lines are kept, and
# what was good is not done again until something that it depends on has changed.
set -eu
. "$(dirname "$0")/kbuild.sh"
. "$(dirname "$0")/series-lib.sh"

# shellcheck disable=SC2086 # a list
need git sparse $kbuild_packages
config=${1:-}
one_of config "compile off xen"
[ "$ARCH-$config" != arm64-xen ] || die "xen: only ARCH=x86_64 has it"
"$top/scripts/tree.sh"
source=$("$top/scripts/source.sh")
pristine=stock-$config
old=$build/check/$ARCH-$pristine$suffix
new=$build/check/$ARCH-$config$suffix
key=$({
	compiled_from HEAD common "$ARCH" debug compile-x86_64 xen-x86_64
	tgit rev-parse base
	sparse --version
	cat "$0"
} | sha1sum)
! kept "$key" "$new/good" || exit 0

# objects: what to compile, one a line
objects()
{
	{
		tgit diff --name-only --diff-filter=d base -- '*.c'
		# headers that came with the series
		for header in $(tgit diff --name-only --diff-filter=A base -- '*.h'); do
			tgit grep -l "^#include [<\"]\(.*/\)\?$(basename "$header")[>\"]" -- '*.c' || :
		done
	} | sort -u | touched_here | while read -r file; do
		# a file that another includes has no object of its own
		! tgit grep -q "^#include \"$(basename "$file")\"" -- "$(dirname "$file")/*.c" || continue
		# nor has a new one without its option
		[ "$config" = compile ] || [ -f "$source/$file" ] || continue
		echo "${file%.c}.o"
	done
}

# diagnose SOURCE OUT OBJECT...: compiler and sparse lines, without line numbers; of
# a header each once, whoever includes it
diagnose()
{
	dir=$2
	(cd "$dir" && shift 2 && rm -f "$@")
	# shellcheck disable=SC2086 # a list
	kmake "$@" -s -k -j"$JOBS" $no_sanitizers W=1 C=2 > "$dir/log" 2>&1 ||
		echo "$(grep -c 'Error ' "$dir/log") objects do not compile, see $dir/log"
	sed -n -e '/note: in included file/d' -e 's/^\(src\/[^:]*\):[0-9:]* /\1: /p' "$dir/log" |
		sort | awk -F : '$1 !~ /\.h$/ || !seen[$0]++'
}

objects=$(objects)
kconfig "$source" "$old" "$pristine"
cmp -s "$old/.config" "$old/said.config" || rm -f "$old/said" "$old/objects"
cp "$old/.config" "$old/said.config"
todo=$(for object in $objects; do
	[ ! -f "$source/${object%.o}.c" ] || grep -qxF "$object" "$old/objects" 2> /dev/null || echo "$object"
done)
if [ "$todo" ]; then
	say "$ARCH $pristine: $(echo "$todo" | wc -l) objects of the pristine source, once"
	# shellcheck disable=SC2086 # a list
	diagnose "$source" "$old" $todo >> "$old/said"
	echo "$todo" >> "$old/objects"
fi

# What the pristine source does not compile either is not for this .config; on
# x86_64 it has to be for one of both.
: > "$old/missing"
objects=$(for object in $objects; do
	if [ ! -f "$source/${object%.o}.c" ] || [ -f "$old/$object" ]; then
		echo "$object"
	else
		say "$ARCH $config: not in this configuration: $object"
		echo "$object" >> "$old/missing"
	fi
done)
say "$ARCH $config: $(echo "$objects" | wc -l) objects"
kconfig "$tree" "$new" "$config"
# shellcheck disable=SC2086 # a list
diagnose "$tree" "$new" $objects > "$new/lines"
{
	[ "$config" != xen ] || grep -xFf "$old/missing" "$build/check/x86_64-stock-compile$suffix/missing" |
		sed 's/$/ is compiled by no configuration/'
	sort "$old/said" 2> /dev/null | comm -13 - "$new/lines"
} > "$new/added"
cat "$new/added"
[ ! -s "$new/added" ]
echo "$key" > "$new/good"
