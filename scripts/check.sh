#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# make check: what can be said of the series and the scripts without booting.
# Prints TAP; what a check complains of follows its line.
set -eu
. "$(dirname "$0")/series-lib.sh"

own_kernels
need git perl shellcheck
"$top/scripts/tree.sh"
cd "$top"
git rev-parse -q --verify HEAD > /dev/null 2>&1 ||
	die "$top: not a git checkout: which files are the project's is not known"
output=$(mktemp)
trap 'rm -f "$output" "$output".*' EXIT
trap 'exit 130' INT TERM

# ours PATHSPEC...: files of this project, committed or not yet
ours() { git ls-files -co --exclude-standard -- "$@"; }

# What the patches bring is looked at where it is used.
brought() { list_patches | xargs -r cat | brings | grep '\.[ch]$'; }

# git apply knows no fuzz. An offset is an error only on the version that
# patches/ are kept against.
applies()
{
	cat "$(tree_state).offsets"
	[ "$(tgit show base:Makefile | version_of)" != "$(cat configs/base-version)" ] ||
		[ ! -s "$(tree_state).offsets" ]
}

# A mutant that does not apply takes no guard out, and without a test nobody sees it.
mutants_apply()
{
	red=0
	for mutant in tests/mutants/*.patch; do
		tgit apply --check "$top/$mutant" || red=1
		sed '/^diff --git/q' "$mutant" | grep -q '^Test: ' || { echo "$mutant: has no Test: line"; red=1; }
	done 2>&1
	return $red
}

# checkpatch OPTION...: on the files that standard input names; silent when happy.
# Without a git directory it leaves out a check that takes more of Python.
checkpatch()
{
	GIT_DIR=/nonexistent xargs -r -d '\n' perl "$tree/scripts/checkpatch.pl" --root="$tree" --no-signoff \
		--no-summary --terse --show-types "$@"
}

# as they are sent, with the files that they bring
mail_style()
{
	scripts/series.sh && find build/series -name '[0-9]*.patch' ! -name '0000-*' | sort |
		checkpatch --strict --ignore FILE_PATH_CHANGES
}

# Kernel style too, but a program has other headers, and a kselftest ASSERT_ is
# more than one statement.
program_style()
{
	ours 'tests/*.[ch]' 'bench/*.[ch]' 'tools/*.[ch]' | checkpatch -f \
		--ignore PREFER_DEFINED_ATTRIBUTE_MACRO,VOLATILE,NAKED_SSCANF,EMBEDDED_FUNCTION_NAME \
		--ignore NEW_TYPEDEFS,BRACES,COMPLEX_MACRO,IS_ENABLED_CONFIG
}

# doc_of TREEISH HEADER: what kernel-doc says of it, without line numbers
doc_of()
{
	tgit show "$1:$2" > "$output.h"
	perl "$tree/scripts/kernel-doc" -none "$output.h" 2>&1 | sed "s|$output.h:[0-9]*:||" | sort
}

# W=1 looks at .c files; of a header that was there only what is new counts
kernel_doc()
{
	(cd "$tree" && brought | xargs -r perl scripts/kernel-doc -none -Werror 2>&1) || return
	tgit diff --name-only --diff-filter=M base HEAD -- '*.h' | while read -r header; do
		doc_of base "$header" > "$output.before"
		doc_of HEAD "$header" | comm -13 "$output.before" - | sed "s|^|$header:|"
	done > "$output.added"
	cat "$output.added"
	[ ! -s "$output.added" ]
}

shell()
{
	{
		ours '*.sh'
		ours | xargs -d '\n' grep -lsI '^#!/bin/sh'
	} | sort -u | xargs -d '\n' shellcheck -x
}

# Nothing may depend on where this clone is or on where its packages came from.
places()
{
	{
		echo "$top"
		cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2> /dev/null |
			sed -n 's|.*://\([^/: ]*\).*|\1|p'
	} > "$output.places"
	! ours | xargs -d '\n' grep -nFsI -f "$output.places"
}

# Those that change what is compiled; what is without FREE_USER_PTE is compiled for Xen.
matrix()
{
	arch=$1
	shift
	ARCH=$arch scripts/matrix.sh "$@"
}

warnings() { ARCH=$1 scripts/warnings.sh "$2"; }

number=0
failed=0
while read -r command name; do
	number=$((number + 1))
	say "$name"
	result=ok
	# shellcheck disable=SC2086 # "warnings:arm64:debug" is a command and its arguments
	(IFS=: && $command) > "$output" < /dev/null || result='not ok'
	[ "$result" = ok ] || failed=$((failed + 1))
	echo "$result $number - $name"
	sed 's/^/# /' "$output"
done << END
applies the patches apply without fuzz
mutants_apply the mutants apply, and each names its test
mail_style checkpatch finds nothing in the mails of the series
program_style checkpatch finds nothing in the programs
kernel_doc kernel-doc finds nothing
scripts/raw-walkers.sh PTE tables are mapped by what may fail
shell shellcheck finds nothing
places no file names this machine
warnings:arm64:compile no W=1 or sparse line that stock lacks: arm64
warnings:x86_64:compile no W=1 or sparse line that stock lacks: x86_64
warnings:x86_64:xen no W=1 or sparse line that stock lacks: x86_64 with Xen, without FREE_USER_PTE
warnings:arm64:off no W=1 or sparse line that stock lacks: arm64 with LARGE_ANON_FOLIO=n
matrix:arm64:nosplit:nothp what page tables concern compiles without a warning: no split PTL, THP=n
matrix:x86_64:nofolios what page tables concern compiles without a warning: x86_64 with LARGE_ANON_FOLIO=n
END
echo "1..$number"
[ "$failed" -eq 0 ]
