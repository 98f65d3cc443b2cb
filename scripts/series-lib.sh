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
