# shellcheck shell=bash
# What the tables of tools/bench share; sourced by them.

# The middle one of the numbers in a file, one a line.
median() {
	sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# Print the head of a script as its help, and end with a status.
usage() {
	sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
	exit "$1"
}

# build_bench DIR TARGET...: install what is missing, and make these targets of
# this tree in DIR, as they are measured. Says nothing, unless it fails.
build_bench() {
	local dir=$1 log
	shift

	"$top/tools/setup" bench >&2 || true
	log=$(mktemp "${TMPDIR:-/tmp}/flow-bench.XXXXXX")
	{
		[ -f "$dir/build.ninja" ] ||
			meson setup "$dir" "$top" -Dbuildtype=release \
				-Db_lto=false -Dtests=disabled -Dbench=true
	} >"$log" 2>&1 && ninja -C "$dir" "$@" >"$log" 2>&1 || {
		cat "$log" >&2
		rm -f "$log"
		return 1
	}
	rm -f "$log"
}
