# Words that scenarios are told in. Sourced by bash.

# A value of a JSON document of one line: json_get /steps/0/path <FILE
json_get() {
	awk -v at="$1" -f "$LIB/json.awk" -f <(echo '
		{ flatten($0) } END { print value[at] }')
}

# Every step of a run and its state, as "path state" lines, sorted.
states() {
	"$FLOWCTL" show "$1" --json | awk -f "$LIB/json.awk" -f <(echo '
		{
			flatten($0)
			for (i = 0; ("/steps/" i "/path") in value; i++)
				print value["/steps/" i "/path"], \
					value["/steps/" i "/status"]
		}') | LC_ALL=C sort
}

# A field of what `show --json` says about a step: step_field RUN PATH FIELD
step_field() {
	"$FLOWCTL" show "$1" --json | awk -v path="$2" -v field="$3" \
		-f "$LIB/json.awk" -f <(echo '
		{
			flatten($0)
			for (i = 0; ("/steps/" i "/path") in value; i++)
				if (value["/steps/" i "/path"] == path)
					print value["/steps/" i "/" field]
		}')
}

# A field of the run: run_field RUN /error/path
run_field() {
	"$FLOWCTL" show "$1" --json | json_get "$2"
}

# The most attempts at one instant: max_running RUN [PATHS-REGEX]
max_running() {
	"$FLOWCTL" events "$1" | awk -v what=max -v paths="${2:-}" \
		-f "$LIB/json.awk" -f "$LIB/events.awk"
}

# "kind path" of the steps' events, in order.
order() {
	"$FLOWCTL" events "$1" | awk -v what=order \
		-f "$LIB/json.awk" -f "$LIB/events.awk"
}

# Fails unless the events are numbered without gaps.
dense() {
	"$FLOWCTL" events "$1" | awk -v what=dense \
		-f "$LIB/json.awk" -f "$LIB/events.awk" >"$WORK/dense" || {
		cat "$WORK/dense"
		return 1
	}
}

# Run a command and print its exit code: code_of flowctl ...
code_of() {
	local code=0
	"$@" || code=$?
	echo "exit $code"
}

# Wait for a line in a FIFO: await FIFO. A plain `read` may meet the one who
# wrote the line before, who has not closed it yet, and then the end of file.
await() {
	until read -r x <"$1"; do
		:
	done
}

# Let other processes go on for a moment: a look every 10 ms, not a wait.
breathe() {
	local nothing
	[ -p "$WORK/never" ] || mkfifo "$WORK/never"
	read -r -t 0.01 nothing <>"$WORK/never" || :
}

# Wait until a command succeeds, 20 s at most: eventually test -e FILE
eventually() {
	local end=$((SECONDS + 20))
	until "$@" 2>/dev/null; do
		if ((SECONDS > end)); then
			echo "waited in vain: $*" >&2
			return 1
		fi
		breathe
	done
}

# Wait until the store has it that a step runs: await_running RUN PATH. Its start
# is recorded beside the program, not before it: what the program did comes first
# at times, and an engine that is killed then has recorded nothing of it.
await_running() {
	eventually is_running "$@"
}
is_running() {
	states "$1" | grep -qxF "$2 running"
}

# Processes of this scenario but its own shells.
processes_left() {
	local file pid
	for file in $(grep -lzxsF "FLOW_STORE=$FLOW_STORE" \
		/proc/[0-9]*/environ); do
		pid=${file#/proc/}
		pid=${pid%/environ}
		is_ours "$pid" || echo "$pid"
	done
}

# Our shells, and what has just gone or is about to (a zombie has no words).
is_ours() {
	local line
	line=$(cat "/proc/$1/cmdline" 2>/dev/null | tr '\0' ' ') || return 0
	case "$line" in
	"" | grep\ * | bash\ *scenario/run* | */bash\ *scenario/run* | \
		"bash -eu -c . "*)
		return 0
		;;
	esac
	return 1
}

# "pid words" of each process, from /proc: ps is not everywhere.
describe() {
	local pid
	for pid; do
		echo "$pid $(tr '\0' ' ' <"/proc/$pid/cmdline")"
	done 2>/dev/null
}

# Wait at most $1 s until nothing of the scenario is alive, else print what is.
wait_nobody() {
	local end=$((SECONDS + $1 + 1)) left
	while left=$(processes_left) && [ -n "$left" ]; do
		if ((SECONDS >= end)); then
			describe $left
			return 1
		fi
		breathe
	done
}

kill_all_left() {
	local pid
	for pid in $(processes_left); do
		kill -KILL "$pid" 2>/dev/null
	done
}

# Leave with a reason that the test's log shows.
skip() {
	echo "skipped: $*"
	exit 77
}

# Start flowctl in the background as a terminal would, with SIGINT at its
# default, which a shell's background jobs do not have. Sets $flow_pid.
start_flow() {
	env --default-signal=INT "$FLOWCTL" "$@" &
	flow_pid=$!
}

# Kill a background job with SIGKILL, without the shell's remark about it.
kill_job() {
	{ kill -KILL "$1" && wait "$1"; } 2>/dev/null || :
}

# The exit code of what start_flow started.
flow_code() {
	local code=0
	wait "$flow_pid" || code=$?
	echo "exit $code"
}

# Run SQL on a database and print the rows: sql FILE SQL
sql() {
	python3 -c 'import sqlite3, sys
base = sqlite3.connect(sys.argv[1], timeout=20, isolation_level=None)
for row in base.execute(sys.argv[2]): print(*row)' "$1" "$2"
}

# The ids of plans, newest first: plan_ids [OPTION]... (of cmdb plans)
plan_ids() {
	"$FLOWCTL" cmdb plans --json "$@" |
		sed 's/^{"plan":"\([0-9a-f]*\)".*/\1/'
}
