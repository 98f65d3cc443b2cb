# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# Sourced after lib.sh: Debian packages of the guest's architecture. They are only
# extracted: nothing of that architecture runs here.

debian_suite=bookworm # its gcc made the figures that ours are compared with
case $ARCH in
arm64) debian_arch=arm64 compiler="gcc-aarch64-linux-gnu libc6-dev-arm64-cross" ;;
x86_64) debian_arch=amd64 compiler="gcc libc6-dev" ;;
esac

# extract DIR PACKAGE...: the packages and what they depend on
extract()
{
	dir=$1
	shift
	# shellcheck disable=SC2016 # for the shell that mmdebstrap starts
	mmdebstrap --quiet --mode=chrootless --variant=extract --architectures="$debian_arch" \
		--setup-hook='cd "$1" && mkdir -p usr/bin usr/sbin usr/lib usr/lib64 && ln -s usr/bin usr/sbin usr/lib usr/lib64 .' \
		--include="$(echo "$*" | tr -s ' \t' ,)" "$debian_suite" "$dir" >&2
}

# current FILE INPUT...: FILE exists and is not older than any input
current()
{
	[ -f "$1" ] && [ -z "$(find "$@" -newer "$1")" ]
}
