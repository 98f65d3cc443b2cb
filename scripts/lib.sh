# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# Sourced by every script: where things are, how to fail, what to install.
# make passes its variables through the environment; their defaults are here.

# The kernel's make runs below ours and must not inherit our command line.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL GNUMAKEFLAGS
export LC_ALL=C

top=$(cd "$(dirname "$0")/.." && pwd -P)
while [ "$top" != / ] && [ ! -f "$top/scripts/lib.sh" ]; do top=$(dirname "$top"); done
build=$top/build

: "${ARCH:=arm64}" "${KERNEL:=release}" "${LINUX_SRC:=}" "${JOBS:=$(nproc)}"
start=$(date +%s)

say()
{
	printf '%s [%d s] %s\n' "$(basename "$0" .sh)" $(($(date +%s) - start)) "$*" >&2
}

die()
{
	printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2
	exit 2
}

# one_of VAR "a b c": the variable's value is one of these words
one_of()
{
	eval "value=\${$1-}"
	for word in $2; do
		[ "$value" != "$word" ] || return 0
	done
	die "$1=$value: must be one of: $2"
}

# is_number VAR: the variable's value is a whole number
is_number()
{
	eval "value=\${$1-}"
	case $value in
	'' | *[!0-9]*) die "$1=$value: must be a whole number" ;;
	esac
}

# in_range VAR MIN MAX: the variable's value is a plain number from MIN to MAX
in_range()
{
	is_number "$1"
	case $value in
	0?* | ???????*) die "$1=$value: must be a plain number" ;;
	esac
	if [ "$value" -lt "$2" ] || [ "$value" -gt "$3" ]; then
		die "$1=$value: must be from $2 to $3"
	fi
}

# own_kernels: for what chooses its kernels itself, and would ignore another one
own_kernels()
{
	[ "$KERNEL" = release ] || die "KERNEL=$KERNEL: this target chooses its kernels itself"
}

# no_blanks WHAT PATH: what the kernel's make and lists of files can work with
no_blanks()
{
	case $2 in
	*[[:space:]:]*) die "$1$2: a path with blanks or colons does not work" ;;
	esac
}

# need PACKAGE...: installs the Debian packages that are missing
need()
{
	missing=
	for package; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			missing="$missing $package"
	done
	[ "$missing" ] || return 0

	sudo=
	[ "$(id -u)" -eq 0 ] || sudo='sudo -n'
	say "installing$missing"
	# shellcheck disable=SC2086 # a list
	if ! { ${sudo:+$sudo} apt-get -q update && ${sudo:+$sudo} env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 install $missing
	} >&2; then
		die "cannot install$missing: run 'apt-get install$missing' as root"
	fi
}

# version_of: the kernel version that the Makefile on standard input names
version_of()
{
	sed -n 's/^\(VERSION\|PATCHLEVEL\|SUBLEVEL\) = //p' | paste -s -d .
}

no_blanks '' "$top"
one_of ARCH "arm64 x86_64"
# configs/matrix/
matrix="kcsan nofolios nosplit notables nothp voluntary"
one_of KERNEL "release debug stock off tables 6.12 64k debug-$(echo "$matrix" | sed 's/ / debug-/g')"
in_range JOBS 1 1024
[ "$ARCH-$KERNEL" != x86_64-64k ] || die "KERNEL=64k: only ARCH=arm64 has 64K pages"

case $ARCH in
arm64) cross_compile=aarch64-linux-gnu- image_file=arch/arm64/boot/Image ;;
x86_64) cross_compile='' image_file=arch/x86/boot/bzImage ;;
esac

# Another source gets directories of its own beside those of Debian's.
suffix=
if [ "$LINUX_SRC" ]; then
	[ -f "$LINUX_SRC/Makefile" ] || die "LINUX_SRC=$LINUX_SRC: not a kernel source tree"
	LINUX_SRC=$(cd "$LINUX_SRC" && pwd -P)
	no_blanks LINUX_SRC= "$LINUX_SRC"
	case $(version_of < "$LINUX_SRC/Makefile") in
	6.1.*) ;;
	*) die "LINUX_SRC=$LINUX_SRC: is Linux $(version_of < "$LINUX_SRC/Makefile"); only 6.1.y is supported" ;;
	esac
	suffix=-$(printf %s "$LINUX_SRC" | cksum | cut -d ' ' -f 1)
fi
tree=${TREE:-$build/tree$suffix}
kernel_dir=${KERNEL_DIR:-$build/kernel/$ARCH-$KERNEL$suffix}
