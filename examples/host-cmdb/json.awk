# Writing JSON: string("a \"b\"") is the text with its quotes.

function json_init(    i) {
	for (i = 1; i < 32; i++)
		json_escape[sprintf("%c", i)] = sprintf("\\u%04x", i)
	json_escape["\""] = "\\\""
	json_escape["\\"] = "\\\\"
	json_ready = 1
}

function string(text,    out, i, c) {
	if (!json_ready)
		json_init()
	if (text !~ /[\001-\037"\\]/)
		return "\"" text "\""
	for (i = 1; i <= length(text); i++) {
		c = substr(text, i, 1)
		out = out (c in json_escape ? json_escape[c] : c)
	}
	return "\"" out "\""
}

# A further member of an object: , "name": "text"
function field(name, text) {
	return ", \"" name "\": " string(text)
}

function number(name, text) {
	return ", \"" name "\": " \
		(text ~ /^-?(0|[1-9][0-9]*)$/ ? text : "null")
}
