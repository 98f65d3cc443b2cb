#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# make tree: a git tree of the kernel, tag "base" = pristine source, then one
# commit per patch of the series. The commits are made in an index of their own
# and the tree then moves to the last one, so that files whose content stays
# keep their times and no local edit can be lost. "--adopt" (make refresh): the
# working files are what the series was just written from.
set -eu
. "$(dirname "$0")/series-lib.sh"

need git

source=$(KERNEL=release "$top/scripts/source.sh")
mkdir -p "$(dirname "$tree")"
exec 7> "$tree.lock"
flock 7
version=$(version_of < "$source/Makefile")
if ! [ -d "$tree" ]; then
	say "making $tree"
	rm -rf "$tree.new"
	mkdir -p "$tree.new"
	tar -C "$source" --exclude=./.git -cf - . | tar -C "$tree.new" -xf -
	cd "$tree.new"
	git init -q -b series
	git config gc.auto 0
	git add -A -f
	GIT_AUTHOR_DATE='2023-01-01 00:00 +0000' GIT_COMMITTER_DATE='2023-01-01 00:00 +0000' \
		git -c user.name=laf -c user.email=laf@localhost -c commit.gpgSign=false \
		commit -q --no-verify -m "Linux $version"
	git tag base
	cd "$top"
	mv "$tree.new" "$tree"
fi

based=$(tgit show base:Makefile | version_of)
[ "$based" = "$version" ] ||
	die "$tree is Linux $based, $source is $version: remove the one that is out of date"

# LINUX_SRC is somebody's own, who may go on with it: is the tree still made from it?
if [ "$LINUX_SRC" ] && [ "${1:-}" != --adopt ]; then
	files=$(cd "$source" && find . -name .git -prune -o -type f -printf '%P %s %T@\n' | sort | cksum)
	made_from=$(tree_state).source
	[ -f "$made_from" ] || echo "$files" > "$made_from"
	[ "$files" = "$(cat "$made_from")" ] ||
		die "LINUX_SRC=$source: changed since $tree was made from it: remove the tree, so that it is made again"
fi

# What the tree has to be made from, in one word
key=$(
	tgit rev-parse base
	for patch in $(list_patches); do
		cat "$patch"
		for path in $(brings < "$patch"); do
			[ -f "$top/$path" ] || die "$(basename "$patch"): brings $path, which is missing"
			echo "$path"
			cat "$top/$path"
		done
	done
) || exit
key=$(echo "$key" | sha1sum | cut -d ' ' -f 1)
state=$(tree_state)
[ "$key" != "$(sed -n 1p "$state" 2>/dev/null)" ] || exit 0

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
export GIT_INDEX_FILE="$scratch/index"
export GIT_COMMITTER_NAME=laf GIT_COMMITTER_EMAIL=laf@localhost
head=$(tgit rev-parse base)
tgit read-tree base
count=0
: > "$state.offsets.new"
for patch in $(list_patches); do
	git mailinfo -b "$scratch/body" "$scratch/diff" < "$patch" > "$scratch/info"
	field() { sed -n "s/^$1: //p" "$scratch/info"; }
	subject=$(field Subject)
	[ "$subject" ] || die "$(basename "$patch"): has no Subject: line"
	if ! tgit apply --cached --allow-empty -v "$scratch/diff" 2> "$scratch/apply"; then
		grep -v '^Checking patch' "$scratch/apply" >&2
		die "$(basename "$patch"): does not apply to $(tgit log -1 --format=%s base)"
	fi
	sed -n "s/^Hunk \(.*offset.*\)/$(basename "$patch"): hunk \1/p" "$scratch/apply" >> "$state.offsets.new"
	for path in $(brings < "$patch"); do
		mode=644
		[ ! -x "$top/$path" ] || mode=755
		tgit update-index --add --cacheinfo "100$mode,$(tgit hash-object -w "$top/$path"),$path"
	done
	date=$(field Date)
	head=$(printf '%s\n\n%s\n' "$subject" "$(cat "$scratch/body")" | git stripspace |
		GIT_AUTHOR_NAME=$(field Author) GIT_AUTHOR_EMAIL=$(field Email) GIT_AUTHOR_DATE=$date \
		GIT_COMMITTER_DATE=$date tgit commit-tree -p "$head" "$(tgit write-tree)")
	count=$((count + 1))
done
unset GIT_INDEX_FILE

case $(tgit rev-parse HEAD) in
"$(tgit rev-parse base)" | "$head" | "$(tgit rev-parse -q --verify refs/series/head)") ;;
*)
	[ "${1:-}" = --adopt ] ||
		die "$tree has commits that are not in patches/, and patches/ changed: keep them with" \
			"'make refresh', or drop them with 'git -C $tree reset --hard refs/series/head'"
	;;
esac
if [ "${1:-}" = --adopt ]; then
	tgit reset -q "$head"
	# a brought file that was edited here, not in the tree
	for patch in $(list_patches); do
		for path in $(brings < "$patch"); do tgit checkout -q -- "$path"; done
	done
else
	# an interrupt from the terminal does not leave it half done
	setsid -w git -C "$tree" reset -q --keep "$head" ||
		die "$tree has edits in files that the series changes: keep them with 'make refresh'"
fi
tgit update-ref refs/series/head "$head"
mv "$state.offsets.new" "$state.offsets"
{ echo "$key"; patches_key; } > "$state"
say "$tree: $count patches on $(tgit log -1 --format=%s base)"
