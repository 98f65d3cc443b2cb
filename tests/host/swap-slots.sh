#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# folio_alloc_swap() of the tree, compiled for the host (TAP)
set -eu
. "$(dirname "$0")/../../scripts/lib.sh"

need gcc libc6-dev
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
awk '/^swp_entry_t folio_alloc_swap\(/, /^}/' "$tree/mm/swap_slots.c" > "$work/folio_alloc_swap.inc"
gcc -Wall -Wno-unused-function -Werror -I "$work" -o "$work/swap-slots" "$top/tests/host/swap-slots.c"
"$work/swap-slots"
