# One row of the sched table from the targets and the figures so far.
#
# Variables: json (true: an object), head (true: only the table's head), peers
# (their names, in order), row, procs. First file: sched.targets. Second: lines
# of "ROW PROCS UNIT NAME FIGURE".

BEGIN {
	names = split(peers, peer, " ")
	if (head == "true") {
		printf "%-16s %2s %-4s %9s", "row", "P", "unit", "ours"
		for (i = 1; i <= names; i++)
			printf " %9s", peer[i]
		printf "  %-6s %6s  %-14s %s\n", "best", "ratio", "target", "met"
		exit
	}
}

FNR == 1 {
	file++
}

/^#/ {
	next
}

file == 1 {
	if ($1 == row && ($2 == "*" || $2 == procs)) {
		limit = $3
		ahead = $4
		flat = $5 == "flat"
	}
	next
}

$1 == row && $2 == procs {
	unit = $3
	figure[$4] = $5
}

$1 == row && $2 == 1 && $4 == "ours" {
	alone = $5
}

# Of speed-ups more is better, of all else less.
function ahead_of(a, b)
{
	return unit == "x" ? a / b : b / a
}

function add(text, ok)
{
	target = target (target == "" ? "" : ", ") text
	met = met && ok
}

function judge()
{
	met = 1
	if (limit != "" && limit != "-")
		add((unit == "x" ? ">=" : "<=") limit, \
		    ahead_of(figure["ours"], limit) >= 1)
	if (ahead != "" && ahead != "-" && best != "")
		add(ahead "x", ratio >= ahead)
	if (flat && procs > 1 && alone != "")
		add("<=P1", figure["ours"] <= 1.05 * alone)
}

function print_json(    i, text)
{
	for (i = 1; i <= names; i++) {
		if (peer[i] in figure)
			text = text (text == "" ? "" : ",") \
				"\"" peer[i] "\":" figure[peer[i]]
	}
	printf "{\"row\":\"%s\",\"procs\":%d,\"unit\":\"%s\",\"ours\":%s," \
		"\"peers\":{%s},", row, procs, unit, figure["ours"], text
	if (best == "")
		printf "\"best_peer\":null,\"ratio\":null,"
	else
		printf "\"best_peer\":\"%s\",\"ratio\":%.2f,", best, ratio
	if (target == "")
		print "\"target\":null,\"met\":null}"
	else
		printf "\"target\":\"%s\",\"met\":%s}\n", target, \
			met ? "true" : "false"
}

function print_text(    i)
{
	printf "%-16s %2d %-4s %9.2f", row, procs, unit, figure["ours"]
	for (i = 1; i <= names; i++)
		printf " %9s", peer[i] in figure ? figure[peer[i]] : "-"
	printf "  %-6s %6s  %-14s %s\n", best == "" ? "-" : best, \
		best == "" ? "-" : sprintf("%.2f", ratio), \
		target == "" ? "-" : target, \
		target == "" ? "-" : met ? "yes" : "no"
}

END {
	if (head == "true")
		exit
	for (i = 1; i <= names; i++) {
		if (!(peer[i] in figure))
			continue
		if (best == "" || ahead_of(figure[peer[i]], figure[best]) > 1)
			best = peer[i]
	}
	ratio = best == "" ? 0 : ahead_of(figure["ours"], figure[best])
	judge()
	if (json == "true")
		print_json()
	else
		print_text()
}
