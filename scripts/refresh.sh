#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# make refresh: what was edited and committed in the kernel tree goes back into
# patches/ and the source files. A patch keeps its number as long as its subject
# or its diff stays; a new one gets the number after its predecessor's (to move
# it to another band, rename the file). Nothing is written before all is checked.
set -eu
. "$(dirname "$0")/series-lib.sh"

need git
[ -d "$tree" ] || die "$tree: does not exist yet; run 'make tree'"
based=$(tgit show base:Makefile | version_of)
version=$(cat "$top/configs/base-version")
[ "$based" = "$version" ] ||
	die "$tree is Linux $based: patches/ are kept against $version (configs/base-version)"
tgit merge-base --is-ancestor base HEAD || die "$tree: HEAD is not on top of base"
[ -z "$(tgit rev-list --merges base..HEAD)" ] || die "$tree: has merge commits"

state=$(tree_state)
[ ! -f "$state" ] || [ "$(sed -n 2p "$state")" = "$(patches_key)" ] ||
	die "patches/ changed since 'make tree': set the tree's own commits aside with" \
		"'git format-patch refs/series/head', run 'make tree' and put them on top with 'git am -3'"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"; tgit worktree prune' EXIT
trap 'exit 130' INT TERM

# Fixups are folded in a worktree that has only the touched files, so that the
# tree's own keep their times.
head=$(tgit rev-parse HEAD)
fixups() { tgit log --format=%s "base..$head" | grep '^\(fixup\|squash\|amend\)! '; }
if fixups > /dev/null; then
	fold=$scratch/fold
	tgit worktree add -q --no-checkout --detach "$fold" HEAD
	tgit diff --name-only base HEAD | sed 's|^|/|' |
		git -C "$fold" sparse-checkout set --no-cone --stdin
	git -C "$fold" checkout -q
	GIT_SEQUENCE_EDITOR=: GIT_EDITOR=: git -C "$fold" -c commit.gpgSign=false rebase -q -i --autosquash base >&2 ||
		die "a fixup does not fold: try 'git -C $tree rebase -i --autosquash base'"
	head=$(git -C "$fold" rev-parse HEAD)
	! fixups >&2 || die "no commit of the series has the subject that these fixups name"
fi

tgit log --format=%b "base..$head" | brings | sort > "$scratch/brought"
twice=$(uniq -d "$scratch/brought")
[ -z "$twice" ] || die "brought by more than one patch: $twice"

# An uncommitted edit has one place to go only in a file that is brought whole.
tgit status --porcelain -uall | cut -c 4- | sort | comm -23 - "$scratch/brought" > "$scratch/loose"
if [ -s "$scratch/loose" ]; then
	while read -r path; do
		echo "$path"
		tgit log --format='	git commit --fixup=%h # %s' "base..$head" -- "$path"
	done < "$scratch/loose" >&2
	die "these edits belong to no patch: commit them in $tree, as a --fixup or as a new patch" \
		"(a new file takes a line 'Brings: <path>' in the message)"
fi

# number SUBJECT PATCH: the number that the same patch has in patches/
list_patches | while read -r patch; do
	subject=$(git mailinfo -b /dev/null /dev/null < "$patch" | sed -n 's/^Subject: //p')
	diff=$(git patch-id --stable < "$patch" | cut -d ' ' -f 1)
	printf '%.4s\t%s\t%s\n' "$(basename "$patch")" "$subject" "${diff:-none}"
done > "$scratch/numbers"
number()
{
	diff=$(git patch-id --stable < "$2" | cut -d ' ' -f 1)
	SUBJECT=$1 awk -F '\t' -v diff="${diff:-empty}" '
		$2 == ENVIRON["SUBJECT"] { subject = $1 + 0 }
		$3 == diff { same = $1 + 0 }
		END { print subject ? subject : same + 0 }' "$scratch/numbers"
}

mkdir "$scratch/patches"
sed 's/^/:(exclude,top)/' "$scratch/brought" > "$scratch/others"
last=0
for commit in $(tgit rev-list --reverse "base..$head"); do
	subject=$(tgit log -1 --format=%s "$commit")
	added=$(tgit diff-tree -r --diff-filter=A --name-only "$commit^" "$commit" |
		sort | comm -23 - "$scratch/brought")
	[ -z "$added" ] || die "'$subject' adds $added: its message needs a line 'Brings: <path>' for each"

	{
		tgit log -1 --format=email --encode-email-headers "$commit" |
			sed '1s/[0-9a-f]\{40\}/0000000000000000000000000000000000000000/' | git stripspace
		echo ---
		xargs -d '\n' -a "$scratch/others" git -C "$tree" diff-tree -p --stat=72 --summary \
			--no-renames --abbrev=12 "$commit^" "$commit" -- .
	} > "$scratch/new"
	# A message may have lines that end it, or that are taken for a header or a diff.
	git mailinfo -b "$scratch/body" /dev/null < "$scratch/new" > "$scratch/info"
	tgit log -1 --format='%an%n%ae%n%s%n%b' "$commit" | git stripspace > "$scratch/committed"
	{
		sed -n 's/^\(Author\|Email\|Subject\): //p' "$scratch/info"
		cat "$scratch/body"
	} | git stripspace | cmp -s - "$scratch/committed" ||
		die "'$subject': its message does not survive as a mail: a line of it is '---', or begins like" \
			"a diff or a mail's header"
	number=$(number "$subject" "$scratch/new")
	[ "$number" -gt "$last" ] || number=$((last + 1))
	last=$number
	name=$(tgit log -1 --format=%f "$commit" | cut -c -52)
	mv "$scratch/new" "$(printf '%s/patches/%04d-%s.patch' "$scratch" "$number" "${name%-}")"
done

# Of a brought file the side that changed since 'make tree' wins.
while read -r path; do
	[ -f "$tree/$path" ] || die "$path: a patch brings it, but $tree does not have it"
	tgit show "refs/series/head:$path" > "$scratch/was" 2> /dev/null || : > "$scratch/was"
	cmp -s "$tree/$path" "$scratch/was" && [ -f "$top/$path" ] && continue
	cmp -s "$tree/$path" "$top/$path" && continue
	[ ! -f "$top/$path" ] || cmp -s "$top/$path" "$scratch/was" ||
		die "$path: differs in $tree and was also edited here; make them the same first"
	echo "$path"
done < "$scratch/brought" > "$scratch/back"

# From here on what is here is what the tree has, however far this gets.
trap '' INT TERM HUP
while read -r path; do
	say "$path"
	mkdir -p "$(dirname "$top/$path")"
	cp "$tree/$path" "$top/$path"
done < "$scratch/back"
mkdir -p "$top/patches"
list_patches | while read -r patch; do
	[ -f "$scratch/patches/${patch##*/}" ] || rm "$patch"
done
for patch in "$scratch"/patches/*; do
	cmp -s "$patch" "$top/patches/${patch##*/}" || [ ! -f "$patch" ] || {
		say "patches/${patch##*/}"
		cp "$patch" "$top/patches/"
	}
done
[ ! -f "$state" ] || sed -i "2s/.*/$(patches_key)/" "$state"
trap 'exit 130' INT TERM HUP
"$top/scripts/tree.sh" --adopt
