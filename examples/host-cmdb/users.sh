#!/bin/sh
# The users of a host, one JSON object a line: users.sh [ROOT]
set -eu
cd "$(dirname "$0")"
root=${1:-/}

awk -F: "$(cat json.awk)"'
	/^[#+-]/ || NF < 7 { next }
	{
		print "{\"id\": " string($1) number("uid", $3) \
			number("gid", $4) field("comment", $5) \
			field("home", $6) field("shell", $7) "}"
	}
' "${root%/}/etc/passwd"
