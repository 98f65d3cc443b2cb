# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# lib.sh and what compiling kernel code takes besides.
. "$(dirname "$0")/lib.sh"

kbuild_packages="build-essential bc bison flex ccache libelf-dev libssl-dev kmod cpio"
[ "$ARCH" != arm64 ] || kbuild_packages="$kbuild_packages gcc-aarch64-linux-gnu"

# Same bytes for the same source, and the same compiler command whatever the
# directories: then ccache finds an object again from another tree or clone.
export KBUILD_BUILD_TIMESTAMP='1 January 2023' KBUILD_BUILD_USER=laf KBUILD_BUILD_HOST=laf
export KBUILD_BUILD_VERSION=1 CCACHE_NOHASHDIR=1 LOCALVERSION=

# For objects that nobody runs: the code of the configuration, in half the time
no_sanitizers="KASAN_SANITIZE=n KCSAN_SANITIZE=n UBSAN_SANITIZE=n"

# kmake SOURCE OUT ARGUMENT...: the kernel's make; it sees its source as "src",
# but for the tools, which are made from directories of their own
kmake()
{
	kmake_src=$1
	kmake_out=$2
	shift 2
	# times of another source's files say nothing about what is stale
	[ "$(readlink "$kmake_out/src")" = "$kmake_src" ] || rm -rf "${kmake_out:?}"/*
	mkdir -p "$kmake_out"
	ln -sfn "$kmake_src" "$kmake_out/src"
	make -C "$kmake_src" O="$kmake_out" srctree="\$(if \$(wildcard src/Kbuild),src,$kmake_src)" \
		ARCH="$ARCH" CROSS_COMPILE="$cross_compile" \
		CC="ccache ${cross_compile}gcc" HOSTCC="ccache gcc" "$@"
}

# kimage SOURCE OUT KERNEL: OUT's image
kimage()
{
	kimage_only=
	if [ "$3" = debug-kcsan ]; then
		kimage_only=$(ARCH="$ARCH" TREE="$1" "$top/scripts/races.sh" -v) || return
	fi
	# shellcheck disable=SC2086 # a list
	kmake "$1" "$2" -j"$JOBS" $kimage_only "${image_file##*/}"
}

# kconfig SOURCE OUT KERNEL: OUT/.config from the fragments, written only if it
# changes. KERNEL=compile: debug, and what is only compiled; xen: release, and
# Xen; stock-*: the same for the pristine source.
kconfig()
{
	edit=
	own=
	case $3 in
	off) edit='s/^\(CONFIG_LARGE_ANON_FOLIO\)=y/# \1 is not set/' ;;
	stock* | 6.12) edit='/LARGE_ANON_FOLIO\|FREE_USER_PTE/d' ;;
	64k) edit='/LARGE_ANON_FOLIO\|THP_SWAP/d; s/ARM64_4K_PAGES/ARM64_64K_PAGES/' ;;
	esac
	case $3 in
	*debug) own=debug ;;
	*compile)
		own=debug
		[ "$ARCH" != x86_64 ] || own="debug compile-x86_64"
		;;
	*xen) own=xen-x86_64 ;;
	debug-*) own="debug matrix/${3#debug-}" ;;
	6.12 | tables) own=$3 ;;
	esac

	mkdir -p "$2"
	# the last fragment that names a symbol has the say
	# shellcheck disable=SC2086 # a list
	(cd "$top/configs" && sed "$edit" common $ARCH $own) | awk -F '[= ]' '
		/^CONFIG_/ { line[$1] = $0 }
		/^# CONFIG_.* is not set$/ { line[$2] = $0 }
		END { for (symbol in line) print line[symbol] }' | sort > "$2/.fragment"
	kmake "$1" "$2" -s KCONFIG_ALLCONFIG="$2/.fragment" KCONFIG_CONFIG="$2/.config.new" allnoconfig
	if cmp -s "$2/.config.new" "$2/.config"; then
		rm "$2/.config.new"
	else
		mv "$2/.config.new" "$2/.config"
	fi
}

# kconfig_lost OUT: prints what the fragments ask for and .config does not have
kconfig_lost()
{
	grep '^CONFIG_' "$1/.fragment" | grep -vxFf "$1/.config" || :
	# "is not set" is also said by a symbol's absence
	sed -n 's/^# \(.*\) is not set$/^\1=/p' "$1/.fragment" | grep -f - "$1/.config" || :
}
