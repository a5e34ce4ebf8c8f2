#!/usr/bin/env bash
# What expressions cost: a path, a comparison, a template, macros, compiling.
#
# Usage: tools/bench dsl [--json] [--rounds N] [ROW...]
#
#   --rounds N   how often a row runs, as a new process each time; the least
#                counts
#   ROW          only these; else all, and all of `tools/bench compile`
#
# Builds this tree in build-bench/. There are no peers: other programs that
# evaluate CEL in C are not to be had as packages.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/bench/common.sh"
build=$top/build-bench
bench=$build/bench/dsl_bench
json=false
rounds=5
wanted=()

while [ $# -gt 0 ]; do
	case $1 in
	--json) json=true ;;
	--rounds) rounds=${2:?}; shift ;;
	-h | --help) usage 0 ;;
	-*) echo "bench: unknown option '$1'" >&2; usage 2 >&2 ;;
	*) wanted+=("$1") ;;
	esac
	shift
done

build_bench "$build" bench/dsl_bench || exit 1

# The least figure of a row's rounds.
least() {
	local round
	for ((round = 0; round < rounds; round++)); do
		"$bench" "$1" 1
	done | sort -n | awk 'NR == 1 { print $1 }'
}

mapfile -t rows < <("$bench" --list | cut -d ' ' -f 1)
whole=false
[ ${#wanted[@]} -gt 0 ] || { whole=true; wanted=("${rows[@]}"); }
for row in "${wanted[@]}"; do
	[[ " ${rows[*]} " == *" $row "* ]] || {
		echo "bench: no row '$row'; there are ${rows[*]}" >&2
		exit 2
	}
done
$json || printf '%-14s %10s\n' row "ns"
for row in "${wanted[@]}"; do
	figure=$(least "$row")
	if $json; then
		printf '{"row":"%s","unit":"ns","ours":%s,"peers":{},"best_peer":"","ratio":0}\n' \
			"$row" "$figure"
	else
		printf '%-14s %10s\n' "$row" "$figure"
	fi
done
$whole || exit 0
options=(--rounds "$rounds")
$json && options+=(--json) || echo
exec "$top/bench/compile.sh" "${options[@]}"
