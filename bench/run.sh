#!/usr/bin/env bash
# Runs of /bin/true: `flowctl run` at each durability against make and ninja.
#
# Usage: tools/bench run [--json] [--steps N] [--rounds N]
#
#   --steps N    N independent steps, two at a time, and a chain of N/2
#   --rounds N   how often each program runs them, in turn; the median counts
#
# $FLOWCTL names the program.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/bench/common.sh"
: "${FLOWCTL:=$top/build/cli/flowctl}"
json=false
steps=1000
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
[ -x "$FLOWCTL" ] || { echo "bench: no flowctl at $FLOWCTL" >&2; exit 2; }

work=$(mktemp -d "${TMPDIR:-/tmp}/flow-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

wide() {
	awk -v n="$1" 'BEGIN {
		print "{\"name\":\"wide\",\"steps\":[{\"name\":\"g\",\"limit\":2,\"group\":["
		for (i = 0; i < n; i++)
			printf "{\"name\":\"s%d\",\"exec\":[\"/bin/true\"]}%s\n", i, \
				i < n - 1 ? "," : ""
		print "]}]}"
	}' >wide.json
	awk -v n="$1" 'BEGIN {
		printf "all:"
		for (i = 0; i < n; i++)
			printf " s%d", i
		print "\n.PHONY: all"
		for (i = 0; i < n; i++)
			printf ".PHONY: s%d\ns%d:\n\t@/bin/true\n", i, i
	}' >wide.mk
	awk -v n="$1" 'BEGIN {
		print "rule t\n command = /bin/true"
		printf "build all: phony"
		for (i = 0; i < n; i++)
			printf " s%d", i
		print ""
		for (i = 0; i < n; i++)
			printf "build s%d: t\n", i
	}' >wide.ninja
}

chain() {
	awk -v n="$1" 'BEGIN {
		print "{\"name\":\"chain\",\"steps\":["
		for (i = 0; i < n; i++)
			printf "{\"name\":\"s%d\",\"exec\":[\"/bin/true\"]}%s\n", i, \
				i < n - 1 ? "," : ""
		print "]}"
	}' >chain.json
	awk -v n="$1" 'BEGIN {
		printf "all: s%d\n.PHONY: all\n", n - 1
		for (i = 0; i < n; i++)
			printf ".PHONY: s%d\ns%d:%s\n\t@/bin/true\n", i, i, \
				i ? " s" (i - 1) : ""
	}' >chain.mk
	awk -v n="$1" 'BEGIN {
		printf "rule t\n command = /bin/true\nbuild all: phony s%d\n", n - 1
		for (i = 0; i < n; i++)
			printf "build s%d: t%s\n", i, i ? " s" (i - 1) : ""
	}' >chain.ninja
}

# One run of a peer over a shape.
peer() {
	case $1 in
	make) make -s -j2 -f "$2.mk" >/dev/null ;;
	ninja) rm -f .ninja_log .ninja_deps
		ninja -j2 -f "$2.ninja" >/dev/null ;;
	*) "$FLOWCTL" run "$2.json" --store "$work/store-$1/flow.db" --quiet \
		--durability "$1" ;;
	esac
}

# Steps a second of one run: rate PEER SHAPE COUNT
rate() {
	local begin=${EPOCHREALTIME/[.,]/} end
	peer "$1" "$2"
	end=${EPOCHREALTIME/[.,]/}
	echo $(($3 * 1000000 / (end - begin)))
}

# Print a row: row NAME SHAPE OURS
row() {
	local name best=0 best_name='' ours peers='' figure
	ours=$(median "$2-$3")
	for name in make ninja; do
		[ -f "$2-$name" ] || continue
		figure=$(median "$2-$name")
		peers="$peers${peers:+,}\"$name\":$figure"
		if [ "$figure" -gt "$best" ]; then
			best=$figure
			best_name=$name
		fi
	done
	awk -v json=$json -v row="$1" -v ours="$ours" -v peers="$peers" \
		-v best="$best" -v best_name="$best_name" 'BEGIN {
		ratio = best ? ours / best : 0
		if (json == "true") {
			printf "{\"row\":\"%s\",\"unit\":\"steps/s\",\"ours\":%d," \
				"\"peers\":{%s},\"best_peer\":\"%s\",\"ratio\":%.2f}\n", \
				row, ours, peers, best_name, ratio
		} else {
			gsub(/["{}]/, "", peers)
			gsub(/:/, " ", peers)
			gsub(/,/, ", ", peers)
			printf "%-34s %7d   %-26s %5.2f\n", row, ours, peers, ratio
		}
	}'
}

competitors=(power process none)
for name in make ninja; do
	if command -v $name >/dev/null; then
		competitors+=("$name")
	fi
done
chained=$((steps / 2))
wide "$steps"
chain "$chained"
for ((round = 0; round < rounds; round++)); do
	for name in "${competitors[@]}"; do
		rate "$name" wide "$steps" >>"wide-$name"
		rate "$name" chain "$chained" >>"chain-$name"
	done
done

$json || printf '%-34s %7s   %-26s %5s\n' "steps a second of /bin/true" \
	ours peers ratio
for level in power process none; do
	row "$steps at -j2, $level" wide $level
done
for level in power process none; do
	row "chain of $chained, $level" chain $level
done
