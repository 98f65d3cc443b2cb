#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# guard.sh COMMAND...: runs it; ends it, with all that it has started, at Ctrl-C,
# when this script is told to end, and with the one that called it.
[ "${GUARDED:-}" = $$ ] || GUARDED=$$ exec setpriv --pdeathsig TERM "$0" "$@"
set -eu

"$@" &
command=$!

# below PID...: these and all that they have started
below()
{
	for pid; do
		echo "$pid"
		# shellcheck disable=SC2046 # numbers
		below $(cat "/proc/$pid/task/$pid/children" 2> /dev/null)
	done
}

# end STATUS
end()
{
	trap '' INT TERM HUP
	# shellcheck disable=SC2046 # numbers
	kill $(below "$command") 2> /dev/null || :
	wait "$command" || :
	exit "$1"
}
trap 'end 130' INT
trap 'end 143' TERM HUP

status=0
wait "$command" || status=$?
exit $status
