#!/bin/sh
# The network interfaces of a host, one JSON object a line: interfaces.sh [ROOT]
#
# What does not change by itself: no counters, no lifetimes, no temporary
# addresses. Addresses come from ip(8), where it is there and the host is this
# one; all else from /sys.
set -eu
cd "$(dirname "$0")"
root=${1:-/}
net=${root%/}/sys/class/net

addresses() {
	[ "$root" = / ] || return 0
	if ! command -v ip >/dev/null; then
		echo "interfaces: no ip(8) here, so no addresses" >&2
		return 0
	fi
	# 2: eth0    inet 10.0.0.5/24 brd 10.0.0.255 scope global eth0 ...
	ip -o addr show | awk '/ temporary/ { next } { print "address", $2, $4 }'
}

facts() {
	for dir in "$net"/*/; do
		[ -r "$dir/address" ] || continue
		name=${dir%/}
		printf 'link %s %s %s %s\n' "${name##*/}" \
			"$(cat "$dir/mtu")" "$(cat "$dir/operstate")" \
			"$(cat "$dir/address")"
	done
}

if [ ! -d "$net" ]; then
	echo "interfaces: no $net, so no interfaces" >&2
	exit 0
fi
{ addresses; facts; } | awk "$(cat json.awk)"'
	$1 == "address" {
		list[$2] = list[$2] (list[$2] == "" ? "" : ", ") string($3)
	}
	$1 == "link" {
		print "{\"id\": " string($2) number("mtu", $3) \
			field("state", $4) field("mac", $5) \
			", \"addresses\": [" list[$2] "]}"
	}
'
