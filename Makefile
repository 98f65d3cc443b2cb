# SPDX-License-Identifier: GPL-2.0
# One rule a target; variables reach the scripts through the environment.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.SILENT:

# as typed: a $ in them is for the guest
override CMD := $(value CMD)
override APPEND := $(value APPEND)
export CMD APPEND
# which races count is for the matrix to say
unexport RACES

help:		## this list
	echo 'make TARGET [VARIABLE=value]...'
	echo
	sed -n 's/^\([a-z-]*\):[^#]*## */  \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18
	echo
	sed -n 's/^# \([A-Z_]*=\)/  \1/p' $(firstword $(MAKEFILE_LIST))

tree:		## git tree of the kernel in build/tree: tag "base", then one commit per patch
	scripts/tree.sh

refresh:	## commits and edits in that tree go back into patches/ and the source files
	scripts/refresh.sh

series:		## the whole as mails for git send-email or git am, in build/series
	scripts/series.sh

kernel:		## builds the kernel that ARCH and KERNEL name
	scripts/guard.sh scripts/kernel.sh

print-image:	## its path (with make -s)
	scripts/run.sh -c
	scripts/kernel.sh -i

boot:		## a shell in that kernel
	scripts/run.sh -i

run:		## runs CMD in it, in a copy of the folder FILES (scripts/run.sh ends with its status, make with 0 or 2)
	@scripts/run.sh

check:		## patches apply, checkpatch, no new warning or sparse line, kernel-doc, shellcheck
	scripts/guard.sh scripts/check.sh

bisect:		## builds what each patch of the series touches, for both architectures
	ARCH=arm64 scripts/guard.sh scripts/bisect.sh
	ARCH=x86_64 scripts/guard.sh scripts/bisect.sh

test:		## the tests: check, KUnit and programs in debug guests of both architectures
	scripts/guard.sh scripts/test.sh

test-matrix:	## what concerns page tables, on debug kernels of ARCH with other options (configs/matrix)
	scripts/guard.sh scripts/test.sh matrix

tests-build:	## only compiles the guest programs of ARCH
	scripts/tests-build.sh

test-mutants:	## takes each guard out in turn: its test has to fail
	scripts/guard.sh scripts/mutants.sh

test-peers:	## selftests and stress-ng, unmodified, on stock, patched and 6.12: case by case (can be resumed)
	scripts/guard.sh scripts/peers.sh

stress:		## everything at once with every page checked, on the debug kernel of ARCH (can be resumed)
	scripts/guard.sh scripts/stress.sh

bench:		## what a kernel compile costs on stock and patched kernels (PEERS=1: and FREE_USER_PTE=y, 6.12, 64K pages)
	scripts/guard.sh bench/kbuild/kbuild.sh

bench-mm:	## what the basic memory operations cost, in kernel instructions (PEERS=1: and 6.12)
	scripts/guard.sh bench/mm/mm.sh

bench-pte:	## which page tables stay behind when memory is given back, and what FREE_USER_PTE costs
	scripts/guard.sh bench/pte/pte.sh

clean:		## removes what was built and measured; keeps the sources and the tree
	rm -rf build/kernel build/check build/bisect build/series build/root build/tests build/peers build/results \
		build/mutants build/stress build/bench

# ARCH=arm64|x86_64    (arm64) make bisect and make test take both, the benchmarks arm64
# KERNEL=release|debug|debug-*|stock|off|tables|6.12|64k    (release) off: LARGE_ANON_FOLIO=n; tables: FREE_USER_PTE=y; debug-*: see configs/matrix
# LINUX_SRC=DIR    any 6.1.y source in place of Debian's linux-source-6.1
# ROOT=test|debian    (test) a small root, or Debian arm64 with gcc
# SMP=N MEM=SIZE NUMA=N MTE=0|1    (2, 2G, 1, 0) the guest's hardware; tests and benchmarks have theirs
# ICOUNT=0|1 ACCEL=tcg|kvm    (0, tcg) ICOUNT counts instructions exactly with SMP=1; with SMP=2 it repeats the interleaving
# APPEND='...'    words for the kernel's command line
# FILES=DIR CMD='...' TIMEOUT=SECONDS    (600) for make run
# IMAGE=FILE LOG=FILE    for make run: a kernel built elsewhere, and where the kernel log goes
# MINUTES=N FAULTS=0|1    (30, 0) of make stress; FAULTS: allocations fail, too. Its seed repeats what each thread does; ICOUNT=1 SMP=2: and in which order
# PROGRAMS='...'    (all) of make test-peers: names from tests/peers/programs
# PEERS=0|1    (0) make bench and make bench-mm also measure other kernels
# JOBS=N    (all cores) parallel compilers

.PHONY: help tree refresh series kernel print-image boot run check bisect test tests-build \
	test-mutants test-peers stress bench bench-mm bench-pte clean
