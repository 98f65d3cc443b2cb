# SPDX-License-Identifier: GPL-2.0
# From what the guest's runner prints on a stock kernel to what that is worth:
# laf.* needs the feature and has to fail, after it has said which order it
# wanted; everything else has to pass, or says what it is without (the harness
# names a test that is skipped only where it starts).
/^# Subtest: / { red = ""; bad = 0; running = "" }
/^    # +RUN / { running = $3 }
/^    # .*order wanted/ && red == "" {
	red = $0
	sub(/.*order wanted/, ", red: order wanted", red)
}
/^    (not )?ok / {
	failed = $1 == "not"
	skip = match($0, / # SKIP .*/) ? substr($0, RSTART) : ""
	name = skip != "" && running != "" ? running skip : $NF
	good = name ~ /^laf\./ || (skip != "" && name !~ /^stock\./) ? failed && red != "" : !failed
	bad += !good
	printf "    %sok - %s%s\n", good ? "" : "not ", name, red
	red = ""
	next
}
/^(not )?ok / {
	died = !/exit status 1$/ && $1 == "not"
	sub(/^(not )?ok/, bad || died ? "not ok" : "ok")
	sub(/, exit status 1$/, "")
}
{ print }
