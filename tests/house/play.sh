# shellcheck shell=bash
# What plays the console blocks of a text; sourced by tests that do.
#
# $doc is the text, $work a directory: what a command printed is in $work/have,
# what the text says in $work/want. $command is the last command, and begins in
# line $number; settle() sets failed=1.

# Times, ids, and gaps.
even() {
	sed -E -e 's/^run [0-9A-Za-z-]+ started/run ID started/' \
		-e 's/(flowctl: run|flowctl rerun) [0-9A-Za-z-]+ /\1 ID /' \
		-e 's/\b[0-9]+(\.[0-9]+)? ?(us|ms|s)\b/TIME/g' \
		-e 's/[ \t]+/ /g' -e 's/ $//'
}

# Compare what the last command printed with what the text says.
settle() {
	[ -n "$command" ] || return 0
	even <"$work/want" >"$work/want.even"
	even <"$work/have" >"$work/have.even"
	if ! awk -f "$top/tests/scenario/lib/match.awk" "$work/want.even" \
		"$work/have.even" >"$work/why"; then
		printf '%s:%d: $ %s\n' "$doc" "$number" "$command"
		cat "$work/why"
		sed 's/^/  | /' "$work/have"
		failed=1
	fi
	command=
}
