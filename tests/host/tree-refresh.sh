#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# make tree and make refresh on a kernel of three files: the round trip, the
# numbers, and that no edit gets lost.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=c GIT_COMMITTER_EMAIL=c@d
unset TREE KERNEL ARCH

# a project with our scripts and a kernel
project=$work/project
tree=$work/tree
kernel=$work/kernel
mkdir -p "$project/configs" "$project/patches" "$kernel/mm"
cp -r "$here/scripts" "$project"
printf 'VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 9\nEXTRAVERSION =\n' > "$kernel/Makefile"
seq 1 40 > "$kernel/mm/memory.c"
seq 1 40 > "$kernel/mm/swap.c"
echo 6.1.9 > "$project/configs/base-version"
git -C "$project" init -q
echo /build > "$project/.gitignore"
printf 'mm: spell numbers\n\nSome of them.\n' > "$project/patches/cover-letter"
export LINUX_SRC="$kernel" TREE="$tree"

tap=0
failed=0
ok()
{
	tap=$((tap + 1))
	what=$1
	shift
	if "$@" > "$work/out" 2>&1; then echo "ok $tap - $what"; else
		echo "not ok $tap - $what"
		failed=1
		sed 's/^/# /' "$work/out"
	fi
}
refused() # TEXT COMMAND...: ends with status 2 and says TEXT
{
	text=$1
	shift
	status=0
	said=$("$@" 2>&1) || status=$?
	echo "$said"
	[ "$status" -eq 2 ] && echo "$said" | grep -q -e "$text"
}
interrupted() { status=0; refresh || status=$?; echo "status $status"; [ "$status" -eq 130 ]; }
make_tree() { "$project/scripts/tree.sh"; }
refresh() { "$project/scripts/refresh.sh"; }
series() { "$project/scripts/series.sh" && git -C "$work/user" am -q --empty=drop "$project"/build/series/*.patch; }
commit() { git -C "$tree" add -A && git -C "$tree" commit -q -m "$1"; }
save() { git -C "$project" add -A && git -C "$project" commit -q -m "$1"; }
nothing() { [ -z "$1" ] || { echo "$1"; return 1; }; }
unchanged() { nothing "$(git -C "$project" status --porcelain)"; }
clean() { nothing "$(git -C "$tree" status --porcelain)"; }
numbers() { (cd "$project/patches" && echo [0-9]* | sed 's/\([0-9]\)-[^ ]*/\1/g'); }
mtimes() { find "$tree" -name .git -prune -o -type f -printf '%p %T@\n' | sort; }

ok 'a tree of the bare kernel' make_tree
sed -i 's/^7$/seven/' "$tree/mm/memory.c"
commit 'mm: spell seven'
sed -i 's/^30$/thirty/' "$tree/mm/memory.c"
echo 'int folio;' > "$tree/mm/folio.c"
commit "mm: spell thirty: it's a \"long\" subject, with ümlauts, that goes over the line's end

Because.

Brings: mm/folio.c"
ok 'refresh writes the patches' refresh
ok 'numbered in order' [ "$(numbers)" = '0001 0002' ]
ok 'named after its subject' [ -f "$project/patches/0001-mm-spell-seven.patch" ]
ok 'a new file becomes a source file' cmp "$tree/mm/folio.c" "$project/mm/folio.c"
ok 'and is in no diff' [ "$(cat "$project"/patches/* | grep -c '^+int folio')" = 0 ]
ok 'the tree is clean afterwards' clean
ok 'and has one commit a patch' [ "$(git -C "$tree" rev-list base..HEAD | wc -l)" = 2 ]
save first

git -C "$project" mv "$project"/patches/0002-* "$project/patches/2001-mm-thirty.patch"
ok 'a patch is moved to another band' make_tree
ok 'refresh after it' refresh
ok 'keeps the number' [ "$(numbers)" = '0001 2001' ]
save band

head=$(git -C "$tree" rev-parse HEAD)
rm -rf "$tree"
ok 'a tree from nothing' make_tree
ok 'is the same commit' [ "$(git -C "$tree" rev-parse HEAD)" = "$head" ]
ok 'refresh without an edit' refresh
ok 'changes nothing' unchanged
mtimes > "$work/before"
ok 'make tree without a change' make_tree
mtimes > "$work/after"
ok 'touches no file' cmp "$work/before" "$work/after"

echo 'int two;' >> "$project/mm/folio.c"
ok 'an edit of a source file here' make_tree
ok 'gets into the tree' cmp "$tree/mm/folio.c" "$project/mm/folio.c"
mtimes | grep -v folio > "$work/after"
grep -v folio "$work/before" > "$work/others"
ok 'and touches no other file there' cmp "$work/others" "$work/after"
ok 'and stays a commit of the series' clean
save source

echo 'int three;' >> "$tree/mm/folio.c"
ok 'an uncommitted edit of it in the tree' refresh
ok 'comes back' cmp "$tree/mm/folio.c" "$project/mm/folio.c"
ok 'and leaves the tree clean' clean
save back

sed -i 's/^20$/twenty/' "$tree/mm/swap.c"
echo 'int four;' >> "$project/mm/folio.c"
ok 'make tree keeps an unrelated edit' make_tree
ok 'as it was' grep -q twenty "$tree/mm/swap.c"
ok 'refresh refuses an edit without a patch' refused 'belong to no patch' refresh
commit 'mm: spell twenty'
ok 'a commit on top' refresh
ok 'gets the next number' [ "$(numbers)" = '0001 2001 2002' ]
save twenty

sed -i 's/^8$/eight/' "$tree/mm/memory.c"
git -C "$tree" commit -q -a --fixup "$(git -C "$tree" log --format=%h --grep seven)"
echo 'int five;' >> "$project/mm/folio.c"
ok 'make tree refuses to drop a commit' refused 'make refresh' make_tree
ok 'refresh folds the fixup' refresh
ok 'into its patch' grep -q '^+eight' "$project/patches/0001-mm-spell-seven.patch"
ok 'and leaves three commits' [ "$(git -C "$tree" rev-list base..HEAD | wc -l)" = 3 ]
ok 'with the edit made here' cmp "$tree/mm/folio.c" "$project/mm/folio.c"
ok 'and nothing loose' clean
save fixup
ok 'refresh again' refresh
ok 'changes nothing again' unchanged

cp -r "$kernel" "$work/user"
git -C "$work/user" init -q
git -C "$work/user" add -A
git -C "$work/user" commit -q -m 6.1.9
ok 'make series writes mails that git am takes' series
ok 'which make the same kernel' diff -r -x .git "$work/user" "$tree"

sed -i 's/^9$/nine/' "$tree/mm/memory.c"
commit 'mm: spell nine'
mv "$project/scripts/tree.sh" "$work/tree.sh"
# shellcheck disable=SC2016 # its parent is refresh.sh
printf '#!/bin/sh\nkill -TERM $PPID; sleep 5\n' > "$project/scripts/tree.sh"
chmod +x "$project/scripts/tree.sh"
ok 'a refresh that is interrupted late' interrupted
mv "$work/tree.sh" "$project/scripts/tree.sh"
ok 'can be run again' refresh
ok 'and has it' [ "$(numbers)" = '0001 2001 2002 2003' ]
save nine

echo 'here' >> "$project/mm/folio.c"
echo 'there' >> "$tree/mm/folio.c"
ok 'make tree refuses to overwrite an edit' refused 'make refresh' make_tree
ok 'refresh refuses to choose' refused 'also edited here' refresh
git -C "$tree" checkout -q mm/folio.c
git -C "$project" checkout -q mm/folio.c

for line in --- 'diff --git a/mm/swap.c b/mm/swap.c' 'From: x <x@y>'; do
	sed -i 's/^10$/ten/' "$tree/mm/memory.c"
	commit "mm: spell ten

$line
is how a line begins."
	ok "a message with the line '$line' is refused" refused 'spell ten.*does not survive' refresh
	git -C "$tree" reset -q --hard HEAD^
done
ok 'nothing of these stayed' unchanged

echo new > "$tree/mm/new.c"
commit 'mm: a new file'
ok 'a new file that nothing brings is refused' refused "Brings: <path>" refresh
git -C "$tree" reset -q --hard HEAD^

sed -i 's/^ 7$/ seventy/; s/^-7$/-seventy/' "$project/patches/0001-mm-spell-seven.patch"
ok 'a patch that does not apply is named' refused '0001-mm-spell-seven.patch: does not apply' make_tree
ok 'refresh does not overwrite an edited patch' refused 'patches/ changed' refresh
git -C "$project" checkout -q patches
ok 'nothing of that stayed' unchanged

echo 41 >> "$kernel/mm/swap.c"
ok 'an edit of LINUX_SRC is not passed over' refused 'changed since .* was made from it' make_tree
sed -i 's/= 1/= 12/' "$kernel/Makefile"
rm -rf "$tree"
ok 'another version is refused' refused 'is Linux 6.12.9; only 6.1.y is supported' make_tree
echo "1..$tap"
exit $failed
