#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Compiles the guest programs of ARCH, static, into build/tests/ARCH. The
# kselftest headers are those of the pristine source.
set -eu
. "$(dirname "$0")/lib.sh"

case $ARCH in
arm64) need make gcc-aarch64-linux-gnu libc6-dev-arm64-cross ;;
x86_64) need make gcc libc6-dev ;;
esac
source=$(KERNEL=stock "$top/scripts/source.sh")
exec make -s -C "$top/tests/guest" -j"$JOBS" OUT="$build/tests/$ARCH" \
	SELFTESTS="$source/tools/testing/selftests" CROSS_COMPILE="$cross_compile"
