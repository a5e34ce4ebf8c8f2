#!/usr/bin/env bash
# Compiling pipelines of many shapes, and running a foreach that does nothing.
#
# Usage: tools/bench compile [--json] [--steps N] [--rounds N]
#
#   --steps N    steps of each shape (100000); `flat` also with ten times N,
#                and a foreach of ten times N items of core.noop
#   --rounds N   how often each is measured; the median counts (5)
#
# Seconds of CPU time (of the clock, for the foreach), and the most memory in
# MiB. There is no peer that reads this language: the ratio is to the promise,
# where there is one: a second for 100,000 steps, 300 MiB for the foreach.
# $FLOWCTL and $COMPILE_BENCH name the programs, if not those of build-bench/.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/bench/common.sh"
build=$top/build-bench
: "${FLOWCTL:=$build/cli/flowctl}"
: "${COMPILE_BENCH:=$build/bench/compile_bench}"
json=false
steps=100000
rounds=5

while [ $# -gt 0 ]; do
	case $1 in
	--json) json=true ;;
	--steps) steps=$2; shift ;;
	--rounds) rounds=$2; shift ;;
	-h | --help) usage 0 ;;
	*) echo "bench: unknown argument '$1'" >&2; usage 2 >&2 ;;
	esac
	shift
done

work=$(mktemp -d "${TMPDIR:-/tmp}/flow-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
build_bench "$build" bench/compile_bench cli/flowctl \
	engine/proc/flo-minder || exit 1
for program in "$FLOWCTL" "$COMPILE_BENCH"; do
	[ -x "$program" ] || { echo "bench: no $program" >&2; exit 2; }
done
cd "$work"

# Print a row: row NAME UNIT OURS [PROMISED]
row() {
	awk -v json=$json -v row="$1" -v unit="$2" -v ours="$3" -v want="${4:-}" \
		'BEGIN {
		ratio = want != "" && ours > 0 ? want / ours : 0
		if (json == "true" && want == "")
			printf "{\"row\":\"%s\",\"unit\":\"%s\",\"ours\":%s," \
				"\"peers\":{},\"best_peer\":null,\"ratio\":null}\n",
				row, unit, ours
		else if (want == "")
			printf "%-42s %9s %s\n", row, ours, unit
		else if (json == "true")
			printf "{\"row\":\"%s\",\"unit\":\"%s\",\"ours\":%s," \
				"\"peers\":{\"promised\":%s},\"best_peer\":" \
				"\"promised\",\"ratio\":%.2f}\n", row, unit, \
				ours, want, ratio
		else
			printf "%-42s %9s %-4s %9s %6.2f\n", row, ours, unit, \
				want, ratio
	}'
}

# compile SHAPE STEPS PROMISED
compile() {
	local i
	for ((i = 0; i < rounds; i++)); do
		"$COMPILE_BENCH" "$1" "$2" >out
		cut -d' ' -f1 out >>"$1-$2-s"
		cut -d' ' -f2 out >>"$1-$2-mb"
	done
	row "compile $2, $1" s "$(median "$1-$2-s")" "$3"
	row "compile $2, $1, memory" MiB "$(median "$1-$2-mb")"
}

# foreach ITEMS LIMIT
foreach() {
	local i name="foreach of $1 core.noop${2:+, limit $2}" begin end
	awk -v n="$1" -v limit="${2:+\"limit\":$2,}" 'BEGIN {
		printf "{\"name\":\"p\",\"steps\":[{\"name\":\"f\",%s\"use\":" \
			"\"core.noop\",\"foreach\":[0", limit
		for (i = 1; i < n; i++)
			printf ",%d", i
		print "]}]}"
	}' >foreach.json
	for ((i = 0; i < rounds; i++)); do
		rm -rf store
		begin=${EPOCHREALTIME/[.,]/}
		"$FLOWCTL" run foreach.json --store store/flow.db --quiet \
			--durability none &
		peak $! >>"mb-$2"
		wait $!
		end=${EPOCHREALTIME/[.,]/}
		echo "$begin $end" | awk '{ printf "%.2f\n", ($2 - $1) / 1e6 }' \
			>>"s-$2"
	done
	row "$name" s "$(median "s-$2")"
	row "$name, memory" MiB "$(median "mb-$2")" 300
}

# The most memory process PID had, in MiB, seen until it ended.
peak() {
	local kib most=0
	while kib=$(awk '/^VmHWM/ { print $2 }' "/proc/$1/status" 2>/dev/null) &&
		[ -n "$kib" ]; do
		most=$kib
		sleep 0.1
	done
	echo $((most / 1024))
}

$json || printf '%-42s %9s %-4s %9s %6s\n' "compile and foreach" ours '' \
	promised ratio
for shape in $("$COMPILE_BENCH"); do
	compile "$shape" "$steps" "$(awk -v n="$steps" 'BEGIN { print n / 1e5 }')"
done
compile flat $((steps * 10)) "$(awk -v n="$steps" 'BEGIN { print n / 1e4 }')"
foreach $((steps * 10)) ''
foreach $((steps * 10)) 64
