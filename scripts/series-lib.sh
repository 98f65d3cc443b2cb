# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# lib.sh and what the scripts that read or write patches/ share.
. "$(dirname "$0")/lib.sh"

tgit() { git -C "$tree" "$@"; }

# tree_state: a file that says what the tree was made from: line 1 everything,
# line 2 patches/; beside it ".offsets", the hunks that did not apply in place
tree_state() { echo "$(tgit rev-parse --absolute-git-dir)/laf-state"; }

list_patches()
{
	find "$top/patches" -name '[0-9][0-9][0-9][0-9]-*.patch' 2>/dev/null | sort
}

# patches_key: one word for the content of patches/
patches_key()
{
	list_patches | xargs -r -d '\n' cat | sha1sum | cut -d ' ' -f 1
}

# brings: the whole files that come with the patch or message on standard input
brings()
{
	sed -n 's/^Brings: *//p'
}

# touched_here: of the files on standard input those that ARCH compiles
touched_here()
{
	case $ARCH in
	x86_64) other=arch/arm64 ;;
	*) other=arch/x86 ;;
	esac
	grep -v "^\($other\|tools\|samples\|Documentation\)/" || :
}

# compiled_from TREEISH FRAGMENT...: one word for what a compile of it with these of
# configs/ depends on. A document is not compiled; with HEAD, local edits are.
compiled_from()
{
	{
		tgit ls-tree "$1" | grep -v '	Documentation$'
		[ "$1" != HEAD ] || tgit diff HEAD
		shift
		(cd "$top/configs" && cat "$@" ../scripts/kbuild.sh)
		"${cross_compile}gcc" --version
	} | sha1sum | cut -d ' ' -f 1
}

# kept KEY FILE: FILE has KEY, which was put there when the result was good
kept()
{
	[ "$1" = "$(cat "$2" 2> /dev/null)" ] || return 1
	say "$ARCH: good the last time, and nothing that it depends on has changed"
}
