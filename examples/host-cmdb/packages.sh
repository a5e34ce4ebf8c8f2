#!/bin/sh
# The Debian packages of a host, one JSON object a line: packages.sh [ROOT]
#
# dpkg-query is asked where it is there; else dpkg's own list is read, and a
# host without either has no packages that we know of.
set -eu
cd "$(dirname "$0")"
root=${1:-/}
dpkg=${root%/}/var/lib/dpkg

if [ ! -r "$dpkg/status" ]; then
	echo "packages: no $dpkg/status, so no packages" >&2
	exit 0
fi

# name, architecture, version and state, with tabs between them
if command -v dpkg-query >/dev/null; then
	dpkg-query --admindir="$dpkg" -W \
		-f '${Package}\t${Architecture}\t${Version}\t${Status}\n'
else
	echo "packages: no dpkg-query here, reading $dpkg/status" >&2
	awk '
		function flush() {
			if (name != "")
				print name "\t" arch "\t" version "\t" state
			name = arch = version = state = ""
		}
		/^Package: / { name = $2 }
		/^Architecture: / { arch = $2 }
		/^Version: / { version = $2 }
		/^Status: / { state = $2 " " $3 " " $4 }
		/^$/ { flush() }
		END { flush() }
	' "$dpkg/status"
fi | awk -F '\t' "$(cat json.awk)"'
	$4 !~ / installed$/ { next }
	{
		print "{\"id\": " string($1 ":" $2) field("name", $1) \
			field("architecture", $2) field("version", $3) "}"
	}
'
