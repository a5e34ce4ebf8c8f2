# Reads a run's events (after json.awk). -v what=
#   max     the most attempts that ran at one instant, of steps whose path
#           matches -v paths=
#   dense   whether seq counts 1, 2, 3 ... (prints the count)
#   order   "kind path" of each event of a step, in order
#   repeat  steps that were started again after they had succeeded

{
	flatten($0)
	kind = value["/kind"]
	path = value["/path"]
	if (what == "dense" && value["/seq"] != NR) {
		printf "event %d has seq %s\n", NR, value["/seq"]
		bad = 1
		exit 1
	}
	if (what == "order" && path != "")
		print substr(kind, 6), path
	if (what == "repeat") {
		if (kind == "step.started" && path in done)
			print path
		if (kind == "step.finished" && value["/status"] == "succeeded")
			done[path] = 1
	}
	if (what != "max" || (paths != "" && path !~ paths))
		next
	# Blocks have ends without a start.
	if (kind == "step.started") {
		running++
		open[path] = 1
	} else if (path in open && (kind == "step.finished" || \
		   kind == "step.retrying" || kind == "step.lost")) {
		running--
		delete open[path]
	}
	if (running > max)
		max = running
}

END {
	if (what == "max")
		print max + 0
	if (what == "dense" && !bad)
		print NR
}
