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
