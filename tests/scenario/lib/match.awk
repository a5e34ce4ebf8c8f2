# awk -f match.awk EXPECTED ACTUAL: whether ACTUAL is as EXPECTED says.
#
# Lines are compared as they are, but for {{*}}, which stands for any text, and
# {{n}}, which stands for a number; a line "..." stands for any lines, none too.

function pattern(line,    out, at, c) {
	out = "^"
	while (line != "") {
		if (substr(line, 1, 5) == "{{*}}") {
			out = out ".*"
			line = substr(line, 6)
			continue
		}
		if (substr(line, 1, 5) == "{{n}}") {
			out = out "[0-9.]+"
			line = substr(line, 6)
			continue
		}
		c = substr(line, 1, 1)
		line = substr(line, 2)
		if (index("\\^$.[]|()*+?{}/", c))
			out = out (c == "\\" ? "\\\\" : "[" (c == "^" ? "\\^" : \
				c == "]" ? "\\]" : c == "[" ? "\\[" : c) "]")
		else
			out = out c
	}
	return out "$"
}

BEGIN { wants = 0; haves = 0 }
FILENAME == ARGV[1] { want[++wants] = $0; next }
{ have[++haves] = $0 }

# can[w] says whether the lines so far can be the first w lines wanted.
END {
	can[0] = 1
	for (w = 1; w <= wants && want[w] == "..."; w++)
		can[w] = 1
	for (w = 1; w <= wants; w++)
		if (want[w] != "...")
			regex[w] = pattern(want[w])
	for (h = 1; h <= haves; h++) {
		any = 0
		for (w = wants; w >= 0; w--) {
			if (w > 0 && want[w] == "...")
				now = can[w] || can[w - 1]
			else
				now = w > 0 && can[w - 1] && \
					(have[h] == want[w] || have[h] ~ regex[w])
			next_can[w] = now
		}
		for (w = 0; w <= wants; w++) {
			can[w] = next_can[w]
			if (w > 0 && want[w] == "..." && can[w - 1])
				can[w] = 1
			any = any || can[w]
		}
		if (!any) {
			printf "line %d was not expected: %s\n", h, have[h]
			exit 1
		}
	}
	if (!can[wants]) {
		print "lines that were expected are missing at the end"
		exit 1
	}
}
