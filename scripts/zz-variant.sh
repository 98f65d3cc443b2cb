set -eu
. "$(dirname "$0")/kbuild.sh"
for v in "tables vt" "release vr"; do
set -- $v
ln -sfn /tmp/team/wt /tmp/team/$2/src
kconfig /tmp/team/wt /tmp/team/$2 $1
kmake /tmp/team/wt /tmp/team/$2 -s -j2 Image > /tmp/team/log/$2.log 2>&1 && echo BUILT $2
done
