#!/usr/bin/env bash
# The scheduler against Go, oneTBB and Boost.Fiber, row by row.
#
# Usage: tools/bench sched [--json] [--rounds N] [--procs "1 2"] [ROW...]
#
#   --rounds N   how often each program runs a row, in turn; the median counts
#   --procs LIST numbers of scheduler threads, least first
#   ROW          only these; a pattern such as 'dag-*' is a row too
#
# Builds this tree in build-bench/ and the peers in build-bench/peers/, after
# an attempt to install what they need (tools/setup bench). The ratio is above 1
# where we are ahead of the best peer; targets are in bench/sched.targets.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/bench/common.sh"
build=$top/build-bench
json=false
rounds=5
procs="1 2"
wanted=()

while [ $# -gt 0 ]; do
	case $1 in
	--json) json=true ;;
	--rounds) rounds=${2:?}; shift ;;
	--procs) procs=${2:?}; shift ;;
	-h | --help) usage 0 ;;
	-*) echo "bench: unknown option '$1'" >&2; usage 2 >&2 ;;
	*) wanted+=("$1") ;;
	esac
	shift
done

# Programs by their names in the table; what stands between is a command.
declare -A command=(
	[ours]="$build/bench/sched_bench"
	[go]="$build/peers/go"
	[go-wg]="$build/peers/go --waitgroup"
	[tbb]="$build/peers/tbb"
	[fiber]="$build/peers/fiber"
)
peers=(go go-wg tbb fiber)

work=$(mktemp -d "${TMPDIR:-/tmp}/flow-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
build_bench "$build" bench/sched_bench || exit 1
"$top/bench/peers/build" "$build/peers"

# List what each program can do, and forget programs that are not there.
present=()
for name in ours "${peers[@]}"; do
	# shellcheck disable=SC2086 # a command and its words
	if [ -x "${command[$name]%% *}" ]; then
		${command[$name]} --list >"$work/list-$name"
		present+=("$name")
	fi
done

is_wanted() {
	local pattern
	[ ${#wanted[@]} -gt 0 ] || return 0
	for pattern in "${wanted[@]}"; do
		# shellcheck disable=SC2053 # a pattern is meant
		[[ $1 == $pattern ]] && return 0
	done
	return 1
}

# Whether a row that is for one, many or any number of threads is for this one.
is_for() {
	case $1 in
	one) [ "$2" -eq 1 ] ;;
	many) [ "$2" -gt 1 ] ;;
	esac
}

# One run of a row by one program, its figure appended to what it had before.
once() {
	local figure
	# shellcheck disable=SC2086
	if figure=$(timeout 120 ${command[$1]} "$2" "$3"); then
		echo "${figure% *}" >>"$work/$2-$3-$1"
	else
		echo "bench: $1 failed at $2 with $3 threads" >&2
	fi
}

# All rounds of a row, and a line "ROW PROCS UNIT NAME FIGURE" for each program.
measure() {
	local row=$1 unit=$2 p=$3 round name
	local -a able=()
	for name in "${present[@]}"; do
		grep -q "^$row " "$work/list-$name" && able+=("$name")
	done
	for ((round = 0; round < rounds; round++)); do
		for name in "${able[@]}"; do
			once "$name" "$row" "$p"
		done
	done
	for name in "${able[@]}"; do
		[ -f "$work/$row-$p-$name" ] || continue
		echo "$row $p $unit $name $(median "$work/$row-$p-$name")"
	done
}

report() {
	awk -f "$top/bench/report.awk" -v json=$json -v peers="${peers[*]}" \
		-v row="$1" -v procs="$2" "$top/bench/sched.targets" \
		"$work/figures"
}

for name in ${wanted[@]+"${wanted[@]}"}; do
	known=false
	while read -r row _; do
		# shellcheck disable=SC2053
		[[ $row == $name ]] && known=true
	done <"$work/list-ours"
	$known || {
		echo "bench: no row '$name'; there are" \
			"$(cut -d ' ' -f 1 "$work/list-ours" | xargs)" >&2
		exit 2
	}
done
$json || awk -f "$top/bench/report.awk" -v head=true -v peers="${peers[*]}"
failed=0
while read -r row unit kind; do
	is_wanted "$row" || continue
	for p in $procs; do
		is_for "$kind" "$p" || continue
		measure "$row" "$unit" "$p" </dev/null >>"$work/figures"
		if grep -q "^$row $p $unit ours " "$work/figures"; then
			report "$row" "$p"
		else
			failed=1
		fi
	done
done <"$work/list-ours"
exit $failed
