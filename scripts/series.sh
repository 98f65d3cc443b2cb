#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# make series: the series as mails, new files included, with a cover letter from
# patches/cover-letter (first line: its subject).
set -eu
. "$(dirname "$0")/series-lib.sh"

need git
"$top/scripts/tree.sh"
out=$build/series
letter=$top/patches/cover-letter
rm -rf "$out"
tgit format-patch -q --no-signature --cover-letter -o "$out" \
	--subject-prefix="PATCH $(tgit show base:Makefile | version_of)" base..refs/series/head

# where a file of ours lives is no news to a reader of the mails
sed -i '/^Brings: /d' "$out"/*.patch
subject=$(sed 1q "$letter")
sed 1,2d "$letter" > "$out/blurb"
sed -i -e "s|[*]* SUBJECT HERE [*]*|$subject|" -e "/[*]* BLURB HERE [*]*/{
	r $out/blurb
	d
}" "$out"/0000-*.patch
rm "$out/blurb"
say "$(find "$out" -name '*.patch' | wc -l) mails in $out"
