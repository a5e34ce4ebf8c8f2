# A JSON document of one line as paths and values: flatten(line) fills
# value["/steps/0/path"] and keeps the paths' order in name[1..names]. Strings
# are as they were written, without the quotes.

function flatten(line) {
	J = line
	P = 1
	names = 0
	split("", value)
	split("", name)
	json_value("")
}

function json_space() {
	while (index(" \t\r\n", substr(J, P, 1)) && P <= length(J))
		P++
}

function json_string(    start, c) {
	start = ++P
	while (P <= length(J) && (c = substr(J, P, 1)) != "\"")
		P += c == "\\" ? 2 : 1
	P++
	return substr(J, start, P - 1 - start)
}

function json_leaf(path, text) {
	name[++names] = path
	value[path] = text
}

function json_members(path,    key) {
	P++
	json_space()
	while (P <= length(J) && substr(J, P, 1) != "}") {
		json_space()
		key = json_string()
		json_space()
		P++
		json_value(path "/" key)
		json_space()
		if (substr(J, P, 1) == ",")
			P++
		json_space()
	}
	P++
}

function json_items(path,    i) {
	P++
	json_space()
	i = 0
	while (P <= length(J) && substr(J, P, 1) != "]") {
		json_value(path "/" i++)
		json_space()
		if (substr(J, P, 1) == ",")
			P++
		json_space()
	}
	P++
}

function json_value(path,    c, start) {
	json_space()
	c = substr(J, P, 1)
	if (c == "{") {
		json_members(path)
	} else if (c == "[") {
		json_items(path)
	} else if (c == "\"") {
		json_leaf(path, json_string())
	} else {
		start = P
		while (P <= length(J) && !index(",}] \t", substr(J, P, 1)))
			P++
		json_leaf(path, substr(J, start, P - start))
	}
}
